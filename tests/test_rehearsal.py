"""What is done before the first fork, so that workhorses share it."""

import dis
import io
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from redis_tasks import execution, rehearsal, shutdown
from redis_tasks.conf import settings
from redis_tasks.store import client
from tests.conftest import StartWorker
from tests.support.ledger import Ledger, record

NOBODY = "redis://127.0.0.1:1"


def is_ready() -> bool:
    """Tell whether Python has specialized the code of a task's way."""
    code = dis.get_instructions(execution.execute, adaptive=True)
    return any(one.opname not in dis.opmap for one in code)


def note_forks() -> None:
    """Preload function: note at each fork what is ready."""

    def note() -> None:
        record("fork", extra=f"{is_ready()} {'encodings.idna' in sys.modules}")

    os.register_at_fork(before=note)


@pytest.fixture
def calls(
    settings_for_test: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> list[tuple[int, ...]]:
    """The calls of the task that a rehearsal runs, with nobody to connect to."""
    settings_for_test["REDIS_URL"] = NOBODY
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # as if no test runner had others
    seen: list[tuple[int, ...]] = []

    def nothing(*args: int) -> None:
        seen.append(args)

    vars(nothing).update(vars(rehearsal.nothing))
    for name in ("__module__", "__qualname__"):
        setattr(nothing, name, getattr(rehearsal.nothing, name))
    monkeypatch.setattr(rehearsal, "nothing", nothing)
    return seen


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    "strict", [{}, {"TASK_MODULES": []}, {"WORKHORSE_MAX_TASKS": 1}, {"WORKHORSE_MAX_MEMORY": 1}]
)
def test_a_rehearsal_runs_its_tasks_whatever_the_settings_say(
    strict: dict[str, Any], calls: list[tuple[int, ...]]
) -> None:
    with settings.override(**strict):
        rehearsal.rehearse()

        assert calls == [(0,)] * rehearsal.TIMES
        assert {name: getattr(settings, name) for name in strict} == strict


def test_a_rehearsal_leaves_nothing_behind(
    calls: list[tuple[int, ...]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    rehearsal.rehearse()
    before = descriptors()
    monkeypatch.setattr(settings, "MAX_CRASHES", 77)

    rehearsal.rehearse()

    assert descriptors() == before
    assert settings.MAX_CRASHES == 77
    shutdown.state.report(shutdown.RAISED)
    assert not caplog.records
    assert logging.root.manager.disable == logging.NOTSET
    assert client._door is None


def test_beside_another_thread_nothing_is_rehearsed(
    calls: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)

    rehearsal.rehearse()

    assert not calls


@pytest.mark.parametrize("error", [AttributeError, NotImplementedError, OSError])
def test_an_output_without_a_descriptor_does_not_matter(
    error: type[Exception], calls: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Screen(io.StringIO):
        def fileno(self) -> int:
            raise error

    monkeypatch.setattr(sys, "stdout", Screen())

    rehearsal.rehearse()

    assert len(calls) == rehearsal.TIMES


def test_a_worker_has_rehearsed_before_its_first_fork(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker(WORKER_PRELOAD_FUNCTION="tests.test_rehearsal.note_forks")

    assert ledger.wait_for("fork").extra == "True True"
