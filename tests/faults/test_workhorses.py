"""How workhorses end: used up, too big, with threads left behind; what tasks find in them."""

import os
from pathlib import Path

import pytest

from redis_tasks import Queue
from redis_tasks.conf import connection
from tests.conftest import StartWorker
from tests.faults.conftest import Within, clock
from tests.faults.moments import ACT, KINDS
from tests.faults.outcomes import over
from tests.faults.tasks import show_sockets
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.process_table import exists
from tests.support.waiting import wait_until

EXIT_LIMIT = 5  # seconds that a workhorse has for its threads


def pids(ledger: Ledger) -> list[int]:
    return [event.pid for event in ledger.events("end")]


def test_a_workhorse_stays_for_many_tasks(start_worker: StartWorker, ledger: Ledger) -> None:
    start_worker()

    Queue().enqueue_many([{"func": act}] * 20)

    ledger.wait_for("end", count=20)
    assert len(set(pids(ledger))) == 1


@pytest.mark.skipif(
    not hasattr(os, "SCHED_BATCH") or os.sched_getscheduler(0) != os.SCHED_OTHER,
    reason="this system has no such policy, or the tests run under another one",
)
def test_a_workhorse_that_is_woken_lets_the_supervisor_go_on(start_worker: StartWorker) -> None:
    worker = start_worker("--concurrency", "2")

    def policies() -> list[int]:
        return [os.sched_getscheduler(pid) for pid in worker.workhorses()]

    wait_until(lambda: policies() == [os.SCHED_BATCH] * 2)
    assert os.sched_getscheduler(worker.pid) == os.SCHED_OTHER


def test_a_workhorse_for_one_task_each_is_a_fresh_fork_each_time(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker(WORKHORSE_MAX_TASKS=1)

    Queue().enqueue_many([{"func": act}] * 5)

    ledger.wait_for("end", count=5)
    assert len(set(pids(ledger))) == 5
    wait_until(lambda: not any(map(exists, pids(ledger))))
    wait_until(lambda: len(worker.workhorses()) == 1)


def test_a_workhorse_that_has_grown_too_big_is_replaced(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker(WORKHORSE_MAX_MEMORY=120 * 1024 * 1024)

    Queue().enqueue_many([{"func": act, "args": [["allocate", 60]]}] * 4)

    ledger.wait_for("end", count=4)
    first, second, third, fourth = pids(ledger)
    assert first == second
    assert third == fourth
    assert second != third


def test_a_thread_that_outlives_its_task_does_not_hold_up_the_next(
    start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    worker = start_worker()

    task = Queue().enqueue_call(ACT["once"], [["leave_thread", 60]])
    behind = Queue().enqueue_call(act)

    ended = ledger.wait_for("end", task.id)
    next_one = ledger.wait_for("end", behind.id)
    assert over(task) == ("finished", None)
    assert next_one.pid != ended.pid
    within("end to next task", next_one.at - ended.at, 1)
    assert exists(ended.pid)
    wait_until(lambda: not exists(ended.pid))
    within("end to the workhorse's end", clock() - ended.at, EXIT_LIMIT)
    assert worker.exit_code is None


def test_a_thread_that_outlives_its_task_has_some_seconds(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker()

    task = Queue().enqueue_call(act, [["note_in_thread", 0.5]])

    ledger.wait_for("in_thread", task.id)
    assert ledger.names(task.id) == ["start", "end", "in_thread"]


def test_a_thread_that_outlives_its_task_does_not_hold_up_the_shutdown(
    start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    worker = start_worker()
    Queue().enqueue_call(act, [["leave_thread", 60]])
    ledger.wait_for("end")
    asked_at = clock()

    worker.terminate()

    assert worker.wait_exit() == 0
    within("signal to exit, thread left", clock() - asked_at, 2)


@pytest.mark.parametrize("code", [0, 1, "bye"])
@pytest.mark.parametrize("kind", KINDS)
def test_sys_exit_ends_the_task_and_not_the_workhorse(
    kind: str, code: int | str, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker()
    task = Queue().enqueue_call(ACT[kind], [["exit_softly", code]])
    behind = Queue().enqueue_call(act)

    left = ledger.wait_for("exc", task.id)
    next_one = ledger.wait_for("end", behind.id)

    assert over(task) == ("failed", "exception")
    assert "SystemExit" in str(task.error_message)
    assert left.pid == next_one.pid
    assert worker.exit_code is None


def test_no_task_sees_a_socket_of_its_supervisor_or_of_another_workhorse(
    start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker = start_worker("--concurrency", "3", WORKHORSE_MAX_TASKS=2)

    # The second fork of each worker happens when the supervisor's connections are open.
    for round_number in (1, 2, 3):
        Queue().enqueue_many([{"func": show_sockets, "args": [0.2]}] * 3)
        ledger.wait_for("sockets", count=3 * round_number)

    supervisors = sockets_of(worker.pid)
    seen = [set(event.extra.split()) for event in ledger.events("sockets")]
    assert len(supervisors) >= 2
    # Its pipe and its shelf, of which the supervisor has the reading end, too.
    assert all(len(sockets) == 2 for sockets in seen), seen
    assert all(len(sockets & supervisors) <= 1 for sockets in seen)
    by_process = {event.pid: event.extra.split() for event in ledger.events("sockets")}
    assert len({name for names in by_process.values() for name in names}) == 2 * len(by_process)


def sockets_of(pid: int) -> set[str]:
    links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return {link for link in links if link.startswith("socket:")}


def connections() -> list[dict[str, str]]:
    return [
        client for client in connection.client_list() if client["name"].startswith("redis_tasks.w")
    ]


def test_a_supervisor_of_eight_holds_two_connections(
    start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker = start_worker(
        "--concurrency", "8", WORKER_PRELOAD_FUNCTION="tests.faults.preload.look_into_redis"
    )
    wait_until(lambda: len(worker.workhorses()) == 8)

    Queue().enqueue_many([{"func": act}] * 20)
    ledger.wait_for("end", count=20)
    wait_until(lambda: len(connections()) == 2)
    steps = [["save_meta", "a", 1], ["enqueue", "sink"], ["wait_for_file", str(tmp_path / "go")]]
    Queue().enqueue_many([{"func": act, "args": steps}] * 8)
    ledger.wait_for("enqueued", count=8)

    everybody = connection.client_list()
    others = [client for client in everybody if client["name"] != "redis_tasks.worker"]
    assert len(connections()) == 2
    assert {client["name"] for client in others} == {"redis_tasks.reader", "redis_tasks.producer"}
    assert len(others) <= 3
    (tmp_path / "go").touch()
    ledger.wait_for("end", count=28)
