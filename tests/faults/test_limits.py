"""Tasks that take too long, where they have a limit."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from redis_tasks import Queue, Task
from redis_tasks.conf import settings
from redis_tasks.store import client, scripts
from tests.conftest import StartWorker
from tests.faults.conftest import Within, clock
from tests.faults.moments import ACT, IMPORTED, KINDS, LONG, MIDDLEWARE
from tests.faults.outcomes import over
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.process_table import exists
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

StartLimited = Callable[..., WorkerProcess]


@pytest.fixture
def start_limited(start_worker: StartWorker) -> StartLimited:
    """Start a worker with other limits: `start_limited(PREPARE_LIMIT=1.0, middleware="...")`."""

    def start(
        middleware: str = "", environment: dict[str, str] | None = None, **limits: float
    ) -> WorkerProcess:
        given = {"RT_LIMITS": json.dumps(limits), "RT_MIDDLEWARE": middleware}
        values: dict[str, Any] = {"MIDDLEWARE": [MIDDLEWARE]} if middleware else {}
        return start_worker(
            environment={**given, **(environment or {})},
            WORKER_PRELOAD_FUNCTION="tests.faults.preload.set_limits",
            **values,
        )

    return start


@pytest.mark.parametrize("step", ["sleep", "spin", "postpone", "swallow"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_takes_too_long_has_failed(
    kind: str, step: str, start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    worker = start_worker()

    with settings.override(DEFAULT_TASK_TIMEOUT=1):
        task = Queue().enqueue_call(ACT[kind], [[step, LONG]])

    assert over(task) == ("failed", "timeout")
    assert "Task timeout (1 s) reached" in str(task.error_message)
    start = ledger.wait_for("start")
    assert ledger.names(task.id).count("start") == 1
    wait_until(lambda: not exists(start.pid))
    assert worker.exit_code is None
    assert task.started_at is not None
    assert task.ended_at is not None
    within("start to time-out", (task.ended_at - task.started_at).total_seconds(), 1)


def test_a_task_that_takes_too_long_goes_with_its_children(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker()

    with settings.override(DEFAULT_TASK_TIMEOUT=1):
        task = Queue().enqueue_call(act, [["leave_daemon", LONG], ["run_stubborn_child", LONG]])

    daemon, child = (int(ledger.wait_for("grandchild", count=n).extra) for n in (1, 2))
    assert over(task) == ("failed", "timeout")
    wait_until(lambda: not exists(daemon) and not exists(child))


@pytest.mark.parametrize("kind", KINDS)
def test_an_import_that_takes_too_long_puts_the_task_back(
    kind: str, start_limited: StartLimited, ledger: Ledger
) -> None:
    start_limited(PREPARE_LIMIT=0.5, environment={"RT_SLOW_IMPORT": str(LONG)})

    task = Queue().enqueue_call(IMPORTED[kind])

    ledger.wait_for("importing", count=2)
    task.refresh()
    assert (task.status, task.run, task.attempt) == ("running", 2, 1)


def test_a_task_that_never_gets_ready_is_given_up(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker(
        MAX_RELEASES=2,
        WORKER_PRELOAD_FUNCTION="tests.faults.preload.set_limits",
        environment={"RT_SLOW_IMPORT": str(LONG), "RT_LIMITS": '{"PREPARE_LIMIT": 0.3}'},
    )

    task = Queue().enqueue_call(IMPORTED["reentrant"])

    assert over(task) == ("failed", "unstartable")
    assert "took too long" in str(task.error_message)
    assert len(ledger.events("importing")) == 3


def test_the_time_before_a_task_begins_does_not_count_as_its_own(
    start_limited: StartLimited, ledger: Ledger
) -> None:
    start_limited(middleware="before=sleep:1.5")

    with settings.override(DEFAULT_TASK_TIMEOUT=1):
        task = Queue().enqueue_call(act, [["sleep", 0.3]])

    assert over(task) == ("finished", None)


def test_a_short_limit_holds_after_a_long_preparation(
    start_limited: StartLimited, ledger: Ledger, within: Within
) -> None:
    start_limited(middleware="before=sleep:1.5")

    with settings.override(DEFAULT_TASK_TIMEOUT=1):
        task = Queue().enqueue_call(act, [["sleep", LONG]])

    start = ledger.wait_for("start")
    wait_until(lambda: not exists(start.pid), 3)
    assert over(task) == ("failed", "timeout")


@pytest.mark.parametrize("seconds", [0.0, 1.2], ids=["short_task", "long_task"])
@pytest.mark.parametrize("kind", KINDS)
def test_middleware_that_takes_too_long_afterwards_does_not_change_the_outcome(
    kind: str, seconds: float, start_limited: StartLimited, ledger: Ledger
) -> None:
    # The long task returns after the supervisor has first looked at its limits.
    start_limited(PREPARE_LIMIT=1.0, AFTER_LIMIT=0.5, middleware=f"after=sleep:{LONG}")

    task = Queue().enqueue_call(ACT[kind], [["sleep", seconds]])

    returned = ledger.wait_for("after")
    assert over(task) == ("finished", None)
    wait_until(lambda: not exists(returned.pid))
    assert ledger.names(task.id).count("start") == 1


def test_a_failure_is_kept_though_its_middleware_hangs(start_limited: StartLimited) -> None:
    start_limited(AFTER_LIMIT=0.5, middleware=f"outcome=sleep:{LONG}")

    task = Queue().enqueue_call(act, [["raise_error", "no"]])

    assert over(task) == ("failed", "exception")
    assert "ValueError: no" in str(task.error_message)


def test_a_workhorse_that_does_not_leave_after_its_last_task_is_killed(
    start_limited: StartLimited, ledger: Ledger, within: Within
) -> None:
    # It would wait longer for the thread by itself.
    start_limited(EXIT_LIMIT=0.5)

    task = Queue().enqueue_call(act, [["leave_thread", LONG]])

    ended = ledger.wait_for("end", task.id)
    wait_until(lambda: not exists(ended.pid))
    within("end to the workhorse's end", clock() - ended.at, 0.5)
    assert over(task) == ("finished", None)


def test_a_foreign_record_without_a_sound_limit_still_runs(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker()
    new = scripts.NewTask("by-hand", "tests.support.actions.act", b"[[],{}]", True, 0)

    client.run(scripts.enqueue("default", [new]))

    assert over(Task.fetch("by-hand"))[0] in ("finished", "failed")
