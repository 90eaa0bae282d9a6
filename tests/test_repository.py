"""The rules of this house that a machine can check; those about modules are in test_floors.py."""

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from development.processes import read_procfile

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = {".git", ".venv", ".data", ".coverage", "htmlcov", "build", "dist", "__pycache__"}
LIBRARY = sorted((ROOT / "redis_tasks").rglob("*.py"))
SCRIPTS = sorted((ROOT / "redis_tasks" / "store" / "lua").rglob("*.lua"))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def our_texts() -> Iterator[Path]:
    """Yield the files that a commit would hold."""
    for folder, names, files in os.walk(ROOT):
        names[:] = [
            n for n in names if n not in NOT_OURS and not n.endswith(("_cache", "hypothesis"))
        ]
        yield from (
            Path(folder) / name
            for name in files
            if not name.endswith(".pyc") and name != ".git"  # a worktree's is a file
        )


def project() -> dict[str, object]:
    table: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "docs/design.md",
        "redis_tasks/py.typed",
    ],
)
def test_what_people_look_for_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


@pytest.mark.parametrize(
    "name", ["bin/up", "bin/test", "bin/requirements", "bin/redis", "bin/docs", ".ci/run"]
)
def test_a_command_can_be_executed(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    place = re.compile(rb"(?<![\w.])/(?:work|home|root|Users)/\w")

    found = [relative(path) for path in our_texts() if place.search(path.read_bytes())]

    assert found == []


def test_the_changelog_describes_this_version() -> None:
    assert f"## [{project()['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) < 100


def test_every_process_replaces_its_shell() -> None:
    commands = read_procfile(ROOT / "Procfile")

    assert all(command.startswith("exec ") for command in commands.values())


@pytest.mark.parametrize("path", [*LIBRARY, *SCRIPTS], ids=relative)
def test_a_task_is_never_called_anything_else(path: Path) -> None:
    assert not re.search(r"\bjobs?\b", path.read_text(), re.IGNORECASE)


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_nothing_that_is_read_can_be_executed(path: Path) -> None:
    dangerous = {"pickle", "marshal", "shelve", "dill", "yaml", "eval", "exec", "compile"}
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Name):
            names.add(node.id)

    assert not names & dangerous


@pytest.mark.parametrize("path", [s for s in SCRIPTS if s.parent.name == "lua"], ids=relative)
def test_a_script_begins_with_its_contract(path: Path) -> None:
    head = path.read_text().partition("\nlocal ")[0]

    assert head.startswith("#!lua")
    for part in ("KEYS", "ARGV", "returns"):
        assert f"\n-- {part} " in head


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = re.findall(r"^### (\d+)\.", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE)

    assert len(numbers) == len(set(numbers))
