"""Measure one contestant: each function returns one row of raw figures."""

import statistics
import time
from collections.abc import Callable, Mapping

from benchmarks.contest.arena import Arena, memory, on_cores, processor_time
from benchmarks.costs import held

Figures = Mapping[str, float | None]

START_LIMIT = 30.0  # seconds until a worker's first task
# Of a run that is meant to last 4 seconds; of a shorter one in proportion.
SAMPLE = 300  # tasks with which a run begins that may turn out to be too short
MOST = 40_000  # tasks of a run
RUN_LIMIT = 80.0  # seconds for a run's tasks
LATENCIES = 300  # tasks of the latency run
QUEUED = 5_000  # tasks whose memory is weighed


def of(number: int, seconds: float) -> int:
    """Return how many of *number* belong to a run of so many *seconds*."""
    return max(20, int(number * seconds / 4))


def enqueueing(arena: Arena, seconds: float) -> Figures:
    """Enqueue one by one, then in bulk where there is such a call; weigh what is queued."""
    arena.clear()
    arena.drive("enqueue", "noop", "1")
    before = held(arena.server("memory"))
    count = of(QUEUED, seconds)
    took = float(arena.drive("enqueue", "noop", str(count)))
    each = (held(arena.server("memory")) - before) / count
    found = {"enqueue_per_s": count / took, "bytes_queued": each, "bulk_per_s": None}
    if arena.contestant.about(arena.environment)["bulk"]:
        arena.clear()
        found["bulk_per_s"] = count / float(arena.drive("bulk", "noop", str(count)))
    return found


def rate(arena: Arena, kind: str, slots: int, seconds: float) -> Figures:
    """Let a worker run what takes it about so many *seconds*; the rate is of the middle 80 %."""
    count = of(SAMPLE, seconds)
    while True:
        found = run_all(arena, kind, slots, count)
        wanted = int(min(MOST, found["per_s"] * seconds))
        # A rate of 0: all of them were run between two looks.
        if found["per_s"] and count >= wanted / 2:
            return found
        # The fewer tasks, the more of their time was the worker's start.
        count = max(wanted, 4 * count)


def run_all(arena: Arena, kind: str, slots: int, count: int) -> dict[str, float]:
    """Enqueue *count* tasks, then have a worker run them all.

    Raises ``RuntimeError`` if it ran another number of them.
    """
    arena.clear()
    arena.drive("enqueue", kind, str(count))
    times: list[tuple[int, float]] = []
    most = [0]

    def look() -> None:
        times.append((arena.marks(), time.monotonic()))
        if len(times) % 100 == 1:
            most[0] = max(most[0], arena.connections())

    with arena.worker(slots) as process:
        if not arena.wait_marks(1, START_LIMIT):
            raise RuntimeError(f"{arena.contestant.name} ran nothing in {START_LIMIT:g} s")
        used, busy = processor_time(process.pid), _server_cpu(arena)
        arena.wait_marks(count, RUN_LIMIT, look)
        look()
        used = processor_time(process.pid) - used
        busy = _server_cpu(arena) - busy
    if arena.marks() != count:
        raise RuntimeError(f"{arena.contestant.name} ran {arena.marks()} of {count} tasks")
    return {
        "per_s": _middle_rate(times, count),
        "tasks": count,
        "connections": most[0],
        "cpu_us": used / count * 1e6,
        "server_us": busy / count,
    }


def _middle_rate(times: list[tuple[int, float]], count: int) -> float:
    middle = [(marks, at) for marks, at in times if 0.1 * count <= marks <= 0.9 * count]
    if len(middle) < 2:
        middle = times
    (first, began), (last, ended) = middle[0], middle[-1]
    return (last - first) / max(ended - began, 1e-6)


def _server_cpu(arena: Arena) -> float:
    """Return the microseconds that Redis has used the processor since it started."""
    told = arena.server("cpu")
    return (float(str(told["used_cpu_user"])) + float(str(told["used_cpu_sys"]))) * 1e6


def latency(arena: Arena, cores: list[int], seconds: float) -> Figures:
    """Time from the call that enqueues to the task's first line, one task at a time."""
    arena.clear()
    with on_cores(cores), arena.worker(1):
        arena.drive("enqueue", "noop", "1")
        if not arena.wait_marks(1, START_LIMIT):
            raise RuntimeError(f"{arena.contestant.name} did not start")
        arena.ledger.write_bytes(b"")
        arena.drive("pace", str(of(LATENCIES, seconds)))
    waits = sorted(float(line) * 1000 for line in arena.ledger.read_text().split())
    return {"p50_ms": statistics.median(waits), "p99_ms": waits[int(len(waits) * 0.99)]}


def idle(arena: Arena, slots: int) -> Figures:
    """Weigh a worker that has run some tasks and now waits."""
    arena.clear()
    arena.drive("enqueue", "nap", str(20 * slots))
    with arena.worker(slots) as process:
        arena.wait_marks(20 * slots, START_LIMIT)
        used, began = processor_time(process.pid), time.monotonic()
        time.sleep(1.0)  # what is measured is a worker that does nothing
        share = (processor_time(process.pid) - used) / (time.monotonic() - began)
        return {
            "idle_mb": memory(process.pid),
            "idle_connections": arena.connections(),
            "idle_cpu_percent": share * 100,
        }


def all_of(
    arena: Arena, cores: list[int], noop_slots: int, seconds: float
) -> dict[str, float | str | None]:
    """Take every measure once; one that fails is noted and does not stop the others."""
    steps: dict[str, Callable[[], Figures]] = {
        "enqueue": lambda: enqueueing(arena, seconds),
        "noop": lambda: rate(arena, "noop", noop_slots, seconds),
        "nap": lambda: rate(arena, "nap", 8, seconds),
        "latency": lambda: latency(arena, cores, seconds),
        "idle_1": lambda: idle(arena, 1),
        "idle_8": lambda: idle(arena, 8),
    }
    found: dict[str, float | str | None] = {}
    for name, step in steps.items():
        try:
            found |= {f"{name}.{key}": value for key, value in step().items()}
        except (RuntimeError, OSError) as error:
            found[f"{name}.error"] = str(error)[-500:]
    return found
