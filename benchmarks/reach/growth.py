"""Measure what a backlog of a million tasks and more workers change."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import redis

from benchmarks.costs import QUEUE, enqueue_noops, run_costs
from benchmarks.reach.figures import Figure, at_least, at_most
from benchmarks.throughput import ENQUEUE, ONE_BY_ONE, SINGLE, bare_server, enqueue

BACKLOG = 1_000_000
CHUNK = 50_000
TURNS = 8  # of enqueueing behind the backlog and into an empty queue
# Tasks that are enqueued together in a turn. With the single ones all stay below 2 ** 20, where
# Redis doubles its tables: with each of the next million entries it has a part of that to do.
PART = 3_000
RUN, RUN_TURNS = 20_000, 6
WORKERS = (2, 4, 8, 16)
REPEATED = 20  # times that a call on the backlog is made


def figures(client: Any) -> Iterator[Figure]:
    yield from _backlog(client)


def scaling(client: Any) -> Iterator[Figure]:
    """Rates with more and more workers; the cores are full before the last."""
    rates = {n: run_costs(client, n, "-q", until=RUN).per_s for n in WORKERS}
    most = max(rates.values())
    for n, rate in rates.items():
        wanted = 0.9 * most if n == WORKERS[-1] else 0.0
        yield at_least(f"no-op tasks a second, concurrency {n}", wanted, rate)


def _rates(url: str = "") -> tuple[float, float]:
    single = enqueue(ENQUEUE.format(body=ONE_BY_ONE, count=SINGLE), url)
    return single, enqueue_noops(PART, url)


def _enqueueing(behind: str) -> Iterator[Figure]:
    """Take turns with an empty Redis: what the machine does meanwhile meets both alike."""
    ratios: list[tuple[float, float]] = []
    with bare_server() as url, redis.Redis.from_url(url) as empty:
        for turn in range(TURNS):
            before = _rates(url) if turn % 2 else None
            single, many = _rates()
            old_single, old_many = before or _rates(url)
            ratios.append((single / old_single, many / old_many))
            empty.flushall()
    for name, found in zip(
        ("single enqueue", "enqueue_many"), zip(*ratios, strict=True), strict=True
    ):
        ratio = statistics.median(found)
        yield at_least(f"{name} {behind} by that into an empty queue", 0.9, ratio)


def _backlog(client: Any) -> Iterator[Figure]:
    used = client.info("memory")["used_memory"]
    for _ in range(0, BACKLOG, CHUNK):
        enqueue_noops(CHUNK)
    waiting = client.zcard(QUEUE)
    bytes_each = (client.info("memory")["used_memory"] - used) / waiting
    behind = f"behind {waiting:,} tasks"
    yield at_most(f"bytes of a queued task {behind}", 400, bytes_each)
    yield from _enqueueing(behind)
    behind = f"behind {client.zcard(QUEUE):,} tasks"
    yield from _calls(client, behind)
    yield from _running(client, behind)
    client.flushall()


def _running(client: Any, behind: str) -> Iterator[Figure]:
    """Take turns likewise."""
    rates, times, each = [], [], []
    with bare_server() as url, redis.Redis.from_url(url) as empty:
        for turn in range(RUN_TURNS):
            before = run_costs(empty, 4, "-q", until=RUN, url=url) if turn % 2 else None
            full = run_costs(client, 4, "-q", until=RUN, waiting=client.zcard(QUEUE))
            alone = before or run_costs(empty, 4, "-q", until=RUN, url=url)
            rates.append(full.per_s / alone.per_s)
            times.append(full.scripts / alone.scripts)
            each.append(full.scripts)
    without = f"{behind} by that without"
    yield at_least(f"no-op rate {without}", 0.9, statistics.median(rates))
    yield at_most(f"server µs a run {without}", 1.1, statistics.median(times))
    yield at_most(f"server time of a run {behind}", 1.0, statistics.median(each) / 1000, " ms")


def _calls(client: Any, behind: str) -> Iterator[Figure]:
    from redis_tasks import Queue, Task

    queue = Queue()
    ids = queue.get_task_ids(BACKLOG // 2, REPEATED)
    calls: dict[str, Callable[[int], object]] = {
        "cancel one": lambda n: Task.fetch(ids[n]).cancel(),
        "count": lambda _: queue.count(),
        "a page of 100": lambda n: queue.get_tasks(BACKLOG // 2 + 100 * n, 100),
    }
    for name, call in calls.items():
        client.config_resetstat()
        for n in range(REPEATED):
            call(n)
        # What a script does is in its own time, too: so this is rather too much.
        stats = client.info("commandstats").values()
        took = sum(one["usec"] for one in stats) / 1000 / REPEATED
        yield at_most(f"{name} {behind}, server time", 1.0, took, " ms")
