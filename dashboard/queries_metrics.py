"""Read from Redis what is measured."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from dashboard import (
    queries_lists,
    queries_registry,
    queries_schedule,
    queries_statistics,
    queries_workers,
)
from dashboard.queries_overview import queue_lines
from dashboard.queries_reading import reading
from dashboard.shapes import QueueLine
from redis_tasks import keys
from redis_tasks.statistics import BOUNDS, Counts, Pair

__all__ = ["BOUNDS", "Measures", "measures"]


@dataclass(frozen=True, slots=True)
class Measures:
    """All that ``/metrics`` tells; *workers* by state, *kept* by status."""

    queues: tuple[QueueLine, ...]
    workers: Mapping[str, int]
    kept: Mapping[str, int]
    counts: Mapping[Pair, Counts]
    scheduler_leads: bool


def measures() -> Measures:
    """Return it all. Raises ``RedisAway``."""
    with reading():
        dynos = queries_workers.dynos()
        names = (keys.FINISHED, keys.FAILED)
        return Measures(
            queues=queue_lines(queries_lists.busiest(), queries_workers.live(dynos)),
            workers=Counter(worker.state for dyno in dynos for worker in dyno.workers),
            kept=dict(zip(names, queries_registry.sizes(names), strict=True)),
            counts=queries_statistics.for_ever(),
            scheduler_leads=queries_schedule.has_leader(),
        )
