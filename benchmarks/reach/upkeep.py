"""Measure what a worker takes while it has little to do: memory, processor time."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.contest.arena import descendants, memory
from benchmarks.contest.contestants import own_python
from benchmarks.costs import QUEUE, enqueue_noops, times, worker
from benchmarks.reach.figures import Figure, at_most
from benchmarks.throughput import ENQUEUE, enqueue

WORKHORSES = 8
TASKS_EACH = 1_000
IDLE_SECONDS = 30.0
PACE, PACED_SECONDS = 4_000, 5  # tasks a second
WAIT_LIMIT = 120.0  # seconds

ALONE = """
import benchmarks.heavy, redis_tasks.cli, sys
benchmarks.heavy.load()
print(flush=True)
sys.stdin.read()
"""
PACED = """
step = 0.01
began = time.monotonic()
for n in range(int({seconds} / step)):
    queue.enqueue_many([dict(func=noop, args=[0])] * int({pace} * step))
    time.sleep(max(0, began + n * step - time.monotonic()))
"""


def figures(client: Any) -> Iterator[Figure]:
    yield from _memory(client)
    yield from _idle(client)
    yield from _busy(client)


def await_empty(client: Any) -> None:
    """Wait until no task is queued or running."""
    deadline = time.monotonic() + WAIT_LIMIT
    while client.zcard(QUEUE) or client.zcard("redis_tasks:leases:default"):
        if time.monotonic() > deadline:
            raise SystemExit("the tasks were not run in time")
        time.sleep(0.05)


def _memory(client: Any) -> Iterator[Figure]:
    settings = {"WORKER_PRELOAD_FUNCTION": "benchmarks.heavy.load", "WORKHORSE_MAX_TASKS": 10_000}
    program = [own_python(), "-c", ALONE]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as alone:
        if alone.stdout is not None:
            alone.stdout.readline()
        one = memory(alone.pid)
        alone.kill()
    os.environ["BENCHMARK_SETTINGS"] = json.dumps(settings)
    try:
        with worker(WORKHORSES, "-q") as pid:
            enqueue_noops(WORKHORSES * TASKS_EACH)
            await_empty(client)
            all_of_them = memory(pid)
    finally:
        del os.environ["BENCHMARK_SETTINGS"]
    client.flushall()
    what = f"memory of a worker with 8 workhorses ({all_of_them:.0f} MB) by that of one process"
    yield at_most(f"{what} ({one:.0f} MB)", 1.3, all_of_them / one)


def on_processor(pid: int) -> float:
    """Return the seconds that a process and those below it have had a core."""
    total = 0
    for one in [pid, *descendants(pid)]:
        total += int(Path(f"/proc/{one}/schedstat").read_text().split()[0])
    return total / 1e9


def _idle(client: Any) -> Iterator[Figure]:
    for concurrency in (1, WORKHORSES):
        with worker(concurrency, "-q") as pid:
            enqueue_noops(100)
            await_empty(client)
            used, began = on_processor(pid), time.monotonic()
            time.sleep(IDLE_SECONDS)
            share = (on_processor(pid) - used) / (time.monotonic() - began)
        client.flushall()
        yield at_most(f"idle worker, concurrency {concurrency}, of a core", 0.2, share * 100, " %")


def _busy(client: Any) -> Iterator[Figure]:
    body = PACED.format(seconds=PACED_SECONDS, pace=PACE)
    with worker(WORKHORSES, "-q") as pid:
        enqueue_noops(100)
        await_empty(client)
        used, began = sum(times(pid)), time.monotonic()
        enqueue(ENQUEUE.format(body=body, count=PACE * PACED_SECONDS))
        await_empty(client)
        took = time.monotonic() - began
        share = (sum(times(pid)) - used) / 1e6 / took
    client.flushall()
    rate = PACE * PACED_SECONDS / took
    what = f"supervisor, of a core, at {PACE:,} tasks/s (from {rate:,.0f})"
    yield at_most(what, 50, share * 100 * PACE / rate, " %")
