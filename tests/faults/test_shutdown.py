"""What tasks, Redis and a worker itself may do while the worker is asked to stop."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_tasks import Queue, Task
from tests.conftest import FAST, StartWorker
from tests.faults.conftest import Arrive, Within, clock
from tests.faults.moments import (
    ACT,
    BEFORE_ACK,
    CLAIM,
    IMPORT,
    KINDS,
    LONG,
    USER_CODE,
    in_middleware,
)
from tests.faults.outcomes import state
from tests.support.actions import act, act_async
from tests.support.ledger import Ledger
from tests.support.process_table import children
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

# Of it, 4 % are left to end after the last word to Redis: a second of the default.
PATIENT_LIMIT = 12
LIMIT = 2.5  # seconds: SHUTDOWN_TIMEOUT where a test waits for it

Begin = Callable[..., tuple[WorkerProcess, Task]]


@pytest.fixture
def begin(start_worker: StartWorker, ledger: Ledger) -> Begin:
    """Start a worker with a task; returns when the task has left a certain trace."""

    def go(
        kind: str, *steps: list[Any], seen: str = "start", **values: Any
    ) -> tuple[WorkerProcess, Task]:
        task = Queue().enqueue_call(ACT[kind], steps)
        worker = start_worker(**values)
        ledger.wait_for(seen, task.id)
        return worker, task

    return go


def ends(worker: WorkerProcess, within: Within, limit: float = FAST["SHUTDOWN_TIMEOUT"]) -> None:
    """Ask the supervisor to stop and see it end in good order."""
    asked_at = clock()
    worker.terminate()
    assert worker.wait_exit() == 0
    within("signal to exit", clock() - asked_at, limit)


# Tasks


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_kills_a_task_that_swallows_the_shutdown(
    kind: str, begin: Begin, within: Within, ledger: Ledger
) -> None:
    worker, task = begin(kind, ["swallow", LONG], seen="working", SHUTDOWN_TIMEOUT=LIMIT)

    ends(worker, within, LIMIT)

    expected = ("queued", None) if kind == "reentrant" else ("failed", "killed")
    assert state(task) == expected
    assert task.attempt == (0 if kind == "reentrant" else 1)
    assert len(ledger.events("swallowed")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_kills_a_task_that_postpones_the_shutdown_for_too_long(
    kind: str, begin: Begin, within: Within, ledger: Ledger
) -> None:
    worker, task = begin(kind, ["postpone", LONG], seen="postponed", SHUTDOWN_TIMEOUT=LIMIT)

    ends(worker, within, LIMIT)

    expected = ("queued", None) if kind == "reentrant" else ("failed", "killed")
    assert state(task) == expected
    assert ledger.names(task.id) == ["start", "postponed"]


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_keeps_the_outcome_of_a_function_whose_middleware_does_not_end(
    kind: str, arrive: Arrive, within: Within, ledger: Ledger
) -> None:
    scene = arrive(in_middleware("hanging", "after", LONG), kind, SHUTDOWN_TIMEOUT=LIMIT)

    ends(scene.worker, within, LIMIT)

    assert state(scene.task) == ("finished", None)
    assert ledger.names(scene.task.id).count("start") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_finishes_a_task_that_swallows_the_shutdown_and_returns(
    kind: str, begin: Begin, within: Within
) -> None:
    worker, task = begin(kind, ["swallow", 1], seen="working")

    ends(worker, within)

    assert state(task) == ("finished", None)


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_leaves_a_finally_block_its_time(
    kind: str, begin: Begin, within: Within, ledger: Ledger
) -> None:
    # Longer than the pause after which an interruption that was not noticed is repeated.
    worker, task = begin(kind, ["clean_up", LONG, 2.5], seen="working")

    worker.terminate()
    os.kill(ledger.wait_for("cleaning").pid, signal.SIGUSR1)  # one more, whoever sends it
    ends(worker, within)

    assert ledger.names(task.id) == ["start", "working", "cleaning", "cleaned", "interrupted"]
    expected = ("queued", None) if kind == "reentrant" else ("failed", "interrupted")
    assert state(task) == expected


def test_sigterm_ends_idle_workhorses_while_another_still_runs(
    start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    worker = start_worker("--concurrency", "3")
    wait_until(lambda: len(worker.workhorses()) == 3)
    task = Queue().enqueue_call(act, [["postpone", 2]])
    busy = ledger.wait_for("postponed", task.id).pid

    worker.terminate()

    wait_until(lambda: worker.workhorses() == [busy], 1.9, worker.text)
    ends(worker, within)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_by_a_child_that_sigterm_killed_is_an_interruption(
    kind: str, begin: Begin, ledger: Ledger
) -> None:
    worker, task = begin(kind, ["note", "waits"], ["run_child", LONG], seen="waits")
    (workhorse,) = worker.workhorses()
    wait_until(lambda: children(workhorse))

    # The failure comes before the supervisor has done anything.
    worker.stop()
    worker.terminate_all()
    ledger.wait_for("exc", task.id)
    worker.cont()

    assert worker.wait_exit() == 0
    expected = ("queued", None) if kind == "reentrant" else ("failed", "interrupted")
    assert state(task) == expected


def test_sigterm_ends_a_child_that_ignores_it(begin: Begin, within: Within) -> None:
    worker, task = begin("reentrant", ["run_stubborn_child", LONG], seen="grandchild")

    worker.terminate_all()
    ends(worker, within)

    assert state(task) == ("queued", None)
    assert not worker.processes()


def test_sigterm_cancels_an_async_task(
    start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    task = Queue().enqueue_call(act_async, [LONG])
    worker = start_worker()
    ledger.wait_for("start", task.id)

    ends(worker, within, 2)

    assert ledger.names(task.id) == ["start", "interrupted"]
    assert (state(task), task.attempt) == (("queued", None), 0)


def test_tasks_that_end_within_the_grace_finish(
    begin: Begin, within: Within, ledger: Ledger
) -> None:
    worker, task = begin("once", ["sleep", 1], SHUTDOWN_GRACE=3)

    ends(worker, within)

    assert state(task) == ("finished", None)


def test_tasks_that_outlast_the_grace_are_interrupted_after_it(
    begin: Begin, within: Within, ledger: Ledger
) -> None:
    worker, task = begin("reentrant", ["sleep", LONG], SHUTDOWN_GRACE=1)
    asked_at = clock()

    ends(worker, within)

    assert ledger.wait_for("interrupted").at - asked_at >= 1
    assert state(task) == ("queued", None)


def test_interrupted_tasks_are_first_in_line_in_their_own_order(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    interrupted = [Queue().enqueue_call(act, [["sleep", 0.7]]) for _ in range(3)]
    worker = start_worker("--concurrency", "3")
    ledger.wait_for("start", count=3)
    others = [Queue().enqueue_call(act) for _ in range(2)]
    Queue().push(Task(act), at_front=True)

    worker.terminate()
    worker.wait_exit()
    line = Queue().get_task_ids()
    start_worker("--burst").wait_exit(20)

    assert line[:3] == [task.id for task in interrupted]
    assert line[4:] == [task.id for task in others]
    assert [event.task_id for event in ledger.events("start")[3:]] == line


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_released_by_sigterm_runs_first_in_the_next_worker(
    kind: str, arrive: Arrive, start_worker: StartWorker, ledger: Ledger
) -> None:
    scene = arrive(IMPORT, kind)
    scene.worker.terminate()
    scene.worker.wait_exit()

    start_worker("--burst").wait_exit(20)

    assert [event.task_id for event in ledger.events("start")] == [scene.task.id, scene.behind.id]
    task = scene.task_now()
    assert (task.status, task.run, task.attempt) == ("finished", 2, 1)


# Redis


def test_an_outcome_is_settled_in_a_shutdown_while_redis_hangs(
    arrive: Arrive, redis_server: RedisServer
) -> None:
    scene = arrive(BEFORE_ACK, "once")

    redis_server.pause()
    try:
        scene.worker.terminate()
        scene.thaw()
        scene.worker.wait_line("Redis is out of reach")
    finally:
        redis_server.resume()

    assert scene.worker.wait_exit() == 0
    assert scene.task_now().status == "finished"


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_ends_in_time_though_redis_does_not_answer(
    kind: str, arrive: Arrive, redis_server: RedisServer, within: Within
) -> None:
    scene = arrive(BEFORE_ACK, kind, SHUTDOWN_TIMEOUT=PATIENT_LIMIT)

    redis_server.pause()
    try:
        asked_at = clock()
        scene.worker.terminate()
        scene.thaw()
        code = scene.worker.wait_exit(2 * PATIENT_LIMIT)
        seconds = clock() - asked_at
    finally:
        redis_server.resume()

    assert code == 0
    within("signal to exit, Redis hangs", seconds, PATIENT_LIMIT)
    scene.worker.wait_line(rf"\[{scene.task.id}\] left to lease recovery")


def test_tasks_that_were_claimed_while_redis_hung_are_put_back(
    arrive: Arrive, redis_server: RedisServer, ledger: Ledger
) -> None:
    scene = arrive(CLAIM, "once")

    redis_server.pause()
    try:
        scene.worker.terminate()
        scene.thaw()
        scene.worker.wait_line("Redis is out of reach")
    finally:
        redis_server.resume()

    assert scene.worker.wait_exit() == 0
    assert scene.line() == ["task", "behind"]
    assert not ledger.events("start")


# The worker itself


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
def test_a_worker_that_still_preloads_ends_at_once(
    number: signal.Signals, start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    worker = start_worker(wait=False, WORKER_PRELOAD_FUNCTION="tests.faults.preload.linger")
    ledger.wait_for("preloading")
    asked_at = clock()

    worker.signal(number)

    assert worker.wait_exit() == 0
    within("signal to exit, preloading", clock() - asked_at, 2)


def test_a_supervisor_that_is_stuck_is_ended_by_its_watchdog(
    start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    worker = start_worker(
        SHUTDOWN_TIMEOUT=LIMIT, WORKER_PRELOAD_FUNCTION="tests.faults.preload.hang_before_ack"
    )
    Queue().enqueue_call(act)
    ledger.wait_for("hangs")
    asked_at = clock()

    worker.terminate()

    assert worker.wait_exit() == 1
    within("signal to exit, stuck", clock() - asked_at, LIMIT)


def test_a_thread_of_the_preload_function_cannot_keep_the_process(
    start_worker: StartWorker, within: Within
) -> None:
    worker = start_worker(
        SHUTDOWN_TIMEOUT=LIMIT, WORKER_PRELOAD_FUNCTION="tests.faults.preload.leave_thread"
    )
    asked_at = clock()

    worker.terminate()

    worker.wait_exit()
    within("signal to exit, thread", clock() - asked_at, LIMIT)


def test_a_workhorse_alone_that_gets_sigterm_goes_on(
    begin: Begin, ledger: Ledger, tmp_path: Path
) -> None:
    worker, task = begin("once", ["wait_for_file", str(tmp_path / "go")])
    workhorse = ledger.wait_for("start")

    for pid in worker.workhorses():
        assert pid == workhorse.pid
        os.kill(pid, signal.SIGTERM)
    (tmp_path / "go").touch()

    ledger.wait_for("end", task.id)
    behind = Queue().enqueue_call(act)
    assert ledger.wait_for("end", behind.id).pid == workhorse.pid


def test_a_grandchild_in_its_own_session_does_not_outlive_the_worker(
    begin: Begin, within: Within
) -> None:
    worker, _ = begin("reentrant", ["leave_daemon", LONG], ["sleep", LONG], seen="grandchild")

    ends(worker, within)

    assert not worker.processes()


def test_a_second_worker_goes_on_where_the_first_was_interrupted(
    arrive: Arrive, start_worker: StartWorker, ledger: Ledger
) -> None:
    scene = arrive(USER_CODE, "reentrant")
    start_worker()
    ledger.wait_for("end", scene.behind.id)

    scene.worker.terminate()

    again = ledger.wait_for("start", scene.task.id, count=2)
    assert again.at - ledger.wait_for("interrupted").at < LIMIT
