"""Measure how many no-op tasks a second are enqueued, how many are run.

    .venv/bin/python -m benchmarks.throughput [--tasks 20000] [--repeat 3]

All rates are printed with their ratio to the rate of bare EVALSHA round trips of the same run:
machines differ by far more than these ratios do.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from benchmarks.contest.arena import on_cores
from benchmarks.contest.contestants import own_python
from development.redis_server import EmbeddedRedis

ROUND_TRIPS = 5000
SINGLE = 2000


def rate(count: int, act: Callable[[], object]) -> float:
    """Return *count* by the seconds that *act* takes."""
    start = time.perf_counter()
    act()
    return count / (time.perf_counter() - start)


def round_trips(url: str) -> float:
    with redis.Redis.from_url(url) as client:
        script = client.script_load("return 1")
        return rate(ROUND_TRIPS, lambda: [client.evalsha(script, 0) for _ in range(ROUND_TRIPS)])


def with_redis(url: str) -> dict[str, str]:
    """Return this process's environment with that Redis, or its own."""
    return {**os.environ, "REDIS_URL": url or os.environ["REDIS_URL"]}


def enqueue(code: str, url: str = "") -> float:
    """Run *code*, which prints a rate, in a process of its own, as an app would.

    *url*: of its Redis, if it is another one than this process has.
    """
    said = subprocess.run(
        [own_python(), "-c", code],
        env=with_redis(url),
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return float(said.stdout)


ENQUEUE = """
import time
from benchmarks.tasks import noop
from redis_tasks import Queue
queue = Queue()
queue.enqueue_call(noop, [0])
start = time.perf_counter()
{body}
print({count} / (time.perf_counter() - start))
"""
ONE_BY_ONE = f"for n in range({SINGLE}): queue.enqueue_call(noop, [n])"
MANY = "queue.enqueue_many([dict(func=noop, args=[n]) for n in range({count})])"


def run(concurrency: int, *options: str) -> float:
    """Start a worker that runs all that is queued, and ends; its start is counted, too."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        waiting = client.zcard("redis_tasks:q:default")
        command = ["worker", "--burst", "--concurrency", str(concurrency), *options]
        program = [own_python(), "-m", "redis_tasks", *command]
        found = rate(
            waiting, lambda: subprocess.run(program, check=True, timeout=600, capture_output=True)
        )
        done = client.llen("redis_tasks:over:finished")
        client.flushall()
    if done != min(waiting, 10_000):  # FINISHED_TASKS_MAX
        raise SystemExit(f"only {done} of {waiting} tasks have finished")
    return found


def measure(tasks: int, repeat: int) -> None:
    rates: dict[str, list[float]] = {}
    for _ in range(repeat):
        row = {"EVALSHA round trips": round_trips(os.environ["REDIS_URL"])}
        row["enqueue_call"] = enqueue(ENQUEUE.format(body=ONE_BY_ONE, count=SINGLE))
        for concurrency, options in ((1, ("-q",)), (4, ("-q",)), (8, ("-q",)), (4, ())):
            many = ENQUEUE.format(body=MANY.format(count=tasks), count=tasks)
            row["enqueue_many"] = enqueue(many)
            words = ["run", f"--concurrency {concurrency}", *(options or ("(logging at INFO)",))]
            row[" ".join(words)] = run(concurrency, *options)
        for name, found in row.items():
            rates.setdefault(name, []).append(found)
    unit = statistics.median(rates["EVALSHA round trips"])
    print(f"{'median of ' + str(repeat):40} {'a second':>10} {'ratio':>7}")
    for name, measured in rates.items():
        median = statistics.median(measured)
        print(f"{name:40} {median:10,.0f} {median / unit:7.2f}")


@contextmanager
def bare_server() -> Iterator[str]:
    """Run a redis-server on one core, the first, that writes nothing to the disk."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder) / "data")
        with on_cores(sorted(os.sched_getaffinity(0))[:1]):
            server.start()
        try:
            with redis.Redis.from_url(server.url) as client:
                client.config_set("appendonly", "no")
                client.config_set("save", "")
            yield server.url
        finally:
            server.stop()


@contextmanager
def own_server() -> Iterator[str]:
    """Run a redis-server for the measurement, which this process and its children use."""
    with bare_server() as url:
        os.environ |= {"REDIS_URL": url, "RT_SETTINGS_MODULE": "benchmarks.settings"}
        yield url


def main() -> None:
    """Measure against a redis-server of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=20_000, help="no-op tasks a measurement")
    parser.add_argument("--repeat", type=int, default=3, help="medians of so many runs are shown")
    given = parser.parse_args()
    with own_server():
        measure(given.tasks, given.repeat)


if __name__ == "__main__":
    main()
