"""Judge the figures of the contest."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.contest.contestants import ENVIRONMENTS
from benchmarks.contest.report import median
from benchmarks.reach.figures import Figure, at_least, at_most

RAW = ENVIRONMENTS / "results" / "raw.json"
OWN, FORKING, PREDECESSOR = "redis_tasks", "redis_tasks_forking", "predecessor"
FLOORS = ("bare_loop", "bare_fork", "least")
ISOLATING = ("predecessor", "rq", "celery")  # processes, and kill -9 is recovered from


class Field:
    """The medians of a contest."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._all = results["contestants"]

    def of(self, name: str, key: str) -> float:
        return median(self._all.get(name, {}).get("rounds", ()), key) or float("nan")

    def best(self, key: str, names: tuple[str, ...] = (), *, least: bool = False) -> float:
        """Return the best peer's figure."""
        ours = (OWN, FORKING, *FLOORS)
        names = names or tuple(name for name in self._all if name not in ours)
        found = [value for name in names if (value := self.of(name, key)) == value]
        return (min if least else max)(found, default=float("nan"))


def figures(path: Path = RAW) -> Iterator[Figure]:
    if not path.exists():
        yield Figure("beside the peers", "a contest", "run benchmarks.contest first", met=False)
        return
    field = Field(json.loads(path.read_text()))
    noop, own = "noop.per_s", field.of(OWN, "noop.per_s")
    yield at_least("no-op rate by the fastest peer's", 2, own / field.best(noop))
    yield at_least("by the fastest isolating peer's", 10, own / field.best(noop, ISOLATING))
    yield at_least("by the predecessor's", 30, own / field.of(PREDECESSOR, noop))
    fork = field.of(FORKING, noop)
    yield at_least("a fork a task, by RQ's default worker", 1.5, fork / field.of("rq", noop))
    yield at_least("a fork a task, by a bare loop's", 0.8, fork / field.of("bare_fork", noop))
    single, bulk = "enqueue.enqueue_per_s", "enqueue.bulk_per_s"
    yield at_least(
        "enqueue rate by the best peer's", 1, field.of(OWN, single) / field.best(single)
    )
    yield at_least("enqueue_many, tasks a second", 40_000, field.of(OWN, bulk))
    yield at_least("by the best peer's bulk call", 3, field.of(OWN, bulk) / field.best(bulk))
    yield from _pick_up(field)


def _pick_up(field: Field) -> Iterator[Figure]:
    p50, p99 = "latency.p50_ms", "latency.p99_ms"
    yield at_most("pick-up, median", 1, field.of(OWN, p50), " ms")
    beyond = field.of(OWN, p99) - field.of("bare_loop", p99)
    yield at_most("pick-up, p99 beyond a bare loop's", 3, beyond, " ms")
    best = field.best(p50, least=True)
    yield at_most("pick-up, median by the best peer's", 1.1, field.of(OWN, p50) / best)
