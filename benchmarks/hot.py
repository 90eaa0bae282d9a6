"""Measure what a no-op task costs where nothing has to be woken: Redis and a workhorse, alone.

    .venv/bin/python -m benchmarks.hot [--tasks 30000]

Redis gets the claims and settlements of a worker in long pipelines; a workhorse's loop gets its
tasks from memory. What scripts and workhorses take more in a running worker (``benchmarks.costs``)
is mostly the price of waking up: switching processes, and caches that others have used meanwhile.
"""

import argparse
import itertools
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

import redis

from benchmarks.throughput import own_server
from redis_tasks import workhorse
from redis_tasks.channel import TASK, Channel, Closed
from redis_tasks.conf import settings
from redis_tasks.frames import pack
from redis_tasks.page import Page
from redis_tasks.shelf import Shelf
from redis_tasks.store import client as store
from redis_tasks.store import scripts
from redis_tasks.store.client import Call
from redis_tasks.store.scripts import NewTask, Settlement

SUPERVISOR = str(uuid.UUID(int=2**127 // 3))
TOGETHER = 100  # calls in one pipeline
NOOP = "benchmarks.tasks.noop"
FULL = 11_000  # tasks until the registry of finished tasks is full


def send(client: Any, calls: Sequence[Call[Any]]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for call in calls:
        pipeline.execute_command(*call.command(whole=False))
    return list(pipeline.execute())


def pairs(ids: Sequence[str], batch: int) -> Iterator[list[Call[Any]]]:
    """Yield what a supervisor with *batch* workers says for each of its batches."""
    workers = [f"{SUPERVISOR}#{number}" for number in range(1, batch + 1)]
    for request, start in enumerate(range(0, len(ids), batch), 1):
        runs = zip(ids[start : start + batch], workers, strict=False)
        ends = [Settlement(task_id, worker, 1, "finish") for task_id, worker in runs]
        claim = scripts.claim(SUPERVISOR, request, ["default"], workers[: len(ends)])
        yield [claim, scripts.settle(ends)]


def spent(client: Any) -> tuple[float, float]:
    """Return the microseconds in scripts, and in commands within them."""
    stats = client.info("commandstats")
    whole = float(stats["cmdstat_evalsha"]["usec"])
    return whole, sum(float(each["usec"]) for each in stats.values()) - whole


def redis_alone(client: Any, tasks: int, batch: int) -> tuple[float, float]:
    """Return microseconds a task of settle and claim, and of the commands within."""
    client.flushall()
    for name in ("enqueue", "register", "claim", "settle"):
        client.script_load(store.script(name).text)
    ids = [str(uuid.uuid4()) for _ in range(FULL + tasks)]
    new = [NewTask(task_id, NOOP, b"[[5],{}]", reentrant=False, timeout=86400) for task_id in ids]
    send(
        client,
        [scripts.enqueue("default", new[at : at + 1000]) for at in range(0, len(new), 1000)],
    )
    send(client, [scripts.register(SUPERVISOR, "benchmark", ["default"], batch)])
    done = 0
    counted_from = None
    said = pairs(ids, batch)
    while part := list(itertools.chain.from_iterable(itertools.islice(said, TOGETHER))):
        send(client, part)
        done += batch * len(part) // 2
        if counted_from is None and done >= FULL:
            client.config_resetstat()
            counted_from = done
    whole, commands = spent(client)
    counted = len(ids) - (counted_from or 0)
    return whole / counted, commands / counted


class Memory:
    """Stands for the pipe: gives the same task again and again, and swallows the answers."""

    def __init__(self, tasks: int) -> None:
        told = dict.fromkeys(scripts.CLAIMED, b"") | {
            "w": f"{SUPERVISOR}#1".encode(),
            "id": str(uuid.uuid4()).encode(),
            "run": b"1",
            "q": b"default",
            "fn": NOOP.encode(),
            "to": b"86400",
            "try": b"1",
            "start": b"1790000000001",
            "args": b"[[5],{}]",
            "enq": b"1790000000000",
        }
        self._frame = pack(TASK, b"1", b"0", *(told[name] for name in scripts.CLAIMED))
        self._left = tasks

    def recv(self, _size: int) -> bytes:
        self._left -= 1
        return self._frame if self._left >= 0 else b""

    def sendall(self, data: bytes) -> None:
        """Nobody listens."""


def workhorse_alone(tasks: int) -> float:
    """Return the microseconds that a task takes in a workhorse's loop."""
    logging.getLogger().setLevel(logging.WARNING)
    with settings.override(WORKHORSE_MAX_TASKS=10 * tasks):
        for count in (1000, tasks):
            begin = time.perf_counter()
            with suppress(Closed):
                channel = Channel(cast("socket.socket", Memory(count)))
                workhorse.work(channel, Page(), Shelf(), ())
    store.use(None)
    return (time.perf_counter() - begin) / tasks * 1e6


def main() -> None:
    """Measure against a redis-server of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=30_000, help="no-op tasks a measurement")
    given = parser.parse_args()
    with own_server() as url, redis.Redis.from_url(url) as client:
        os.environ["REDIS_URL"] = url
        print("microseconds a no-op task, without waking anybody")
        for batch in (1, 4, 8, 16):
            whole, commands = redis_alone(client, given.tasks, batch)
            print(
                f"scripts, batches of {batch:2}: {whole:6.1f}, of which commands {commands:5.1f}"
            )
        print(f"workhorse:            {workhorse_alone(given.tasks):6.1f}")


if __name__ == "__main__":
    main()
