"""What tasks cost Redis, as far as it can be counted: round trips, bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from benchmarks.tasks import noop
from redis_tasks import Queue, keys
from redis_tasks.registries import finished_task_registry

from .conftest import StartServer, StartWorker, UseSettings
from .support.ledger import Ledger
from .support.redis_server import RedisServer

BEGIN_AND_END = 40  # round trips of a worker that runs nothing: connecting, house-keeping, leaving


@pytest.fixture
def server(start_redis: StartServer, use_settings: UseSettings) -> RedisServer:
    """A server on which nobody else counts."""
    own = start_redis()
    use_settings(REDIS_URL=own.url)
    return own


@pytest.fixture
def client(server: RedisServer) -> Iterator["redis.Redis"]:
    with server.client() as found:
        yield found


def round_trips(client: Any) -> int:
    # Less the one that asks.
    return int(client.info("stats")["total_reads_processed"]) - 1


def enqueue(count: int) -> None:
    Queue().enqueue_many([{"func": noop, "args": [n]} for n in range(count)])


def test_an_enqueue_is_one_round_trip(client: "redis.Redis") -> None:
    enqueue(1)
    before = round_trips(client)

    for n in range(20):
        Queue().enqueue_call(noop, [n])

    assert round_trips(client) - before == 20 + 1  # and the first look itself


def test_a_thousand_are_enqueued_by_one_round_trip(client: "redis.Redis") -> None:
    enqueue(1)
    client.config_resetstat()

    enqueue(3000)

    stats = client.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 3


@pytest.mark.parametrize(("concurrency", "tasks", "most"), [(1, 300, 1.0), (8, 1200, 0.5)])
def test_a_run_costs_few_round_trips(
    concurrency: int,
    tasks: int,
    most: float,
    server: RedisServer,
    client: "redis.Redis",
    start_worker: StartWorker,
) -> None:
    enqueue(tasks)
    before = round_trips(client)

    options = ("--burst", "-q", "--concurrency", str(concurrency))
    worker = start_worker(*options, wait=False, REDIS_URL=server.url)

    assert worker.wait_exit(60) == 0
    assert finished_task_registry.count() == tasks
    assert round_trips(client) - before <= tasks * most + BEGIN_AND_END


def bytes_each(client: Any, place: str, ids: list[str]) -> float:
    records = [client.memory_usage(keys.task(task_id)) for task_id in ids]
    return float(client.memory_usage(place, samples=0) + sum(records)) / len(ids)


def test_a_queued_small_task_takes_few_bytes(client: "redis.Redis") -> None:
    enqueue(1000)

    assert bytes_each(client, keys.queue("default"), Queue().get_task_ids()) <= 400


def test_a_finished_small_task_takes_little_more(
    server: RedisServer, client: "redis.Redis", start_worker: StartWorker
) -> None:
    enqueue(200)

    worker = start_worker("--burst", "-q", wait=False, REDIS_URL=server.url)

    assert worker.wait_exit(60) == 0
    ids = finished_task_registry.get_task_ids()
    assert len(ids) == 200
    assert bytes_each(client, keys.registry("finished"), ids) <= 350


@pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells what is shared"
)
def test_a_supervisor_that_collects_garbage_shares_its_memory_still(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker(WORKER_PRELOAD_FUNCTION="tests.support.preload.hold_much")

    enqueue(1)

    copied = int(ledger.wait_for("collected", timeout=30).extra)
    assert copied < 2_000  # kilobytes of 10,000
