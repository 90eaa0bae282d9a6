from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis

from redis_tasks import (
    DeserializationError,
    InvalidOperation,
    PayloadTooLarge,
    Queue,
    Task,
    TaskDoesNotExist,
)
from redis_tasks import keys as redis_keys
from tests.conftest import UseSettings
from tests.support.actions import act
from tests.support.foreign_record import store
from tests.support.hand_worker import HandWorker

pytestmark = pytest.mark.usefixtures("settings_for_test")

ACT = "tests.support.actions.act"
ATTRIBUTES = [name for name, value in vars(Task).items() if isinstance(value, property)] + [
    name for name, value in vars(Task.__base__).items() if isinstance(value, property)
]


# ---- Reading


def test_a_fetched_task_is_the_one_that_was_enqueued() -> None:
    args = [(1, {2}), b"x", datetime(2026, 1, 2, tzinfo=UTC), Decimal("1.50")]
    enqueued = Queue("mail").enqueue_call(act, args, {"key": {1: None}})

    task = Task.fetch(enqueued.id)

    assert task.func_name == ACT
    assert task.args == tuple(args)
    assert task.kwargs == {"key": {1: None}}
    assert task.status == "queued"
    assert task.origin == "mail"
    assert task.is_reentrant
    assert task.timeout == 86400
    assert task.meta == {}
    assert task.description == enqueued.description
    assert task.enqueued_at == enqueued.enqueued_at


def test_a_new_task_has_no_status_yet() -> None:
    task = Task(act, [1])

    assert (task.status, task.origin, task.enqueued_at) == (None, None, None)
    assert (task.args, task.kwargs, task.run) == ((1,), {}, 0)


def test_moments_are_aware_and_in_order() -> None:
    Queue().enqueue_call(act)
    before = datetime.now(UTC) - timedelta(seconds=1)

    task = HandWorker().run()

    assert task.enqueued_at is not None
    assert task.started_at is not None
    assert task.ended_at is not None
    after = datetime.now(UTC) + timedelta(seconds=1)
    assert before < task.enqueued_at <= task.started_at <= task.ended_at < after


def test_a_failed_task_tells_why() -> None:
    Queue().enqueue_call(act)

    task = HandWorker().run("fail", "exception", "Traceback ...\nValueError: no")

    assert task.status == "failed"
    assert task.failure_reason == "exception"
    assert task.error_message == "Traceback ...\nValueError: no"
    assert (task.run, task.attempt, task.worker_id) == (1, 1, "hand")


def test_an_interrupted_run_is_kept_with_its_times() -> None:
    Queue().enqueue_call(act)

    task = HandWorker().run("interrupt", "interrupted")

    [(started, ended)] = task.aborted_runs
    assert started <= ended
    assert task.started_at is None
    assert (task.status, task.run, task.attempt) == ("queued", 1, 0)


def test_an_unknown_id_is_no_task() -> None:
    with pytest.raises(TaskDoesNotExist, match="no-such-id"):
        Task.fetch("no-such-id")


def test_many_tasks_are_fetched_in_the_order_of_their_ids() -> None:
    ids = [
        task.id for task in Queue().enqueue_many([{"func": act, "args": [i]} for i in range(230)])
    ]
    wanted = [*reversed(ids), "unknown"]

    tasks = Task.fetch_many(wanted)

    assert [task.id for task in tasks] == wanted[:-1]
    assert tasks[0].args == (229,)


def test_what_is_no_record_is_passed_over(redis_client: "redis.Redis") -> None:
    task = Queue().enqueue_call(act)
    redis_client.set(redis_keys.task("text"), "not a record")

    tasks = Task.fetch_many(["text", task.id])

    assert [task.id for task in tasks] == [task.id]


def test_refresh_sees_what_has_happened() -> None:
    task = Queue().enqueue_call(act)
    HandWorker().run()

    task.refresh()

    assert task.status == "finished"


def test_refresh_notices_that_the_task_is_gone() -> None:
    task = Queue().enqueue_call(act)
    Queue().empty()

    with pytest.raises(TaskDoesNotExist):
        task.refresh()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"st": "dancing", "fn": b"\xff\xfe"},
        {"enq": "soon", "start": "9" * 40, "end": "", "to": "long", "run": "x", "try": "1.5"},
        {"cut": "1-2,x-3,4,,5-6-7", "meta": "{", "args": "[1,", "sec": "[[]]", "q": ""},
        {"args": b"\x00" * 100, "sec": "[" * 10_000, "less": "1"},
    ],
    ids=["empty", "unknown words", "wrong numbers", "wrong texts", "bytes"],
)
def test_a_spoilt_record_can_be_listed(
    fields: dict[str, Any], redis_client: "redis.Redis"
) -> None:
    task = store(redis_client, **fields)
    raw = {"args", "kwargs", "meta"}

    seen = {name: getattr(task, name) for name in ATTRIBUTES if name not in raw}

    assert isinstance(seen["description"], str)
    assert isinstance(seen["timeout"], float)
    assert repr(task)


