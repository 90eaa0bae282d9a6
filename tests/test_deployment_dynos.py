"""A dyno starts, stops and limits the processes of the Procfile."""

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.support.deployment import (
    PROCESSES,
    ROOT,
    app_json,
    gunicorn_settings,
    procfile,
    run_as_platform,
    variables,
)

THREADS = 256  # that a dyno of 512 MB may have, each process being one
STUB = """#!/bin/sh
echo "$$ $0 $*"
"""


@pytest.fixture
def stubs(tmp_path: Path) -> dict[str, str]:
    """The environment of a dyno in which the programs only say who they are."""
    for name in ("redis_tasks", "gunicorn"):
        file = tmp_path / name
        file.write_text(STUB)
        file.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


def test_there_are_four_lines() -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()

    assert len(lines) == 4
    assert list(procfile(ROOT)) == [*PROCESSES, "release"]


@pytest.mark.parametrize("name", procfile(ROOT))
def test_a_process_takes_the_place_of_its_shell(name: str, stubs: dict[str, str]) -> None:
    shell = run_as_platform(procfile(ROOT)[name], stubs, ROOT)

    output, _ = shell.communicate(timeout=20)

    assert shell.returncode == 0, output
    assert output.startswith(f"{shell.pid} ")
    assert output.count("\n") == 1


@pytest.mark.parametrize("name", procfile(ROOT))
def test_a_line_is_one_simple_command(name: str) -> None:
    words = shlex.split(procfile(ROOT)[name])

    assert not re.search(r"[;|&<>]|\bsh -c\b", procfile(ROOT)[name])
    assert words[0 if name == "release" else 1] in ("redis_tasks", "gunicorn")


@pytest.mark.parametrize(("given", "told"), [({}, "2"), ({"WORKER_CONCURRENCY": "5"}, "5")])
def test_a_variable_says_how_many_tasks_a_worker_runs(
    given: dict[str, str], told: str, stubs: dict[str, str]
) -> None:
    shell = run_as_platform(procfile(ROOT)["worker"], {**stubs, **given}, ROOT)

    output, _ = shell.communicate(timeout=20)

    assert output.split()[2:] == ["worker", "--concurrency", told]
    assert app_json(ROOT)["env"]["WORKER_CONCURRENCY"]["value"] == "2"


def test_each_release_is_examined() -> None:
    assert procfile(ROOT)["release"] == "redis_tasks doctor --release"


@pytest.mark.parametrize("port", ["5000", "41234"])
def test_the_web_process_listens_where_the_platform_says(
    port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", port)

    assert gunicorn_settings(ROOT)["bind"] in (f"0.0.0.0:{port}", f":{port}", f"[::]:{port}")


def test_the_web_process_fits_a_small_dyno(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)

    found = gunicorn_settings(ROOT)

    assert found["worker_class"] == "gthread"
    assert found["workers"] <= 2
    assert found["workers"] * (found["threads"] + 2) < THREADS / 4


def test_the_web_process_outlasts_the_router_and_ends_before_the_dyno() -> None:
    found = gunicorn_settings(ROOT)

    assert found["keepalive"] == 95
    assert found["graceful_timeout"] == 20


def test_only_the_router_is_believed() -> None:
    found = gunicorn_settings(ROOT)

    assert found["forwarded_allow_ips"] == "*"
    assert found["forwarder_headers"] == ""
    assert found["control_socket_disable"] is True


def test_the_example_of_an_environment_is_quoted_and_whole() -> None:
    lines = variables(ROOT / ".env.example")

    assert set(lines) == {*app_json(ROOT)["env"], "REDIS_URL"}
    assert all(re.fullmatch(r'"[^"]+"', value) for value in lines.values())


def test_an_environment_of_ones_own_is_not_committed() -> None:
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()
