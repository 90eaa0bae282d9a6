import asyncio

import pytest

from redis_tasks import (
    InvalidOperation,
    PayloadTooLarge,
    Queue,
    Task,
    TaskDoesNotExist,
    get_current_task,
)
from redis_tasks.task import Running
from tests.conftest import UseSettings
from tests.support.actions import act
from tests.support.hand_worker import HandWorker

pytestmark = pytest.mark.usefixtures("settings_for_test")


# ---- Meta


def test_meta_goes_with_a_new_task() -> None:
    task = Task(act)
    task.meta["step"] = (1, 2)

    Queue().push(task)

    assert Task.fetch(task.id).meta == {"step": (1, 2)}


def test_meta_of_a_waiting_task_can_be_changed_by_anybody() -> None:
    task = Queue().enqueue_call(act)

    task.meta = {"note": "x"}
    task.save_meta()

    assert Task.fetch(task.id).meta == {"note": "x"}


def test_meta_of_a_running_task_is_its_runs_own() -> None:
    Queue().enqueue_call(act)
    claimed = HandWorker().claim()
    outsider = Task.fetch(claimed.task_id)
    own = Task.from_record(claimed.task_id, claimed.fields)
    own.bind_run(claimed.worker_id)

    own.meta["by"] = "run"
    own.save_meta()
    with pytest.raises(InvalidOperation, match="it is running"):
        outsider.save_meta()

    assert Task.fetch(claimed.task_id).meta == {"by": "run"}


def test_a_superseded_run_cannot_save_meta() -> None:
    Queue().enqueue_call(act)
    worker = HandWorker()
    claimed = worker.claim()
    own = Task.from_record(claimed.task_id, claimed.fields)
    own.bind_run(claimed.worker_id)
    worker.settle(claimed, "interrupt")
    worker.claim()

    with pytest.raises(InvalidOperation, match="this run of it was given up"):
        own.save_meta()


def test_meta_of_a_finished_task_can_be_changed() -> None:
    Queue().enqueue_call(act)
    task = HandWorker().run()

    task.meta["seen"] = True
    task.save_meta()

    assert Task.fetch(task.id).meta == {"seen": True}


def test_meta_of_a_task_that_is_gone_cannot_be_saved() -> None:
    task = Queue().enqueue_call(act)
    task.cancel()

    with pytest.raises(TaskDoesNotExist, match=task.id):
        task.save_meta()


def test_meta_cannot_be_saved_before_the_task_is_enqueued() -> None:
    with pytest.raises(InvalidOperation, match="not enqueued yet"):
        Task(act).save_meta()


def test_meta_must_be_a_dict_of_values_that_can_be_kept(use_settings: UseSettings) -> None:
    use_settings(MAX_TASK_BYTES=100)
    task = Queue().enqueue_call(act)

    with pytest.raises(TypeError, match="meta must be a dict, not a list"):
        task.meta = []  # type: ignore[assignment]
    task.meta["x"] = object()
    with pytest.raises(TypeError, match=r"meta\['x'\]"):
        task.save_meta()
    task.meta["x"] = "x" * 100
    with pytest.raises(PayloadTooLarge, match="meta"):
        task.save_meta()


# ---- The current task


def test_there_is_no_current_task_outside_of_one() -> None:
    assert get_current_task() is None


def test_the_current_task_is_the_innermost_one() -> None:
    outer, inner = Task(act), Task(act)

    with Running(outer):
        with Running(inner):
            innermost = get_current_task()
        after = get_current_task()

    assert innermost is inner
    assert after is outer


def test_coroutines_and_their_threads_are_part_of_the_task() -> None:
    task = Task(act)

    async def ask() -> list[Task | None]:
        return [get_current_task(), await asyncio.to_thread(get_current_task)]

    with Running(task):
        seen = asyncio.run(ask())

    assert seen == [task, task]
