"""The system has no room for another process: the worker tries again later, nothing is lost."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from redis_tasks import Queue, Task
from tests.conftest import StartWorker
from tests.outages.watching import starts, wait_for_status
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until

# Limits on processes do not bind root, so the call itself is made to fail.
FAILING: dict[str, Any] = {"WORKER_PRELOAD_FUNCTION": "tests.outages.preloads.let_forks_fail"}


def test_a_worker_that_cannot_fork_pauses_longer_and_longer_then_works(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    tasks = [Queue().enqueue_call(kind) for kind in (act, act_once)]

    worker = start_worker(environment={"RT_FORK_FAILURES": "1 2"}, **FAILING)

    worker.wait_line("No room for a workhorse .*temporarily unavailable.*next try is in 1 s")
    worker.wait_line("No room for a workhorse .*temporarily unavailable.*next try is in [23] s")
    wait_for_status("finished", *tasks)
    assert starts(ledger, tasks) == [1, 1]


def test_a_workhorse_that_cannot_be_replaced_at_once_costs_no_task(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    crashing = Queue().enqueue_call(act_once, [["exit_hard", 3]])
    worker = start_worker(
        environment={"RT_FORK_FAILURES": "2 4"}, WORKHORSE_MAX_TASKS=1, **FAILING
    )
    tasks = [Queue().enqueue_call(kind) for kind in (act, act_once)]

    wait_for_status("failed", crashing)
    wait_for_status("finished", *tasks)

    assert starts(ledger, tasks) == [1, 1]
    assert [task.attempt for task in Task.fetch_many([task.id for task in tasks])] == [1, 1]
    worker.wait_line("No room for a workhorse", count=2)


def test_a_fork_that_fails_in_a_row_of_them_is_made_up_for(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker("--concurrency", "3", environment={"RT_FORK_FAILURES": "2"}, **FAILING)
    worker.wait_line("No room for a workhorse .*temporarily unavailable.*next try is in 1 s")
    wait_until(lambda: len(worker.workhorses()) == 3)

    tasks = Queue().enqueue_many([{"func": act_once}] * 6)

    wait_for_status("finished", *tasks)
    assert starts(ledger, tasks) == [1] * 6
    # A pipe's end for each, both ends of its shelf, two connections.
    wait_until(lambda: sockets_of(worker.pid) == 3 * 3 + 2)


def sockets_of(pid: int) -> int:
    number = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            number += str(descriptor.readlink()).startswith("socket:")
    return number


def test_a_worker_that_cannot_fork_still_stops_when_it_is_told_to(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    everything = " ".join(map(str, range(1, 100)))
    worker = start_worker(environment={"RT_FORK_FAILURES": everything}, **FAILING)
    worker.wait_line("No room for a workhorse")

    worker.terminate()

    assert worker.wait_exit(5) == 0


def test_a_worker_whose_workhorses_would_take_all_descriptors_keeps_some_for_redis(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act_once)

    worker = start_worker(
        "--burst",
        "--concurrency",
        "40",
        WORKER_PRELOAD_FUNCTION="tests.outages.preloads.limit_descriptors",
    )

    worker.wait_line("No room for a workhorse .*[Tt]oo many open files")
    assert worker.wait_exit(20) == 0
    wait_for_status("finished", task)
    assert starts(ledger, [task]) == [1]
