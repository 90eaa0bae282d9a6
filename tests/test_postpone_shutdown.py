"""PostponeShutdown as middleware, for whole tasks."""

import pytest

from redis_tasks import Queue, Task
from redis_tasks.contrib.postpone_shutdown import PostponeShutdownMiddleware
from tests.conftest import StartWorker
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger


class OnlyReentrantTasks(PostponeShutdownMiddleware):
    def applies_to(self, task: Task) -> bool:
        return task.is_reentrant


def test_a_shutdown_waits_for_the_tasks_that_the_middleware_chooses(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    chosen = Queue().enqueue_call(act, [["sleep", 1]])
    other = Queue().enqueue_call(act_once, [["sleep", 60]])
    path = f"{__name__}.{OnlyReentrantTasks.__name__}"
    worker = start_worker("--concurrency", "2", MIDDLEWARE=[path], SHUTDOWN_TIMEOUT=20)
    ledger.wait_for("start", count=2, timeout=20)

    worker.terminate()

    assert worker.wait_exit(25) == 0
    assert Task.fetch(chosen.id).status == "finished"
    assert Task.fetch(other.id).failure_reason == "interrupted"


@pytest.mark.usefixtures("settings_for_test")
def test_by_itself_it_chooses_all_tasks() -> None:
    assert PostponeShutdownMiddleware().applies_to(Task(act))
