"""Measure how long a worker takes to begin, and to end."""

import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.costs import enqueue_noops, worker_program
from benchmarks.reach.figures import Figure, at_most
from benchmarks.reach.upkeep import await_empty
from benchmarks.throughput import ENQUEUE, enqueue

REPEATED = 5
RUNNING = 8
LIMIT = 30.0  # seconds
SLEEPERS = "queue.enqueue_many([dict(func=sleep, args=[60])] * {count})"


def figures(client: Any) -> Iterator[Figure]:
    yield at_most("start to first task", 0.4, _median(client, _start), " s")
    yield at_most("SIGTERM to exit, idle", 0.2, _median(client, _stop_idle), " s")
    what = f"SIGTERM to exit, {RUNNING} tasks to interrupt"
    yield at_most(what, 1.0, _median(client, _stop_busy), " s")


def _median(client: Any, measure: Callable[[Any], float]) -> float:
    found: list[float] = []
    for _ in range(REPEATED):
        found.append(measure(client))
        client.flushall()
    return statistics.median(found)


def _worker(concurrency: int) -> subprocess.Popen[bytes]:
    program = worker_program("-q", "--concurrency", str(concurrency))
    return subprocess.Popen(program, stdout=subprocess.DEVNULL)


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"this did not happen within {LIMIT:g} s")
        time.sleep(0.002)


def _start(client: Any) -> float:
    enqueue_noops(1)
    began = time.monotonic()
    process = _worker(1)
    _until(lambda: client.llen("redis_tasks:over:finished"))
    took = time.monotonic() - began
    process.terminate()
    process.wait(LIMIT)
    return took


def _stop(process: subprocess.Popen[bytes]) -> float:
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    if process.wait(LIMIT) != 0:
        raise SystemExit("the worker did not end in good order")
    return time.monotonic() - began


def _stop_idle(client: Any) -> float:
    process = _worker(RUNNING)
    enqueue_noops(1)
    await_empty(client)
    return _stop(process)


def _stop_busy(client: Any) -> float:
    process = _worker(RUNNING)
    body = "from benchmarks.tasks import sleep; " + SLEEPERS.format(count=RUNNING)
    enqueue(ENQUEUE.format(body=body, count=RUNNING))
    _until(lambda: client.zcard("redis_tasks:leases:default") == RUNNING)
    time.sleep(0.2)  # until the last function has begun
    took = _stop(process)
    if client.zcard("redis_tasks:q:default") != RUNNING:
        raise SystemExit("not all tasks were put back")
    return took
