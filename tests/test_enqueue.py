import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from redis_tasks import InvalidOperation, PayloadTooLarge, Queue, Task, TWorker
from tests.support.actions import act, act_once, not_a_task
from tests.support.hand_worker import HandWorker
from tests.support.numbered import enqueue_numbers, numbers

pytestmark = pytest.mark.usefixtures("settings_for_test")


def received(client: "redis.Redis", function: Callable[[], object]) -> list[str]:
    """Return the first words of what clients send to the server while *function* runs."""
    words: list[str] = []
    with client.monitor() as monitor:
        client.echo("begin")
        function()
        client.echo("end")
        for command in monitor.listen():
            if command["client_type"] != "lua":
                words.append(command["command"].split()[0])
            if words.count("ECHO") == 2:
                break
    return words[words.index("ECHO") + 1 : -1]


# ---- Enqueueing


def test_an_enqueued_task_waits_in_its_queue(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    task = Queue("mail").enqueue_call(act, [["sleep", 1]], {})

    assert task.status == "queued"
    assert task.enqueued_at is not None
    assert Queue("mail").count() == 1
    [record] = [r for r in caplog.records if r.name == "redis_tasks.task"]
    description = "tests.support.actions.act(['sleep', 1])"
    assert record.getMessage() == f"Task {description} [{task.id}] enqueued"
    assert vars(record)["task_id"] == task.id
    assert vars(record)["queue"] == "mail"
    assert vars(record)["func"] == "tests.support.actions.act"


@pytest.mark.usefixtures("ledger")
def test_a_function_may_be_given_by_its_path() -> None:
    Queue().enqueue_call("tests.support.actions.act")

    worker = TWorker()
    worker.run()

    assert [task.func_name for task in worker.succeeded] == ["tests.support.actions.act"]


def test_tasks_run_first_in_first_out() -> None:
    enqueue_numbers(3)

    assert numbers(Queue().get_tasks()) == [0, 1, 2]


def test_what_is_pushed_to_the_front_runs_before_the_others() -> None:
    enqueue_numbers(1)

    Queue().push(Task(act, [8]), at_front=True)
    Queue().push(Task(act, [9]), at_front=True)
    Queue().push(Task(act, [1]))

    assert numbers(Queue().get_tasks()) == [9, 8, 0, 1]


def test_interrupted_tasks_run_before_all_others_in_their_own_order() -> None:
    enqueue_numbers(4)
    worker = HandWorker()
    first, second, third = worker.claim(), worker.claim(), worker.claim()
    Queue().push(Task(act, [9]), at_front=True)

    for claimed in (third, first, second):
        worker.settle(claimed, "interrupt")

    assert numbers(Queue().get_tasks()) == [0, 1, 2, 9, 3]


def test_enqueueing_is_one_round_trip(redis_client: "redis.Redis") -> None:
    enqueue_numbers(1)

    sent = received(redis_client, lambda: Queue().enqueue_call(act))

    assert sent == ["EVALSHA"]


def test_threads_share_two_connections(redis_client: "redis.Redis") -> None:
    threads = [threading.Thread(target=enqueue_numbers, args=(5,)) for _ in range(12)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ours = [c for c in redis_client.client_list() if c["name"] == "redis_tasks.producer"]
    assert Queue().count() == 60
    assert 1 <= len(ours) <= 2


def test_a_task_is_pushed_only_once() -> None:
    task = Queue().enqueue_call(act)

    with pytest.raises(InvalidOperation, match=f"task {task.id} was enqueued already"):
        Queue("other").push(task)
    with pytest.raises(InvalidOperation, match="only new tasks"):
        Queue().push(Task.fetch(task.id))

    assert Queue("other").count() == 0


@pytest.mark.parametrize(
    ("func", "message"),
    [
        ("no.such.module", "may not be imported for a task"),
        ("tests.support.actions.gone", "cannot be imported: AttributeError"),
        ("tests.gone.act", "cannot be imported: AttributeError: module 'tests' has no"),
        ("tests.support.actions.ROOT", "cannot be imported"),
        ("not a path", "is not an import path"),
        (not_a_task, r"mark it with @redis_task\(\), or list .* in the setting TASK_MODULES"),
        ("tests.support.actions.not_a_task", r"mark it with @redis_task\(\)"),
        (lambda: None, "lambda"),
        (5, "cannot be called"),
        (None, "cannot be called"),
    ],
)
def test_what_no_worker_could_run_is_refused(func: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Queue().enqueue_call(func)

    assert Queue().count() == 0


def test_a_function_inside_another_is_refused() -> None:
    def nested() -> None: ...

    with pytest.raises(ValueError, match="defined inside another function"):
        Queue().enqueue_call(nested)


# ---- Many at once


def test_many_calls_are_enqueued_in_their_order() -> None:
    tasks = Queue().enqueue_many(
        [
            {"func": act, "args": [1]},
            {"func": act_once, "kwargs": {"key": "x"}, "task_id": "mine"},
            {"func": "tests.support.actions.act"},
        ]
    )

    assert Queue().get_task_ids() == [task.id for task in tasks]
    assert tasks[1].id == "mine"
    assert tasks[1].kwargs == {"key": "x"}
    assert {task.status for task in tasks} == {"queued"}


def test_a_thousand_calls_are_one_round_trip(redis_client: "redis.Redis") -> None:
    enqueue_numbers(1)

    sent = received(redis_client, lambda: enqueue_numbers(2500))

    assert sent == ["EVALSHA"] * 3
    assert numbers(Queue().get_tasks(1)) == list(range(2500))


def test_large_calls_take_more_round_trips(redis_client: "redis.Redis") -> None:
    enqueue_numbers(1)
    calls = [{"func": act, "args": ["x" * 500_000]} for _ in range(5)]

    sent = received(redis_client, lambda: Queue().enqueue_many(calls))

    assert sent == ["EVALSHA"] * 3
    assert Queue().count() == 6


def test_no_calls_are_no_tasks() -> None:
    assert Queue().enqueue_many([]) == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"args": []}, TypeError, "needs 'func'"),
        ({"func": act, "arg": []}, TypeError, "has no 'arg'"),
        (act, TypeError, r"must be a dict\(func"),
        ({"func": act, "args": [object()]}, TypeError, r"args\[0\]"),
        ({"func": act, "args": ["x" * 600_000]}, PayloadTooLarge, "MAX_TASK_BYTES"),
        ({"func": not_a_task}, ValueError, "redis_task"),
    ],
)
def test_one_wrong_call_keeps_all_from_being_sent(
    call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Queue().enqueue_many([{"func": act}, call])

    assert Queue().count() == 0


# ---- The same id again


def test_a_repeated_call_makes_no_second_task() -> None:
    first = Queue().enqueue_call(act, [1], task_id="mine")

    second = Queue().enqueue_call(act, [1], task_id="mine")

    assert (first.id, second.id) == ("mine", "mine")
    assert second.status == "queued"
    assert Queue().count() == 1


def test_a_call_repeated_for_another_queue_tells_where_the_task_is() -> None:
    Queue("first").enqueue_call(act, [1], task_id="mine")

    again = Queue("second").enqueue_call(act, [1], task_id="mine")

    assert again.origin == "first"
    assert Queue("second").count() == 0


@pytest.mark.parametrize(
    ("move", "status"), [(None, "running"), ("finish", "finished"), ("fail", "failed")]
)
def test_a_repeated_call_returns_the_task_as_it_is_then(move: str | None, status: str) -> None:
    Queue().enqueue_call(act, [1], task_id="mine")
    worker = HandWorker()
    claimed = worker.claim()
    if move:
        worker.settle(claimed, move, "exception")

    again = Queue().enqueue_call(act, [1], task_id="mine")

    assert again.status == status
    assert Queue().count() == 0


@pytest.mark.parametrize("take_away", ["cancel", "empty", "delete"])
def test_a_task_that_was_taken_away_does_not_come_back(take_away: str) -> None:
    task = Queue().enqueue_call(act, [1], task_id="mine")
    ways: dict[str, Callable[[], object]] = {
        "cancel": task.cancel,
        "empty": Queue().empty,
        "delete": lambda: Task.delete_many(["mine"]),
    }
    ways[take_away]()

    again = Queue().enqueue_call(act, [1], task_id="mine")

    assert again.status is None
    assert Queue().count() == 0


def test_a_call_with_a_set_is_the_same_in_every_process() -> None:
    program = (
        "from redis_tasks import codec;"
        "print(codec.encode_call([{'a', 'b', 'c', 1, (2,), frozenset('xyz')}], {}))"
    )

    written = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(written) == 1


@pytest.mark.parametrize(("func", "args"), [(act, [2]), (act_once, [1])])
def test_an_id_belongs_to_one_call(func: Any, args: list[int]) -> None:
    Queue().enqueue_call(act, [1], task_id="mine")

    with pytest.raises(InvalidOperation, match=r"another function or other arguments: \['mine'\]"):
        Queue().enqueue_call(func, args, task_id="mine")

    assert numbers(Queue().get_tasks()) == [1]


def test_the_others_of_a_batch_are_enqueued_beside_a_taken_id() -> None:
    Queue().enqueue_call(act, [1], task_id="mine")

    with pytest.raises(InvalidOperation, match="mine"):
        Queue().enqueue_many(
            [{"func": act, "args": [2], "task_id": "mine"}, {"func": act, "args": [3]}]
        )

    assert numbers(Queue().get_tasks()) == [1, 3]


# ---- In a transaction of the caller's


@pytest.mark.parametrize("decode", [True, False])
def test_a_task_can_join_the_callers_transaction(
    redis_client: "redis.Redis", redis_url: str, decode: bool
) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=decode) as client:
        pipeline = client.pipeline()
        pipeline.set("order", "paid")

        task = Queue("mail").enqueue_call(act, [1], pipeline=pipeline)

        before = (Queue("mail").count(), redis_client.get("order"))
        replies = pipeline.execute()

    assert before == (0, None)
    assert (Queue("mail").count(), redis_client.get("order")) == (1, b"paid")
    assert replies[1][1] in ("new", b"new")
    assert (task.status, task.origin) == (None, "mail")
    task.refresh()
    assert task.status == "queued"


def test_a_pipeline_needs_no_script_to_be_known(redis_client: "redis.Redis") -> None:
    redis_client.script_flush()
    pipeline = redis_client.pipeline()

    Queue().enqueue_call(act, pipeline=pipeline)
    pipeline.execute()

    assert Queue().count() == 1


def test_a_repeated_pipeline_makes_no_second_task(redis_client: "redis.Redis") -> None:
    for _ in range(2):
        pipeline = redis_client.pipeline()
        Queue().enqueue_call(act, [1], task_id="mine", pipeline=pipeline)
        pipeline.execute()

    assert Queue().count() == 1
