"""A workhorse dies, at every moment of its task; its supervisor lives on."""

import os
import signal

import pytest

from redis_tasks import Queue
from tests.conftest import StartWorker
from tests.faults.conftest import Arrive, Within, clock
from tests.faults.moments import (
    ACT,
    AFTER_OUTCOME,
    BEFORE_ACK,
    BEFORE_OUTCOME,
    BEFORE_STARTED,
    IMPORT,
    KINDS,
    MIDDLEWARE_AFTER,
    MIDDLEWARE_BEFORE,
    POSTPONED,
    USER_CODE,
    Moment,
)
from tests.faults.outcomes import over, state
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.process_table import exists
from tests.support.waiting import wait_until

AT_ONCE = 1  # second

BEGUN = pytest.mark.parametrize(
    "moment",
    [USER_CODE, POSTPONED, MIDDLEWARE_AFTER, BEFORE_OUTCOME],
    ids=lambda moment: moment.name,
)


def test_an_idle_workhorse_killed_by_sigkill_is_replaced(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker()
    Queue().enqueue_call(act)
    ledger.wait_for("end")
    (idle,) = worker.workhorses()

    os.kill(idle, signal.SIGKILL)
    task = Queue().enqueue_call(act)

    ledger.wait_for("end", task.id)
    assert worker.workhorses() != [idle]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "moment", [IMPORT, MIDDLEWARE_BEFORE, BEFORE_STARTED], ids=lambda moment: moment.name
)
def test_sigkill_before_the_task_has_begun_puts_it_back(
    moment: Moment, kind: str, arrive: Arrive, within: Within, ledger: Ledger
) -> None:
    scene = arrive(moment, kind)
    killed_at = clock()

    os.kill(scene.workhorse, signal.SIGKILL)

    # The same worker takes it anew, since it is first in line; no run counts but the new one.
    again = ledger.wait_for(moment.seen, count=2)
    within("kill to restart", again.at - killed_at, AT_ONCE)
    task = scene.task_now()
    assert (task.status, task.run, task.attempt) == ("running", 2, 1)
    assert not ledger.events("start")


@BEGUN
def test_sigkill_after_a_reentrant_task_has_begun_starts_it_again(
    moment: Moment, arrive: Arrive, within: Within, ledger: Ledger
) -> None:
    scene = arrive(moment, "reentrant")
    killed_at = clock()

    os.kill(scene.workhorse, signal.SIGKILL)

    again = ledger.wait_for("start", scene.task.id, count=2)
    within("kill to restart", again.at - killed_at, AT_ONCE)
    task = scene.task_now()
    assert (task.run, task.attempt, len(task.aborted_runs)) == (2, 2, 1)
    assert not ledger.events("start", scene.behind.id)


@BEGUN
def test_sigkill_after_a_task_for_once_has_begun_fails_it(
    moment: Moment, arrive: Arrive, within: Within, ledger: Ledger
) -> None:
    scene = arrive(moment, "once")
    killed_at = clock()

    os.kill(scene.workhorse, signal.SIGKILL)

    wait_until(lambda: scene.task_now().status == "failed")
    within("kill to failed", clock() - killed_at, AT_ONCE)
    task = scene.task_now()
    assert task.failure_reason == "crash"
    assert "SIGKILL" in str(task.error_message)
    ledger.wait_for("start", scene.behind.id)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", [AFTER_OUTCOME, BEFORE_ACK], ids=lambda moment: moment.name)
def test_sigkill_after_the_outcome_changes_nothing(
    moment: Moment, kind: str, arrive: Arrive, ledger: Ledger
) -> None:
    scene = arrive(moment, kind)

    workhorse = scene.workhorse
    os.kill(workhorse, signal.SIGKILL)
    if moment is BEFORE_ACK:
        scene.thaw()

    wait_until(lambda: scene.task_now().status == "finished")
    wait_until(lambda: not exists(workhorse))
    ledger.wait_for("start", scene.behind.id)
    assert ledger.names(scene.task.id) == ["start", "end"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (["die"], "SIGSEGV"),
        (["die", signal.SIGABRT.value], "SIGABRT"),
        (["exit_hard", 3], "code 3"),
    ],
    ids=["segfault", "abort", "os_exit"],
)
def test_a_task_that_ends_its_process_is_a_crash(
    step: list[object], said: str, start_worker: StartWorker
) -> None:
    worker = start_worker()

    task = Queue().enqueue_call(ACT["once"], [step])

    assert over(task) == ("failed", "crash")
    assert said in str(task.error_message)
    assert worker.exit_code is None


def test_a_reentrant_task_that_always_crashes_is_poison(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker(MAX_CRASHES=3)

    poison = Queue().enqueue_call(act, [["die"]])
    behind = Queue().enqueue_call(act)

    ledger.wait_for("end", behind.id)
    assert state(poison) == ("failed", "poison")
    assert ledger.names(poison.id) == ["start"] * 3


def test_a_task_that_crashes_once_finishes_the_next_time(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker()

    task = Queue().enqueue_call(act, [["die_at_first"]])

    ledger.wait_for("end", task.id)
    assert ledger.names(task.id) == ["start", "start", "end"]


@pytest.mark.parametrize("how", ["leave_session", "leave_daemon"])
def test_no_grandchild_outlives_a_workhorse_killed_by_sigkill(
    how: str, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker()
    Queue().enqueue_call(ACT["once"], [[how, 60], ["sleep", 60]])
    grandchild = int(ledger.wait_for("grandchild").extra)
    (workhorse,) = worker.workhorses()
    assert exists(grandchild)

    os.kill(workhorse, signal.SIGKILL)

    wait_until(lambda: not exists(grandchild))
    assert worker.exit_code is None
