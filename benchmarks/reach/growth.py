"""Measure what a backlog of a million tasks and more workers change."""

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.costs import enqueue_noops, run_costs
from benchmarks.reach.figures import Figure, at_least, at_most
from benchmarks.throughput import ENQUEUE, ONE_BY_ONE, SINGLE, enqueue

BACKLOG = 1_000_000
CHUNK = 50_000
RUN = 20_000
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


def _rates() -> tuple[float, float]:
    single = enqueue(ENQUEUE.format(body=ONE_BY_ONE, count=SINGLE))
    return single, enqueue_noops(CHUNK)


def _backlog(client: Any) -> Iterator[Figure]:
    before = _rates()
    client.flushall()
    empty = run_costs(client, 4, "-q", until=RUN)
    used = client.info("memory")["used_memory"]
    for _ in range(0, BACKLOG - CHUNK, CHUNK):
        enqueue_noops(CHUNK)
    after = _rates()
    waiting = client.zcard("redis_tasks:q:default")
    bytes_each = (client.info("memory")["used_memory"] - used) / waiting
    behind = f"behind {waiting:,} tasks"
    for name, old, new in zip(("single enqueue", "enqueue_many"), before, after, strict=True):
        yield at_least(f"{name} {behind} by that into an empty queue", 0.9, new / old)
    yield at_most(f"bytes of a queued task {behind}", 400, bytes_each)
    yield from _calls(client, behind)
    full = run_costs(client, 4, "-q", until=RUN, waiting=waiting)
    yield at_least(f"no-op rate {behind} by that without", 0.9, full.per_s / empty.per_s)
    yield at_most(f"server µs a run {behind} by that without", 1.1, full.scripts / empty.scripts)
    yield at_most(f"server time of a run {behind}", 1.0, full.scripts / 1000, " ms")
    client.flushall()


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
