"""Enqueues graphs at random, one after the other, until it is killed.

`python -m tests.support.graph_producer SEED NODES` says "graph ID" before each of them, "enqueued
ID" after it.
"""

import random
import sys
from collections.abc import Iterator
from typing import Any

from redis_tasks import Queue
from redis_tasks.contrib.graph import TaskGraph
from tests.support import actions
from tests.support.waiting import wait_until

QUEUES = ("default", "other")
BUSY = 20  # tasks in the queues, above which it waits
LAYER = 10


def random_call(chance: random.Random, *, fails: float) -> dict[str, Any]:
    steps: list[list[Any]] = [["sleep", chance.choice([0, 0, 0.005, 0.02])]]
    kind = chance.random()
    if kind < fails:
        steps.append(["raise_error", "no"])
    elif kind < fails + 0.02:
        steps.append(["die_at_first"])
    func = actions.act_once if chance.random() < 0.05 else actions.act
    return {"func": func, "args": steps, "queue": chance.choice(QUEUES)}


def random_edges(chance: random.Random, shape: str, count: int) -> Iterator[tuple[int, int]]:
    """Yield pairs of places in the list of nodes, the first one before the second."""
    for after in range(1, count):
        before: list[int] = []
        if shape == "any":
            before = chance.sample(range(after), min(after, chance.randrange(4)))
        elif shape == "chain":
            before = [after - 1]
        elif shape == "fan":
            before = list(range(1, after)) if after == count - 1 else [0]
        elif after >= LAYER:
            first = (after // LAYER - 1) * LAYER
            before = chance.sample(range(first, first + LAYER), 3)
        yield from ((place, after) for place in before)


def random_graph(chance: random.Random, count: int) -> TaskGraph:
    graph = TaskGraph(on_failure=chance.choice(["stop", "run", "run", "cancel"]))
    fails = chance.choice([0, 0, 0.02])
    nodes = [graph.add_task(random_call(chance, fails=fails)) for _ in range(count)]
    shape = chance.choice(["any", "chain", "fan", "layers"])
    for before, after in random_edges(chance, shape, count):
        graph.add_dependency(nodes[before], nodes[after])
    return graph


def is_idle() -> bool:
    return sum(Queue(name).count() for name in QUEUES) < BUSY


def main(seed: int, count: int) -> None:
    chance = random.Random(seed)
    while True:
        graph = random_graph(chance, count)
        print("graph", graph.id, flush=True)
        graph.enqueue()
        print("enqueued", graph.id, flush=True)
        wait_until(is_idle, 600)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
