"""Nobody reads what a worker writes: it works on, and ends in time."""

import fcntl
import os
from collections.abc import Iterator

import pytest

from redis_tasks import Queue
from tests.conftest import StartWorker
from tests.outages import tasks
from tests.outages.watching import starts, wait_for_beats, wait_for_status
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until

BUFFERED = {"PYTHONUNBUFFERED": ""}


@pytest.fixture
def closed_pipe() -> Iterator[int]:
    """A pipe whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.fixture
def blocked_pipe() -> Iterator[int]:
    """A pipe that is full, and that nobody reads."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"." * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    yield writer
    os.close(writer)
    os.close(reader)


@pytest.mark.parametrize("pipe", ["closed_pipe", "blocked_pipe"])
def test_a_worker_whose_output_goes_nowhere_beats_works_and_stops(
    pipe: str, start_worker: StartWorker, ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    worker = start_worker("--concurrency", "2", wait=False, stdout=request.getfixturevalue(pipe))
    long = Queue().enqueue_call(act, [["sleep", 60]])
    ledger.wait_for("start", long.id)
    others = [Queue().enqueue_call(kind, [["log", "x" * 5000]]) for kind in (act, act_once) * 5]

    wait_for_status("finished", *others)
    wait_for_beats(long, 3)
    worker.terminate()

    assert worker.wait_exit(5) == 0
    wait_for_status("queued", long)
    assert starts(ledger, [long, *others]) == [1] * 11


def test_a_task_that_prints_where_nobody_reads_fails_by_itself(
    closed_pipe: int, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker(wait=False, stdout=closed_pipe, environment=BUFFERED)
    now = Queue().enqueue_call(tasks.print_now, ["x"])
    later = Queue().enqueue_call(tasks.print_without_end, ["x"])
    after = Queue().enqueue_call(act)

    wait_for_status("failed", now)
    wait_for_status("finished", later, after)

    now.refresh()
    assert "BrokenPipeError" in str(now.error_message)
    assert worker.exit_code is None


def test_output_that_a_task_left_unwritten_does_not_hold_up_its_outcome(
    blocked_pipe: int, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker(wait=False, stdout=blocked_pipe, environment=BUFFERED)
    task = Queue().enqueue_call(tasks.print_without_end, ["x"])
    after = Queue().enqueue_call(act)

    wait_for_status("finished", task, after)
    worker.terminate()

    assert worker.wait_exit(5) == 0


def test_a_task_that_waits_for_its_output_to_be_read_can_be_interrupted(
    blocked_pipe: int, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker(wait=False, stdout=blocked_pipe)
    task = Queue().enqueue_call(act, [["note", "printing"], ["write", "x"]])
    ledger.wait_for("printing", task.id)
    wait_for_beats(task, 1)

    worker.terminate()

    assert worker.wait_exit(5) == 0
    wait_until(lambda: "interrupted" in ledger.names(task.id))
    wait_for_status("queued", task)


def test_a_process_that_cannot_end_is_ended_although_nobody_reads_what_it_says(
    blocked_pipe: int, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker(
        wait=False,
        stdout=blocked_pipe,
        SHUTDOWN_TIMEOUT=2,
        WORKER_PRELOAD_FUNCTION="tests.outages.preloads.start_a_thread_that_never_ends",
    )
    wait_for_status("finished", Queue().enqueue_call(act))

    worker.terminate()

    worker.wait_exit(5)
