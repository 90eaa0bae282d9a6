"""A worker is asked to stop while middleware is at work: it is never interrupted itself."""

from pathlib import Path

import pytest

from redis_tasks import Queue
from tests.conftest import StartWorker
from tests.faults.conftest import Arrive
from tests.faults.moments import ACT, KINDS, LONG, MIDDLEWARE_MADE, MIDDLEWARE_OUTCOME
from tests.faults.outcomes import state
from tests.support.ledger import Ledger
from tests.support.worker_process import WorkerProcess

RETRYING = "tests.support.middleware.RetryingMiddleware"


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_whose_middleware_is_being_made_is_put_back(
    kind: str, arrive: Arrive, ledger: Ledger
) -> None:
    scene = arrive(MIDDLEWARE_MADE, kind)

    scene.worker.terminate_all()

    assert scene.worker.wait_exit() == 0
    assert scene.line() == ["task", "behind"]
    assert ledger.names(scene.task.id) == ["made"]


@pytest.mark.parametrize("kind", KINDS)
def test_middleware_hears_of_an_outcome_to_its_end(
    kind: str, arrive: Arrive, ledger: Ledger
) -> None:
    scene = arrive(MIDDLEWARE_OUTCOME, kind)

    scene.worker.terminate_all()

    assert scene.worker.wait_exit() == 0
    assert state(scene.task) == ("finished", None)
    assert "WorkerShutdown" not in scene.worker.text()


@pytest.fixture
def start_retrying(
    start_worker: StartWorker, tmp_path: Path, ledger: Ledger
) -> "tuple[WorkerProcess, Path]":
    retry = tmp_path / "retry"
    values = {"MIDDLEWARE": [RETRYING], "SHUTDOWN_TIMEOUT": 8}
    return start_worker(environment={"RT_RETRY": str(retry)}, **values), retry


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_middleware_would_call_again_after_a_stop_was_interrupted(
    kind: str, start_retrying: tuple[WorkerProcess, Path], ledger: Ledger
) -> None:
    worker, retry = start_retrying
    task = Queue().enqueue_call(ACT[kind], [["raise_error", "no"]])
    ledger.wait_for("again", task.id)

    worker.terminate_all()
    worker.wait_line("asked to stop")
    retry.touch()

    assert worker.wait_exit() == 0
    ended = {"reentrant": ("queued", None), "once": ("failed", "interrupted")}
    assert state(task) == ended[kind]
    assert len(ledger.events("start", task.id)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_call_that_has_to_be_killed_is_no_failure_of_the_first(
    kind: str, start_retrying: tuple[WorkerProcess, Path], ledger: Ledger
) -> None:
    worker, retry = start_retrying
    task = Queue().enqueue_call(ACT[kind], [["fail_at_first"], ["swallow", LONG]])
    ledger.wait_for("again", task.id)
    retry.touch()
    ledger.wait_for("working", task.id)

    worker.terminate_all()

    assert worker.wait_exit(12) == 0
    ended = {"reentrant": ("queued", None), "once": ("failed", "killed")}
    assert state(task) == ended[kind]
