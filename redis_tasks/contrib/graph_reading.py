"""Read what Redis holds of a graph, by plain commands only."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from redis_tasks import clock, keys
from redis_tasks.conf import connection
from redis_tasks.contrib import graph_layers
from redis_tasks.contrib.graph_node import (
    CANCELLED,
    FAILED,
    FINISHED,
    QUEUED,
    RUNNING,
    STOPPED,
    WAITING,
    GraphNode,
)
from redis_tasks.exceptions import GraphDoesNotExist

TOLD = "+"  # behind the state of a node whose successors know
RELEASED = "released"  # to its queue
ENDED = (FINISHED, FAILED, CANCELLED)

Pairs = set[tuple[int, int]]
Texts = dict[str, str]


@dataclass(frozen=True, slots=True)
class GraphRecord:
    """A graph as it was when it was read."""

    on_failure: str
    is_cancelled: bool
    enqueued_at: datetime | None
    ended_at: datetime | None
    nodes: list[GraphNode]
    pairs: Pairs


def read(graph_id: str) -> GraphRecord:
    """Return a graph that was enqueued. Raises ``GraphDoesNotExist``."""
    meta = _texts(connection.hgetall(keys.graph(graph_id)))
    if "st" not in meta:
        raise GraphDoesNotExist(f"graph {graph_id} does not exist (any more)")
    lines = _texts(connection.hgetall(keys.graph(graph_id, ":nodes")))
    nodes = _nodes(graph_id, meta, lines)
    pairs = _pairs(lines, len(nodes))
    # Before the states: else one that began in between would seem to wait in its queue.
    running = _running({node.queue for node in nodes})
    states = _texts(connection.hgetall(keys.graph(graph_id, ":state")))
    for node in nodes:
        node.state = _state(states.get(str(node.number), ""), is_running=node.task_id in running)
    is_cancelled = meta["st"] == CANCELLED
    _mark_hopeless(nodes, pairs, meta.get("on", ""), is_cancelled=is_cancelled)
    return GraphRecord(
        meta.get("on", ""),
        is_cancelled,
        _moment(meta.get("enq")),
        _moment(meta.get("end")),
        nodes,
        pairs,
    )


def _nodes(graph_id: str, meta: Texts, lines: Texts) -> list[GraphNode]:
    nodes: list[GraphNode] = []
    while (line := lines.get(str(len(nodes) + 1))) is not None:
        queue, _, kind = meta.get(f"k{line.partition(' ')[0]}", "").partition("\n")
        nodes.append(GraphNode(graph_id, len(nodes) + 1, kind.partition("\n")[0], queue))
    return nodes


def _pairs(lines: Texts, count: int) -> Pairs:
    pairs = set()
    for field, line in lines.items():
        before = field.partition("/")[0]
        for after in re.findall(r" (\d+)", line):
            pair = (int(before) if before.isdecimal() else 0, int(after))
            if 1 <= pair[0] <= count and 1 <= pair[1] <= count:
                pairs.add(pair)
    return pairs


def _running(queues: Iterable[str]) -> set[str]:
    # There are no more leases than workers that are busy.
    pipeline = connection.pipeline(transaction=False)
    for queue in queues:
        pipeline.zrange(keys.leases(queue), 0, -1)
    return {task_id.decode(errors="replace") for ids in pipeline.execute() for task_id in ids}


def _state(word: str, *, is_running: bool) -> str:
    if word == RELEASED:
        return RUNNING if is_running else QUEUED
    ended = word.removesuffix(TOLD)
    return ended if ended in ENDED else WAITING


def _mark_hopeless(
    nodes: list[GraphNode], pairs: Pairs, on_failure: str, *, is_cancelled: bool
) -> None:
    """Tell apart, of those that wait, those that will not run."""
    if is_cancelled:
        for node in nodes:
            node.state = CANCELLED if node.state == WAITING else node.state
    elif on_failure == "stop":
        after = graph_layers.successors(len(nodes), pairs)
        for number in graph_layers.order(len(nodes), pairs)[0]:
            if nodes[number - 1].state in (FAILED, CANCELLED, STOPPED):
                for later in after[number]:
                    if nodes[later - 1].state == WAITING:
                        nodes[later - 1].state = STOPPED


def _texts(record: dict[bytes, bytes]) -> Texts:
    return {name.decode(): value.decode(errors="replace") for name, value in record.items()}


def _moment(text: str | None) -> datetime | None:
    try:
        return clock.from_ms(None if text is None else text.encode())
    except ValueError:
        return None
