from datetime import UTC, datetime, timedelta

import pytest
import redis

from redis_tasks import Queue, Task, WorkerDoesNotExist, keys
from redis_tasks.worker import Worker
from tests.conftest import StartWorker, UseSettings
from tests.support.actions import act
from tests.support.hand_worker import HandWorker
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("settings_for_test")


def test_a_worker_tells_who_it_is() -> None:
    HandWorker(["high", "low"], supervisor_id="w1", description="web-7.14152")

    worker = Worker.fetch("w1")

    assert (worker.id, worker.description, worker.state) == ("w1", "web-7.14152", "idle")
    assert worker.queues == [Queue("high"), Queue("low")]
    assert worker.current_task_id is None
    assert worker.fetch_current_task() is None
    assert worker.shutdown_at is None
    assert worker.started_at is not None
    assert abs(datetime.now(UTC) - worker.started_at) < timedelta(seconds=5)
    assert repr(worker) == "<Worker web-7.14152 [w1] idle>"


def test_a_busy_worker_tells_what_it_does() -> None:
    task = Queue().enqueue_call(act)
    HandWorker(supervisor_id="w1").claim()

    worker = Worker.fetch("w1")
    current = worker.fetch_current_task()

    assert worker.state == "busy"
    assert worker.current_task_id == task.id
    assert current is not None
    assert (current.id, current.status, current.worker_id) == (task.id, "running", "w1")


def test_a_task_that_is_gone_is_no_current_task(redis_client: "redis.Redis") -> None:
    task = Queue().enqueue_call(act)
    HandWorker(supervisor_id="w1").claim()
    redis_client.delete(keys.task(task.id))

    assert Worker.fetch("w1").fetch_current_task() is None


def test_workers_of_one_process_are_numbered() -> None:
    Queue().enqueue_call(act)
    hand = HandWorker(supervisor_id="w1", description="web", workers=3)
    hand.claim("w1#2")

    workers = Worker.all()

    assert [worker.id for worker in workers] == ["w1#1", "w1#2", "w1#3"]
    assert [worker.description for worker in workers] == ["web#1", "web#2", "web#3"]
    assert [worker.state for worker in workers] == ["idle", "busy", "idle"]
    assert Worker.fetch("w1#2").state == "busy"


def test_workers_are_listed_by_description() -> None:
    for number, description in enumerate(["web.2", "mail", "web.1"]):
        HandWorker(supervisor_id=f"w{number}", description=description)

    assert [worker.description for worker in Worker.all()] == ["mail", "web.1", "web.2"]


def test_ten_workers_of_a_process_are_listed_in_their_order() -> None:
    HandWorker(supervisor_id="w", workers=11)

    assert [worker.id for worker in Worker.all()] == [f"w#{k}" for k in range(1, 12)]


@pytest.mark.parametrize("worker_id", ["nobody", "w1", "w1#0", "w1#3", "w1#x", "w2#1", ""])
def test_an_unknown_id_is_no_worker(worker_id: str) -> None:
    HandWorker(supervisor_id="w1", workers=2)
    HandWorker(supervisor_id="w2")

    with pytest.raises(WorkerDoesNotExist, match=f"worker {worker_id} does not exist"):
        Worker.fetch(worker_id)


def test_a_worker_that_was_shut_down_can_still_be_fetched() -> None:
    HandWorker(supervisor_id="w1").retire()

    worker = Worker.fetch("w1")

    assert worker.state == "dead"
    assert worker.shutdown_at is not None
    assert worker.started_at is not None
    assert worker.shutdown_at >= worker.started_at
    assert Worker.all() == []


def test_a_dead_worker_is_forgotten_after_its_time(use_settings: UseSettings) -> None:
    use_settings(DEAD_WORKER_TTL=0.05)
    HandWorker(supervisor_id="w1").retire()

    def is_forgotten() -> bool:
        try:
            Worker.fetch("w1")
        except WorkerDoesNotExist:
            return True
        return False

    wait_until(is_forgotten)


@pytest.mark.parametrize("queues", ["no json", '{"a": 1}', '[5, "a\\nb"]'])
def test_a_spoilt_record_can_be_read(queues: str, redis_client: "redis.Redis") -> None:
    HandWorker(supervisor_id="w1")
    key = keys.supervisor("w1")
    redis_client.hset(key, "desc", b"\xff", items=["queues", queues, "start", "soon"])

    worker = Worker.fetch("w1")

    assert worker.queues == []
    assert worker.started_at is None
    assert worker.description == "\ufffd"


def test_a_real_worker_can_be_watched_from_start_to_end(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    process = start_worker("default", "mail", "--concurrency", "2", "--description", "dyno.1")
    task = Queue("mail").enqueue_call(act, [["sleep", 60]])
    ledger.wait_for("start", task.id)

    workers = Worker.all()
    busy = next(worker for worker in workers if worker.state == "busy")
    process.terminate()
    process.wait_exit()

    assert [worker.description for worker in workers] == ["dyno.1#1", "dyno.1#2"]
    assert workers[0].queues == [Queue("default"), Queue("mail")]
    assert busy.current_task_id == task.id
    assert Worker.all() == []
    assert Worker.fetch(busy.id).state == "dead"
    assert Worker.fetch(busy.id).current_task_id is None
    assert Task.fetch(task.id).status == "queued"
