"""Middleware hears of runs that were killed, after the fact, in a process of its own."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redis_tasks import Queue, Task, keys
from redis_tasks.conf import connection, settings
from tests.conftest import StartWorker
from tests.faults.moments import LONG, MIDDLEWARE
from tests.faults.outcomes import over
from tests.support.actions import act, act_briefly, act_once
from tests.support.ledger import Event, Ledger
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

SHORT_LEASE = {"WORKER_HEARTBEAT_FREQ": 0.5, "WORKER_HEARTBEAT_TIMEOUT": 3}

StartTraced = Callable[..., WorkerProcess]


@pytest.fixture(autouse=True)
def _short_lease(settings_for_test: dict[str, object]) -> Iterator[None]:
    settings_for_test.update(SHORT_LEASE)
    with settings.override(**SHORT_LEASE):
        yield


@pytest.fixture
def start_traced(start_worker: StartWorker) -> StartTraced:
    """Start a worker whose middleware leaves traces: `start_traced("outcome=sleep:60")`."""

    def start(
        does: str = "", *arguments: str, limits: dict[str, float] | None = None, **values: Any
    ) -> WorkerProcess:
        environment = {"RT_MIDDLEWARE": does, "RT_LIMITS": json.dumps(limits or {})}
        preload = "tests.faults.preload.set_limits"
        given = {"MIDDLEWARE": [MIDDLEWARE], "WORKER_PRELOAD_FUNCTION": preload}
        return start_worker(*arguments, environment=environment, **{**given, **values})

    return start


def run_in(ledger: Ledger, task: Task) -> int:
    """Return the workhorse that runs a task, as soon as it does."""
    return ledger.wait_for("start", task.id).pid


def heard(ledger: Ledger, task: Task, count: int = 1) -> Event:
    return ledger.wait_for("outcome", task.id, count, timeout=20)


def nothing_left() -> bool:
    return not connection.exists(keys.post_mortem())


def test_a_killed_run_is_reported_by_a_fresh_workhorse(
    start_traced: StartTraced, ledger: Ledger
) -> None:
    worker = start_traced()
    task = Queue().enqueue_call(act_once, [["sleep", LONG]])
    killed = run_in(ledger, task)

    os.kill(killed, signal.SIGKILL)

    report = heard(ledger, task)
    assert report.extra == "TaskAborted"
    assert report.pid not in (killed, worker.pid)
    wait_until(nothing_left)
    wait_until(lambda: report.pid not in worker.workhorses())
    assert over(task) == ("failed", "crash")
    assert ledger.names(task.id) == ["before", "start", "outcome"]


def test_a_run_that_took_too_long_is_reported(start_traced: StartTraced, ledger: Ledger) -> None:
    start_traced()
    task = Queue().enqueue_call(act_briefly, [["sleep", LONG]])

    assert heard(ledger, task).extra == "TaskAborted"
    assert over(task) == ("failed", "timeout")


def test_a_lost_run_is_reported_by_the_worker_that_finds_it(
    start_traced: StartTraced, ledger: Ledger
) -> None:
    lost = start_traced()
    task = Queue().enqueue_call(act_once, [["sleep", LONG]])
    run_in(ledger, task)

    lost.kill_all()
    start_traced()

    heard(ledger, task)
    assert over(task) == ("failed", "lost")
    wait_until(nothing_left)


def test_a_report_that_was_cut_off_with_its_worker_is_made_by_another(
    start_traced: StartTraced, ledger: Ledger
) -> None:
    first = start_traced("outcome=sleep:60")
    task = Queue().enqueue_call(act_once, [["die"]])
    heard(ledger, task)

    first.kill_all()
    start_traced()

    heard(ledger, task, count=2)
    wait_until(nothing_left)


def test_none_begins_after_a_stop_signal(start_traced: StartTraced, ledger: Ledger) -> None:
    stopped = start_traced(SHUTDOWN_TIMEOUT=2)
    task = Queue().enqueue_call(act_once, [["swallow", LONG]])
    ledger.wait_for("working", task.id)

    stopped.terminate()

    assert stopped.wait_exit() == 0
    assert over(task) == ("failed", "killed")
    assert ledger.events("outcome", task.id) == []
    start_traced()
    assert heard(ledger, task).extra == "TaskAborted"


def test_what_a_report_raises_changes_nothing(start_traced: StartTraced, ledger: Ledger) -> None:
    worker = start_traced("outcome=raise")
    task = Queue().enqueue_call(act_once, [["die"]])

    worker.wait_line(rf"{task.id}\] was not reported by TracingMiddleware: RuntimeError", 20)

    wait_until(nothing_left)
    assert over(task) == ("failed", "crash")
    assert "middleware" not in str(task.error_message)


def test_a_report_that_dies_is_not_made_again_and_harms_nobody(
    start_traced: StartTraced, ledger: Ledger
) -> None:
    worker = start_traced("outcome=exit:3")
    task = Queue().enqueue_call(act_once, [["die"]])

    worker.wait_line(rf"The report of task \[{task.id}\] ended early: exit code 3", 20)

    wait_until(nothing_left)
    assert len(ledger.events("outcome", task.id)) == 1
    assert worker.exit_code is None


def test_a_report_that_takes_too_long_is_killed(start_traced: StartTraced, ledger: Ledger) -> None:
    worker = start_traced("outcome=sleep:60", limits={"REPORT_LIMIT": 1.0})
    task = Queue().enqueue_call(act_once, [["die"]])

    worker.wait_line(rf"The report of task \[{task.id}\] ended early: exit code -9", 20)

    wait_until(nothing_left)


def test_a_task_that_is_tried_again_is_no_outcome_until_it_is_given_up(
    start_traced: StartTraced, ledger: Ledger
) -> None:
    worker = start_traced(MAX_CRASHES=2)
    task = Queue().enqueue_call(act, [["die"]])

    heard(ledger, task)

    assert over(task) == ("failed", "poison")
    assert ledger.names(task.id) == ["before", "start", "before", "start", "outcome"]
    assert worker.exit_code is None


def test_a_task_that_could_never_begin_is_reported(
    start_traced: StartTraced, ledger: Ledger
) -> None:
    start_traced("before=exit:3", MAX_RELEASES=1)
    task = Queue().enqueue_call(act_once)

    assert heard(ledger, task).extra == "TaskAborted"
    assert over(task) == ("failed", "unstartable")
    assert ledger.names(task.id) == ["before", "before", "outcome"]


def test_in_burst_mode_a_worker_makes_its_reports_first(
    start_traced: StartTraced, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act_once, [["die"]])
    worker = start_traced("", "--burst")

    assert worker.wait_exit(20) == 0

    assert len(ledger.events("outcome", task.id)) == 1
    assert nothing_left()


def test_without_middleware_nothing_is_noted(start_worker: StartWorker, ledger: Ledger) -> None:
    start_worker()
    task = Queue().enqueue_call(act_once, [["die"]])

    assert over(task) == ("failed", "crash")

    assert nothing_left()