def test_undecodable_arguments_are_an_error_that_keeps_them(redis_client: "redis.Redis") -> None:
    task = store(redis_client, fn=ACT, args="no json", meta="[1]")

    with pytest.raises(DeserializationError) as of_args:
        _ = task.args
    with pytest.raises(DeserializationError) as of_meta:
        _ = task.meta

    assert of_args.value.raw_data == b"no json"
    assert of_meta.value.raw_data == b"[1]"
    assert task.description == f"{ACT}(<undecodable arguments>)"


# ---- Bad input


@pytest.mark.parametrize("args", ["text", {"a"}, 5, {"a": 1}, iter([1])])
def test_args_must_be_a_list_or_a_tuple(args: Any) -> None:
    with pytest.raises(TypeError, match="args must be a list or a tuple"):
        Task(act, args)


@pytest.mark.parametrize("kwargs", [[1], "text", {1: 2}, 5])
def test_kwargs_must_be_a_dict_with_text_keys(kwargs: Any) -> None:
    with pytest.raises(TypeError, match="kwargs must be a dict"):
        Task(act, [], kwargs)


def test_a_value_without_an_encoding_is_named_by_its_path() -> None:
    with pytest.raises(TypeError, match=r"kwargs\['user'\]\['owner'\].*object"):
        Queue().enqueue_call(act, [], {"user": {"owner": object()}})

    assert Queue().count() == 0


def test_too_large_arguments_are_refused_before_anything_is_sent(
    use_settings: UseSettings,
) -> None:
    use_settings(MAX_TASK_BYTES=1000)

    with pytest.raises(
        PayloadTooLarge, match=r"take 10\d\d bytes, more than MAX_TASK_BYTES \(1000"
    ):
        Queue().enqueue_call(act, ["x" * 1000])

    assert Queue().count() == 0


@pytest.mark.parametrize("task_id", ["", "x" * 256, "a\nb", "\ud800"])
def test_a_task_id_is_printable_and_not_too_long(task_id: str) -> None:
    with pytest.raises(ValueError, match="task_id must be printable text"):
        Task(act, task_id=task_id)


def test_a_task_id_is_text() -> None:
    with pytest.raises(TypeError, match="task_id must be text, not a int"):
        Task(act, task_id=5)  # type: ignore[arg-type]


# ---- Cancelling, deleting


def test_a_waiting_task_can_be_cancelled_and_is_gone() -> None:
    task = Queue().enqueue_call(act)

    task.cancel()
    task.cancel()

    assert task.status is None
    assert Queue().count() == 0
    with pytest.raises(TaskDoesNotExist):
        Task.fetch(task.id)


def test_a_running_task_cannot_be_cancelled() -> None:
    task = Queue().enqueue_call(act)
    HandWorker().claim()

    with pytest.raises(InvalidOperation, match=rf"task {task.id} is running, .* only queued"):
        task.cancel()


@pytest.mark.parametrize(("move", "status"), [("finish", "finished"), ("fail", "failed")])
def test_a_task_that_is_over_cannot_be_cancelled(move: str, status: str) -> None:
    Queue().enqueue_call(act)
    task = HandWorker().run(move, "exception")

    with pytest.raises(InvalidOperation, match=f"is {status}"):
        task.cancel()


def test_an_unknown_task_cannot_be_cancelled() -> None:
    task = Task(act)

    with pytest.raises(TaskDoesNotExist, match=task.id):
        task.cancel()


def test_tasks_are_deleted_wherever_they_are_but_not_while_they_run() -> None:
    tasks = Queue().enqueue_many([{"func": act} for _ in range(130)])
    worker = HandWorker()
    finished, failed, running_one = worker.run(), worker.run("fail", "x"), worker.claim()

    deleted = Task.delete_many([*(task.id for task in tasks), "unknown"])

    assert deleted == 129
    assert Task.fetch(running_one.task_id).status == "running"
    assert Task.fetch_many([finished.id, failed.id, tasks[-1].id]) == []
    assert Queue().count() == 0
