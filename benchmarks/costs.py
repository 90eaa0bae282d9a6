"""Measure what a no-op task costs each process: processor time, round trips, memory in Redis.

    .venv/bin/python -m benchmarks.costs [--tasks 30000] [--concurrency 1 4 8] [-v]

Round trips are counts; the times grow where other programs use the machine, see README.md.
"""

import argparse
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks.contest.contestants import own_python
from benchmarks.throughput import ENQUEUE, MANY, enqueue, own_server, with_redis

QUEUE = "redis_tasks:q:default"
LEFT = 500  # tasks that still wait when the measurement ends
WARM = 10_500  # tasks until the registry of finished tasks is full
QUEUED, FINISHED = 50_000, 10_000  # tasks whose memory is weighed
RUN_LIMIT = 240  # seconds for the tasks of one measurement
TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")  # microseconds

Pair = tuple[float, float]


@dataclass(frozen=True)
class Reading:
    """All clocks at one moment: microseconds of processor time since the start, and counts."""

    at: float  # seconds
    done: int
    supervisor: Pair  # user, system
    workhorses: Pair
    redis: Pair
    scripts: float  # microseconds in which Redis carried out scripts
    round_trips: int


@dataclass(frozen=True)
class Costs:
    """What one task costs: microseconds, as user and system time where they are pairs."""

    per_s: float
    supervisor: Pair
    workhorses: Pair
    redis: Pair
    scripts: float
    round_trips: float

    @classmethod
    def between(cls, first: Reading, last: Reading) -> "Costs":
        count = max(1, last.done - first.done)

        def each(before: Pair, after: Pair) -> Pair:
            return (after[0] - before[0]) / count, (after[1] - before[1]) / count

        return cls(
            per_s=count / (last.at - first.at),
            supervisor=each(first.supervisor, last.supervisor),
            workhorses=each(first.workhorses, last.workhorses),
            redis=each(first.redis, last.redis),
            scripts=(last.scripts - first.scripts) / count,
            round_trips=(last.round_trips - first.round_trips) / count,
        )

    def __str__(self) -> str:
        pairs = (self.supervisor, self.workhorses, self.redis)
        parts = [
            f"{self.per_s:8,.0f}",
            *(f"{user:6.0f} + {system:3.0f}" for user, system in pairs),
        ]
        return "  ".join([*parts, f"{self.scripts:9.1f}", f"{self.round_trips:11.2f}"])


HEAD = "a second  supervisor  workhorses       redis    script  round trips"


