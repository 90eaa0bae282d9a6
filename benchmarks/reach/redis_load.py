"""Measure what tasks cost Redis: round trips, time, memory."""

from collections.abc import Iterator
from typing import Any

from benchmarks.costs import enqueue_costs, memory, run_costs
from benchmarks.reach.figures import Figure, at_most

TASKS = 24_000


def figures(client: Any) -> Iterator[Figure]:
    alone, of_many = enqueue_costs(client, 5_000)
    at_1 = run_costs(client, 1, "-q", until=TASKS)
    at_8 = run_costs(client, 8, "-q", until=TASKS)
    yield at_most("round trips a task, concurrency 1", 1.0, at_1.round_trips)
    yield at_most("round trips a task, concurrency 8", 0.5, at_8.round_trips)
    yield at_most("server µs a task, enqueued alone, run at 8", 40.0, alone + at_8.scripts)
    yield at_most("server µs a task, enqueued with others, run at 8", 40.0, of_many + at_8.scripts)
    queued, finished = memory(client)
    yield at_most("bytes of a queued task", 400, queued)
    yield at_most("bytes of a finished task", 350, finished)
