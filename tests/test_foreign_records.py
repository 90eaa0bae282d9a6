"""What a worker makes of records that no Queue has written."""

import pytest
import redis

from redis_tasks import DeserializationError, Queue, Task, keys, redis_task
from redis_tasks.registries import failed_task_registry
from tests.conftest import StartWorker
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until

ACT = "tests.support.actions.act"
SECRET = "correct-horse-battery"

# Name, fields, reason of the failure, what its text has.
SPOILT: list[tuple[str, dict[str, str | bytes], str, str]] = [
    ("no-json", {"fn": ACT, "args": b"\xff\x00{"}, "undecodable", "DeserializationError"),
    ("pickled", {"fn": ACT, "args": b"\x80\x04K\x01."}, "undecodable", "DeserializationError"),
    ("another-shape", {"fn": ACT, "args": '{"a": 1}'}, "undecodable", "[args, kwargs]"),
    ("too-deep", {"fn": ACT, "args": "[" * 9999}, "undecodable", "nested deeper"),
    ("without-arguments", {"fn": ACT}, "undecodable", "DeserializationError"),
    ("no-function", {"args": "[[],{}]"}, "unimportable", "is not an import path"),
    ("no-path", {"fn": b"\xff;", "args": "[[],{}]"}, "unimportable", "not an import path"),
    ("gone", {"fn": f"{ACT}_gone", "args": "[[],{}]"}, "unimportable", "act_gone"),
    ("shell", {"fn": "os.system", "args": '[["true"],{}]'}, "not-allowed", "TASK_MODULES"),
    ("imported", {"fn": "this.s", "args": "[[],{}]"}, "not-allowed", "TASK_MODULES"),
]


@redis_task(secret_args=["password"])
def log_in(user: str, password: str) -> None:
    """Fail without a word about the password."""
    raise ValueError(f"{user} may not")


def write(client: "redis.Redis", task_id: str, fields: dict[str, str | bytes]) -> None:
    """Put a record into the default queue as another program might."""
    flat = [part for item in fields.items() for part in item]
    client.hset(keys.task(task_id), "st", "queued", items=["q", "default", *flat])
    client.zadd(keys.queue("default"), {task_id: -1})


def test_a_worker_fails_what_it_cannot_run_and_lives(
    start_worker: StartWorker, redis_client: "redis.Redis", ledger: Ledger
) -> None:
    for name, fields, _, _ in SPOILT:
        write(redis_client, name, fields)
    redis_client.zadd(keys.queue("default"), {"no-record": -2})
    good = Queue().enqueue_call(act)

    worker = start_worker("--burst")
    code = worker.wait_exit(30)

    assert code == 0
    assert ledger.names(good.id) == ["start", "end"]
    assert len(failed_task_registry.get_tasks()) == len(SPOILT)
    for name, fields, reason, text in SPOILT:
        task = Task.fetch(name)
        assert (name, task.status, task.failure_reason) == (name, "failed", reason)
        assert text in (task.error_message or "")
        assert redis_client.hget(keys.task(name), "args") == _bytes(fields.get("args"))
        assert worker.text().count(f"[{name}] failed") == 1
    assert "Zen of Python" not in worker.text()


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def test_listings_show_what_cannot_be_read(
    settings_for_test: dict[str, object], redis_client: "redis.Redis"
) -> None:
    for name, fields, _, _ in SPOILT:
        write(redis_client, name, fields)

    tasks = {task.id: task for task in Queue().get_tasks()}

    assert set(tasks) == {name for name, _, _, _ in SPOILT}
    assert tasks["no-json"].description == f"{ACT}(<undecodable arguments>)"
    assert tasks["no-function"].description == "<no function>()"
    with pytest.raises(DeserializationError) as raised:
        _ = tasks["no-json"].args
    assert raised.value.raw_data == b"\xff\x00{"


def test_a_record_of_another_type_does_not_stop_a_worker(
    start_worker: StartWorker, redis_client: "redis.Redis", ledger: Ledger
) -> None:
    redis_client.set(keys.task("text"), "no hash")
    redis_client.zadd(keys.queue("default"), {"text": -1})
    good = Queue().enqueue_call(act)

    worker = start_worker("--burst")

    assert worker.wait_exit(30) == 0
    assert ledger.names(good.id) == ["start", "end"]


def test_a_name_with_control_characters_is_one_log_line(
    start_worker: StartWorker, redis_client: "redis.Redis"
) -> None:
    write(redis_client, "odd", {"fn": "a\nFAKE\x1b[2J\u2028", "args": "[[],{}]"})

    worker = start_worker("--burst")
    worker.wait_exit(30)

    assert not any(line.startswith("FAKE") for line in worker.lines())
    assert r"a\nFAKE\x1b[2J\u2028" in worker.text()


@pytest.mark.usefixtures("ledger")
def test_a_secret_is_in_no_log_and_no_error(start_worker: StartWorker) -> None:
    worker = start_worker()
    task = Queue().enqueue_call(log_in, ["joe"], {"password": SECRET})

    wait_until(lambda: Task.fetch(task.id).status == "failed")
    task.refresh()
    worker.wait_line("failed")

    assert "log_in('joe', password='[redacted]')" in worker.text()
    assert SECRET not in worker.text()
    assert SECRET not in (task.error_message or "")
