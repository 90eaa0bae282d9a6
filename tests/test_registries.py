import pytest
import redis

from redis_tasks import Queue, Task, keys
from redis_tasks.registries import (
    TaskRegistry,
    failed_task_registry,
    finished_task_registry,
    queue_registry,
    worker_registry,
)
from tests.conftest import UseSettings
from tests.support.actions import act
from tests.support.hand_worker import HandWorker
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("settings_for_test")


def end_tasks(count: int, move: str = "finish") -> list[Task]:
    """Have some tasks run to their end, one after the other."""
    Queue().enqueue_many([{"func": act, "args": [i]} for i in range(count)])
    worker = HandWorker()
    return [worker.run(move, "exception") for _ in range(count)]


@pytest.fixture(params=["finish", "fail"])
def ending(request: pytest.FixtureRequest) -> tuple[str, TaskRegistry]:
    """A move, and the registry to which it leads."""
    move = request.param
    return move, finished_task_registry if move == "finish" else failed_task_registry


def test_a_registry_lists_what_ended_its_way_oldest_first(
    ending: tuple[str, TaskRegistry],
) -> None:
    move, registry = ending

    ended = end_tasks(3, move)

    assert registry.count() == 3
    assert registry.get_task_ids() == [task.id for task in ended]
    assert [task.id for task in registry.get_tasks(1, 1)] == [ended[1].id]
    assert registry.get_task_ids(-1, 5) == [ended[2].id]


def test_each_way_to_end_has_its_own_registry() -> None:
    [finished], [failed] = end_tasks(1), end_tasks(1, "fail")

    assert finished_task_registry.get_task_ids() == [finished.id]
    assert failed_task_registry.get_task_ids() == [failed.id]
    assert repr(failed_task_registry) == "TaskRegistry('failed')"


def test_an_emptied_registry_has_forgotten_its_tasks(ending: tuple[str, TaskRegistry]) -> None:
    move, registry = ending
    ended = end_tasks(120, move)

    deleted = registry.empty()

    assert deleted == 120
    assert registry.count() == 0
    assert Task.fetch_many([task.id for task in ended]) == []
    assert registry.empty() == 0


def test_a_registry_is_emptied_of_tasks_from_the_future(redis_client: "redis.Redis") -> None:
    [task] = end_tasks(1)
    redis_client.lset(keys.registry("finished"), 0, f"2500000000000 {task.id}")

    deleted = finished_task_registry.empty()

    assert deleted == 1


def test_what_ended_long_ago_expires(use_settings: UseSettings) -> None:
    end_tasks(3)
    kept = finished_task_registry.expire()
    use_settings(EXPIRING_REGISTRIES_TTL=0.01)

    expired = 0

    def all_expired() -> bool:
        nonlocal expired
        expired += finished_task_registry.expire()
        return finished_task_registry.count() == 0

    wait_until(all_expired)

    assert (kept, expired) == (0, 3)


def test_emptying_keeps_the_count_of_bytes_right(redis_client: "redis.Redis") -> None:
    end_tasks(3)
    end_tasks(2, "fail")

    finished_task_registry.empty()
    Task.delete_many(failed_task_registry.get_task_ids())

    totals = redis_client.hgetall(keys.totals())
    assert (totals[b"finished"], totals[b"failed"]) == (b"0", b"0")


def test_queues_are_listed_by_name() -> None:
    for name in ("b", "a", "c"):
        Queue(name).enqueue_call(act)

    assert queue_registry.get_names() == ["a", "b", "c"]


def test_workers_are_listed_by_their_ids() -> None:
    HandWorker(supervisor_id="one")
    HandWorker(supervisor_id="many", workers=2)

    assert sorted(worker_registry.get_worker_ids()) == ["many#1", "many#2", "one"]


def test_running_tasks_are_listed_by_worker() -> None:
    tasks = Queue().enqueue_many([{"func": act} for _ in range(3)])
    single, many = HandWorker(supervisor_id="one"), HandWorker(supervisor_id="many", workers=2)

    first = single.claim()
    many.claim("many#2")
    before = worker_registry.get_running_tasks()
    single.settle(first, "finish")
    after = worker_registry.get_running_tasks()

    assert before == {"one": tasks[0].id, "many#2": tasks[1].id}
    assert after == {"many#2": tasks[1].id}


def test_a_retired_worker_is_not_listed() -> None:
    worker = HandWorker()

    worker.retire()

    assert worker_registry.get_worker_ids() == []
    assert worker_registry.get_running_tasks() == {}


def test_a_supervisor_without_a_record_is_not_listed(redis_client: "redis.Redis") -> None:
    HandWorker(supervisor_id="one")
    redis_client.zadd(keys.workers(), {"ghost": 1})

    assert worker_registry.get_worker_ids() == ["one"]


def test_a_spoilt_record_of_a_supervisor_is_listed_as_one_worker(
    redis_client: "redis.Redis",
) -> None:
    HandWorker(supervisor_id="one")
    redis_client.hset(keys.supervisor("one"), mapping={"n": "many", "one": "no run"})

    assert worker_registry.get_worker_ids() == ["one"]
    assert worker_registry.get_running_tasks() == {}
