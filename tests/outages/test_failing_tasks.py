"""Errors of any shape end up as a text that can be read, within its limits."""

import pytest

from redis_tasks import Queue, keys
from redis_tasks.conf import connection
from redis_tasks.lifecycle import ERROR_BYTES
from tests.conftest import StartWorker
from tests.outages import tasks
from tests.outages.watching import wait_for_status
from tests.support.actions import act_once
from tests.support.ledger import Ledger

LONGEST_LINE = 9_999  # bytes


def test_a_huge_error_is_cut_in_the_middle(start_worker: StartWorker, ledger: Ledger) -> None:
    task = Queue().enqueue_call(act_once, [["raise_big_error", 200_000]])
    worker = start_worker()

    wait_for_status("failed", task)

    task.refresh()
    message = str(task.error_message)
    assert len(message.encode()) <= ERROR_BYTES
    assert message.startswith("Traceback (most recent call last)")
    assert "raise_big_error" in message
    assert "bytes cut" in message
    assert message.endswith("xxx\n")
    worker.wait_line(rf"\[{task.id}\] exception: ValueError: xxx")
    assert max(len(line.encode()) for line in worker.lines()) < LONGEST_LINE


def test_text_that_no_encoding_can_write_is_escaped(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act_once, [["raise_surrogate_error"]])
    worker = start_worker()

    wait_for_status("failed", task)

    task.refresh()
    assert r"ValueError: not text: \udc80" in str(task.error_message)
    worker.wait_line(r"ValueError: not text: \\udc80")


def test_an_error_that_has_no_text_is_named_all_the_same(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(tasks.raise_mute)
    start_worker()

    wait_for_status("failed", task)

    task.refresh()
    assert "Mute: <exception str() failed>" in str(task.error_message)
    assert task.failure_reason == "exception"


@pytest.mark.parametrize("code", [None, 0, 3, "no"])
def test_an_exit_in_a_task_is_its_failure_not_the_workers_end(
    code: object, start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act_once, [["exit_softly", code]])
    worker = start_worker("--burst")

    assert worker.wait_exit() == 0

    task.refresh()
    assert (task.status, task.failure_reason) == ("failed", "exception")
    assert "SystemExit" in str(task.error_message)


def test_a_traceback_shows_the_tasks_own_frames_without_values(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(tasks.fail_with_secret, ["ann", "hunter2"])
    worker = start_worker()

    wait_for_status("failed", task)

    task.refresh()
    message = str(task.error_message)
    assert "PermissionError: ann" in message
    assert "fail_with_secret" in message
    assert "redis_tasks/execution.py" not in message
    assert "hunter2" not in message
    assert "hunter2" not in worker.text()
    assert b"hunter2" in connection.hget(keys.task(task.id), "args")