def times(pid: int, first: int = 11) -> Pair:
    """Return user and system time of a process; *first* 13: of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[first]) * TICK, int(fields[first + 1]) * TICK


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def living(pids: list[int]) -> Iterator[Pair]:
    for pid in pids:
        with suppress(OSError):  # one that has ended since; its parent knows its times
            yield times(pid)


def summed(pairs: Iterable[Pair]) -> Pair:
    users, systems = zip(*pairs, strict=True)
    return sum(users), sum(systems)


class Clocks:
    """Reads all clocks of one measurement, and knows what the reading itself adds to them."""

    OWN = 4  # round trips of a reading

    def __init__(self, client: Any, pid: int, tasks: int) -> None:
        self._client = client
        self._pid = pid
        self._tasks = tasks
        self._readings = 0

    def read(self) -> Reading:
        reading = read(self._client, self._pid, self._tasks, self.OWN * self._readings)
        self._readings += 1
        return reading


def read(client: Any, pid: int, tasks: int, own: int) -> Reading:
    stats, commands = client.info("stats"), client.info("commandstats")
    scripts = [
        commands.get(f"cmdstat_{name}", {"usec": 0})["usec"] for name in ("eval", "evalsha")
    ]
    return Reading(
        at=time.monotonic(),
        done=tasks - client.zcard(QUEUE),
        supervisor=times(pid),
        workhorses=summed([times(pid, 13), *living(children(pid))]),
        redis=times(client.info("server")["process_id"]),
        scripts=sum(scripts),
        round_trips=stats["total_reads_processed"] - own,
    )


def worker_program(*options: str) -> list[str]:
    return [own_python(), "-m", "redis_tasks", "worker", *options]


@contextmanager
def worker(concurrency: int, *options: str, url: str = "") -> Iterator[int]:
    """Run a worker of this checkout; gives the supervisor's process id.

    *url*: of its Redis, if it is another one than this process has.
    """
    program = worker_program("--concurrency", str(concurrency), *options)
    environment = with_redis(url)
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, env=environment) as process:
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)


def enqueue_noops(count: int, url: str = "") -> float:
    """Enqueue *count* no-op tasks and one more; return how many a second.

    *url*: of their Redis, if it is another one than this process has.
    """
    return enqueue(ENQUEUE.format(body=MANY.format(count=count), count=count), url)


def run_costs(
    client: Any,
    concurrency: int,
    *options: str,
    until: int,
    warm: int = WARM,
    waiting: int = 0,
    url: str = "",
) -> Costs:
    """Return what a task costs between the *warm*-th and the *until*-th of *waiting* ones.

    Without *waiting* as many as are needed are enqueued first, and all is cleared afterwards.
    *url*: of the client's Redis, if it is another one than this process has.
    """
    tasks = waiting
    if not waiting:
        enqueue_noops(until + LEFT, url)
        tasks = until + LEFT + 1
    deadline = time.monotonic() + RUN_LIMIT
    with worker(concurrency, *options, url=url) as pid:
        clocks = Clocks(client, pid, tasks)
        first = last = clocks.read()
        while last.done < until:
            if time.monotonic() > deadline:
                raise SystemExit(f"only {last.done} of {until} tasks were run in {RUN_LIMIT} s")
            time.sleep(0.05)
            before, last = last, clocks.read()
            if before.done < warm <= last.done:
                first = last
    if not waiting:
        client.flushall()
    return Costs.between(first, last)


def enqueue_costs(client: Any, tasks: int) -> Pair:
    """Return the microseconds of script that a single enqueue takes, and one of many."""
    said = []
    one_by_one = "for n in range({count}): queue.enqueue_call(noop, [n])"
    for body in (one_by_one, MANY):
        client.config_resetstat()
        enqueue(ENQUEUE.format(body=body.format(count=tasks), count=tasks))
        said.append(client.info("commandstats")["cmdstat_evalsha"]["usec"] / tasks)
        client.flushall()
    return said[0], said[1]


def held(told: Mapping[str, object]) -> int:
    """Return the bytes in use, of ``INFO memory``: without the script interpreter's own.

    Those do not grow with tasks; how many there are depends on when it last collected garbage.
    """
    return int(str(told["used_memory"])) - int(str(told.get("used_memory_vm_total", 0)))


def memory(client: Any) -> Pair:
    """Return how many bytes all of a task takes while it waits and when it is over."""
    return _held_by(client, QUEUED, run=False), _held_by(client, FINISHED, run=True)


def _held_by(client: Any, count: int, *, run: bool) -> float:
    def held_with(tasks: int) -> int:
        enqueue_noops(tasks)
        if run:
            program = worker_program("-q", "--burst", "--concurrency", "4")
            subprocess.run(program, check=True, timeout=600)
        return held(client.info("memory"))

    client.flushall()
    before = held_with(1)  # with the scripts, and what else is loaded but once
    after = held_with(count)
    client.flushall()
    return (after - before) / count


def main() -> None:
    """Measure against a redis-server of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=30_000, help="no-op tasks a measurement")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("-v", "--verbose", action="store_true", help="also with log lines")
    given = parser.parse_args()
    with own_server() as url, redis.Redis.from_url(url) as client:
        print("bytes of a task: {:.0f} queued, {:.0f} finished".format(*memory(client)))
        costs = enqueue_costs(client, 2000)
        print("microseconds of script to enqueue: {:.1f} alone, {:.1f} of many".format(*costs))
        print("microseconds of processor time a task (user + system)")
        print(f"concurrency   log  {HEAD}")
        for concurrency in given.concurrency:
            for log, options in (("quiet", ["-q"]), ("INFO", []))[: 1 + given.verbose]:
                found = run_costs(client, concurrency, *options, until=given.tasks)
                print(f"{concurrency:>11} {log:>5}  {found}", flush=True)


if __name__ == "__main__":
    main()
