"""A worker is asked to stop, in every way, while its task is at every moment."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.conftest import FAST, StartWorker
from tests.faults.conftest import Arrive, Within, clock
from tests.faults.moments import (
    BEFORE_ACK,
    BEFORE_STARTED,
    CLAIM,
    IMPORT,
    KINDS,
    MIDDLEWARE_AFTER,
    MIDDLEWARE_BEFORE,
    POSTPONED,
    USER_CODE,
    Moment,
    Scene,
)
from tests.support.ledger import Ledger
from tests.support.process_table import signal_process
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

PAUSE = 0.05  # seconds between two signals of many


def once_to_the_supervisor(worker: WorkerProcess) -> None:
    worker.terminate()


def to_all(worker: WorkerProcess) -> None:
    worker.terminate_all()


def interrupt_all(worker: WorkerProcess) -> None:
    # As a terminal does it for Ctrl-C.
    for pid in worker.processes():
        signal_process(pid, signal.SIGINT)


WAYS = {
    "sigterm": once_to_the_supervisor,
    "sigterm_to_all": to_all,
    "sigterm_repeated": to_all,
    "sigint": interrupt_all,
}


def stop(way: str, worker: WorkerProcess, thaw: Callable[[], None]) -> tuple[int, float]:
    """Return the exit code, and how long it took from the first signal."""
    asked_at = time.monotonic()
    WAYS[way](worker)
    thaw()
    if way == "sigterm_repeated":
        keep_asking(worker)
    return worker.wait_exit(), time.monotonic() - asked_at


def keep_asking(worker: WorkerProcess) -> None:
    asked_at = time.monotonic()

    def is_over() -> bool:
        nonlocal asked_at
        if time.monotonic() - asked_at > PAUSE:
            asked_at = time.monotonic()
            worker.terminate_all()
        return worker.exit_code is not None

    wait_until(is_over, 10, worker.text)


@pytest.mark.parametrize("way", WAYS)
def test_an_idle_worker_ends_at_once(way: str, start_worker: StartWorker, within: Within) -> None:
    worker = start_worker("--concurrency", "2")

    code, seconds = stop(way, worker, lambda: None)

    assert code == 0
    within("signal to exit, idle", seconds, 2)
    worker.wait_line("Worker .* shut down", count=2)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "moment", [CLAIM, IMPORT, MIDDLEWARE_BEFORE, BEFORE_STARTED], ids=lambda moment: moment.name
)
def test_a_task_that_has_not_begun_is_put_back(
    moment: Moment, kind: str, way: str, arrive: Arrive, within: Within, ledger: Ledger
) -> None:
    scene = arrive(moment, kind)

    code, seconds = stop(way, scene.worker, scene.thaw)

    assert code == 0
    within("signal to exit, not begun", seconds, FAST["SHUTDOWN_TIMEOUT"])
    assert_put_back(scene)
    assert not ledger.events("start")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", [USER_CODE, POSTPONED], ids=lambda moment: moment.name)
def test_a_reentrant_task_that_is_interrupted_goes_to_the_front(
    moment: Moment, way: str, arrive: Arrive, within: Within, ledger: Ledger
) -> None:
    scene = arrive(moment, "reentrant")
    asked_at = clock()

    code, seconds = stop(way, scene.worker, scene.thaw)

    assert code == 0
    within("signal to exit, user code", seconds, FAST["SHUTDOWN_TIMEOUT"])
    assert_interrupted_in_time(moment, asked_at, ledger, within)
    assert_put_back(scene)
    assert len(scene.task_now().aborted_runs) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", [USER_CODE, POSTPONED], ids=lambda moment: moment.name)
def test_a_task_for_once_that_is_interrupted_has_failed(
    moment: Moment, way: str, arrive: Arrive, within: Within, ledger: Ledger
) -> None:
    scene = arrive(moment, "once")
    asked_at = clock()

    code, seconds = stop(way, scene.worker, scene.thaw)

    assert code == 0
    within("signal to exit, user code", seconds, FAST["SHUTDOWN_TIMEOUT"])
    assert_interrupted_in_time(moment, asked_at, ledger, within)
    task = scene.task_now()
    assert (task.status, task.failure_reason) == ("failed", "interrupted")
    assert "Worker shutdown" in str(task.error_message)
    assert scene.line() == ["behind"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", [MIDDLEWARE_AFTER, BEFORE_ACK], ids=lambda moment: moment.name)
def test_a_task_whose_function_has_returned_is_finished(
    moment: Moment, kind: str, way: str, arrive: Arrive, within: Within, ledger: Ledger
) -> None:
    scene = arrive(moment, kind)

    code, seconds = stop(way, scene.worker, scene.thaw)

    assert code == 0
    within("signal to exit, returned", seconds, FAST["SHUTDOWN_TIMEOUT"])
    assert scene.task_now().status == "finished"
    assert ledger.names(scene.task.id).count("start") == 1
    assert scene.line() == ["behind"]


def assert_put_back(scene: Scene) -> None:
    """It is first in line, and the run does not count as an attempt."""
    task = scene.task_now()
    assert (task.status, task.run, task.attempt) == ("queued", 1, 0)
    assert scene.line() == ["task", "behind"]


def assert_interrupted_in_time(
    moment: Moment, asked_at: float, ledger: Ledger, within: Within
) -> None:
    if moment is POSTPONED:
        asked_at = ledger.wait_for("postponed_end").at
    within("signal to WorkerShutdown", ledger.wait_for("interrupted").at - asked_at, 1)
