"""What the README and the guide say is so."""

import ast
import contextlib
import json
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import redis_tasks
from redis_tasks import Queue, Task, cli, defaults, lifecycle
from redis_tasks.conf import connection, settings
from redis_tasks.contrib.graph import chain
from redis_tasks.logs import EXTRAS, JsonFormatter
from tests.conftest import StartServer, StartWorker
from tests.support.actions import act
from tests.support.documentation import PAGES, ROOT, blocks, commands, environment, rows, section
from tests.test_floors import NAMES as FLOORS

DOCS = ROOT / "docs"
OTHER_PAGES = [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)#?([^)\s]*)\)")
IMAGE = re.compile(r'<img src="([^"]+)"')
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
PLACEHOLDER = re.compile(r"%[-.\d]*\w")
LANGUAGES = {"python", "text", "console"}
# What tests/test_deploying.py tries.
RECIPES = {"ini", "dockerfile", "yaml"}
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}


def page_name(page: Path) -> str:
    return page.stem


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_python_block_does_what_its_page_says(
    page: Path, settings_for_test: dict[str, Any], tmp_path: Path
) -> None:
    variables = environment(
        RT_SETTINGS_MODULE="tests.support.worker_settings",
        RT_TEST_SETTINGS=json.dumps(settings_for_test),
        REDIS_URL=settings_for_test["REDIS_URL"],
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.support.documentation", str(page)],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_block_says_what_it_is(page: Path) -> None:
    known = LANGUAGES | RECIPES if page.name == "deploying.md" else LANGUAGES

    assert {block.language for block in blocks(page)} <= known
    assert page.read_text().count("```") == 2 * len(blocks(page))


@pytest.mark.parametrize(
    "page", [*PAGES, *OTHER_PAGES], ids=lambda page: page.parent.name + page.stem
)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    for target, anchor in [*LINK.findall(text), *((name, "") for name in IMAGE.findall(text))]:
        file = (page.parent / target).resolve() if target else page

        assert file.exists(), f"{page.name} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(file), f"{target} has no heading for #{anchor}"


def anchors(page: Path) -> set[str]:
    """Return what a forge makes of a page's headings; of equal ones it numbers the later."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    slugs = [
        re.sub(r"[^\w -]", "", heading).replace(" ", "-").lower()
        for heading in HEADING.findall(text)
    ]
    return {
        slug if n == 0 else f"{slug}-{n}"
        for i, slug in enumerate(slugs)
        for n in [slugs[:i].count(slug)]
    }


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=str)
def test_every_table_has_whole_rows_and_stands_alone(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for part in re.split(r"\n\s*\n", text):
        lines = part.strip().splitlines()
        if any(line.startswith("|") for line in lines):
            assert all(line.startswith("|") for line in lines), part
            cells = [len(re.split(r"(?<!\\)\|", line)) for line in lines]
            assert set(cells) == {cells[0]}, part
            assert set(lines[1]) <= set("|-: "), part


def test_every_page_is_in_the_index() -> None:
    linked = {target for target, _ in LINK.findall((DOCS / "index.md").read_text())}
    pages = {str(page.relative_to(DOCS)) for page in [*DOCS.glob("*.md"), *DOCS.rglob("*.rst")]}

    assert pages - {"index.md"} <= linked


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_no_code_passes_for_output(page: Path) -> None:
    for block in blocks(page):
        if block.language == "text":
            with contextlib.suppress(SyntaxError):
                statements = ast.parse(block.text).body
                code = [part for part in statements if not isinstance(part, ast.Expr)]
                assert code == [], f"{page.name}: this is Python, and not executed:\n{block.text}"


def test_every_public_name_is_explained() -> None:
    guide = "".join(page.read_text() for page in PAGES)

    missing = [name for name in redis_tasks.__all__ if not re.search(rf"\b{name}\b", guide)]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_shown_can_be_given(page: Path) -> None:
    for command in commands(page):
        program, *arguments = command.words
        if program == "redis_tasks":
            read(arguments)
        elif program.startswith("bin/"):
            assert os.access(ROOT / program, os.X_OK)


def read(arguments: list[str]) -> None:
    """Have click read a command line, without carrying it out."""
    group = click.Context(cli.main, info_name="redis_tasks", **cli.main.context_settings)
    _, rest, _ = cli.main.make_parser(group).parse_args(list(arguments))
    if not rest:  # --help or --version, which need no command
        return
    command = cli.main.get_command(group, rest[0])
    assert command is not None, f"there is no command {rest[0]}"
    with contextlib.suppress(click.exceptions.Exit):  # --help
        command.make_context(rest[0], rest[1:], parent=group).close()


@pytest.mark.parametrize("name", ["", *cli.main.commands])
def test_the_page_of_commands_has_every_option(name: str) -> None:
    command: click.Command = cli.main.commands[name] if name else cli.main
    context = click.Context(command, **command.context_settings)
    parameters = command.get_params(context) if command is cli.main else command.params
    taken = {option for p in parameters if isinstance(p, click.Option) for option in p.opts}
    arguments = [p.make_metavar(context) for p in parameters if isinstance(p, click.Argument)]

    text = section(DOCS / "commands.md", f"## redis_tasks {name}".strip())

    told = {option for row in rows(text) for option in CODE.findall(row[0]) if option[0] == "-"}
    assert told == taken
    assert all(f"`{argument}`" in text for argument in arguments)


def test_the_page_of_settings_has_every_default() -> None:
    expected = {name: value for name, value in vars(defaults).items() if name.isupper()}

    told = {
        name[1]: ast.literal_eval(row[1].strip("`"))
        for row in rows((DOCS / "settings.md").read_text())
        if len(row) == 4 and (name := re.fullmatch(r"`([A-Z_]+)`", row[0])) and row[3]
    }

    assert told == expected


def test_the_page_of_settings_has_every_unit() -> None:
    comments = re.findall(
        r"^([A-Z_]+)\b[^#\n]*#\s*(seconds|bytes|tasks|times|crashed runs)\b",
        (ROOT / "redis_tasks" / "defaults.py").read_text(),
        re.MULTILINE,
    )

    units = {
        row[0].strip("`"): row[2]
        for row in rows((DOCS / "settings.md").read_text())
        if len(row) == 4
    }

    assert len(comments) >= 14
    told = {name: units[name].replace("runs", "crashed runs") for name, _ in comments}
    assert told == dict(comments)


def test_the_page_about_the_architecture_has_every_floor() -> None:
    table = rows(section(DOCS / "architecture.md", "## The floors"))

    assert [row[0] for row in table[2:]] == FLOORS


def test_the_page_of_tasks_has_every_reason() -> None:
    statuses = {lifecycle.QUEUED, lifecycle.RUNNING, lifecycle.FINISHED, lifecycle.FAILED}
    words = {
        value
        for name, value in vars(lifecycle).items()
        if name.isupper() and isinstance(value, str)
    }

    told = [row[0].strip("`") for row in rows(section(DOCS / "tasks.md", "### Reasons"))[2:]]

    assert sorted(told) == sorted(words - statuses)


def test_the_page_of_log_lines_has_every_line() -> None:
    told = [
        line
        for row in rows((DOCS / "logs.md").read_text())
        if len(row) == 3
        for line in CODE.findall(row[1])
    ]

    missing = [text for text in logged_texts() if not any(fits(text, line) for line in told)]

    assert missing == []


def logged_texts() -> Iterator[str]:
    for file in (ROOT / "redis_tasks").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr=method), args=[text, *_]):
                    if method in LOG_METHODS:
                        yield ast.literal_eval(text)


def fits(logged: str, told: str) -> bool:
    parts = [re.escape(part) for part in PLACEHOLDER.split(logged)]
    return re.fullmatch(".+".join(parts), told) is not None


def test_the_page_of_log_lines_has_every_field() -> None:
    error = ValueError()
    failure = (type(error), error, None)
    record = logging.LogRecord("x", logging.INFO, "x", 1, "x", None, failure)
    vars(record).update(dict.fromkeys(EXTRAS, 1))

    table = rows(section(DOCS / "logs.md", "## JSON"))

    told = {name for row in table for name in CODE.findall(row[0])}
    assert told == set(json.loads(JsonFormatter().format(record)))


def test_a_worker_gets_along_with_the_rights_of_the_guide(
    start_redis: StartServer, start_worker: StartWorker
) -> None:
    acl = next(b.text for b in blocks(DOCS / "redis.md") if b.text.startswith("ACL SETUSER"))
    server = start_redis(tcp=True)
    with server.client() as admin:
        admin.execute_command(*shlex.split(acl))
        admin.execute_command("ACL", "SETUSER", "default", "off")
    url = f"redis://tasks:a-long-password@127.0.0.1:{server.port}"
    values: dict[str, Any] = {"REDIS_URL": url, "REDIS_PREFIX": "redis_tasks"}

    worker = start_worker(**values)
    with settings.override(**values):
        connection.reset()
        task = Queue().enqueue_call(act, [["save_meta", "note", 1], ["count_queue", "default"]])
        worker.wait_line(f"{task.id}] finished")

        graph = chain([{"func": act}, {"func": act}])
        graph.enqueue()
        worker.wait_line(f"{graph.nodes[1].task_id}] finished")

        assert Task.fetch(task.id).meta == {"note": 1}
        assert Queue.all() == [Queue()]
    worker.terminate()
    assert worker.wait_exit() == 0
    assert "refused" not in worker.text()
