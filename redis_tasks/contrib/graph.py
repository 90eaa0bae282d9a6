"""Run tasks in an order: some only when others have ended.

``TaskGraph`` has the tasks and their dependencies, ``chain``, ``group`` and ``chord`` make the
usual ones. Results are not passed on: a dependency is about order only.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from itertools import pairwise
from typing import Any

from redis.exceptions import RedisError

from redis_tasks import publishing
from redis_tasks.contrib import graph_layers, graph_reading, graph_svg, graph_text
from redis_tasks.contrib.graph_node import (
    CANCELLED,
    FINISHED,
    NEW,
    STATES,
    WAITING,
    GraphNode,
    task_id_of,
)
from redis_tasks.exceptions import EnqueueFailed, InvalidOperation
from redis_tasks.names import new_id
from redis_tasks.queue import BATCH_BYTES, Queue, carry_out
from redis_tasks.store import client, graph_scripts
from redis_tasks.store.graph_scripts import Entry
from redis_tasks.store.scripts import BATCH, NewTask
from redis_tasks.task import Task

__all__ = ["GraphMiddleware", "GraphNode", "TaskGraph", "chain", "chord", "group"]

logger = logging.getLogger("redis_tasks.task")

MOST_NODES = 100_000
ENTRY_BYTES = 150  # what a node takes in Redis beside its arguments, about
ENTRIES = 3000  # that one script call writes at most
POLICIES = ("stop", "run", "cancel")
CALL_KEYS = frozenset({"func", "args", "kwargs", "queue"})

Call = Mapping[str, Any]
"""``dict(func=..., args=..., kwargs=..., queue=...)``; all but *func* may be left out."""


class TaskGraph:
    """Tasks with dependencies: none is enqueued before all its predecessors have ended.

    *on_failure* says what becomes of the others when one fails, or is cancelled or deleted:
    ``"stop"``: those that depend on it do not run; ``"run"``: they run all the same; ``"cancel"``:
    none runs that is not running yet.
    """

    def __init__(self, *, on_failure: str = "stop") -> None:
        if on_failure not in POLICIES:
            words = ", ".join(map(repr, POLICIES))
            raise ValueError(f"on_failure must be one of {words}, not {on_failure!r:.100}")
        self.id = new_id()
        self.on_failure = on_failure
        self.nodes: list[GraphNode] = []
        self.edges: set[tuple[GraphNode, GraphNode]] = set()
        self.enqueued_at: datetime | None = None
        self.ended_at: datetime | None = None
        self._tasks: list[Task] = []
        self._is_stored = False
        self._is_cancelled = False

    def __repr__(self) -> str:
        return f"<TaskGraph {self.id} {self.state}: {len(self.nodes)} tasks>"

    # ---- Making one

    def add_task(self, call: Call) -> GraphNode:
        """Add ``dict(func=..., args=..., kwargs=..., queue=...)``; returns its node.

        All but *func* may be left out. Wrong calls raise what ``Queue.enqueue_call()`` raises.
        """
        self._refuse_stored()
        queue = Queue(_checked(call).get("queue", "default")).name
        number = len(self.nodes) + 1
        task_id = task_id_of(self.id, number)
        task = Task(call["func"], call.get("args"), call.get("kwargs"), task_id=task_id)
        node = GraphNode(self.id, number, task.func_name, queue)
        self.nodes.append(node)
        self._tasks.append(task)
        return node

    def add_dependency(self, before: Any, after: Any) -> None:
        """Let node *after* wait for node *before*; doing so again changes nothing.

        That both are nodes of this graph is checked by ``enqueue()``.
        """
        self._refuse_stored()
        for node in (before, after):
            if not isinstance(node, GraphNode):
                kind = type(node).__name__
                raise TypeError(f"a dependency is between nodes that add_task() made, not {kind}")
        self.edges.add((before, after))

    def enqueue(self) -> None:
        """Enqueue the tasks without predecessors now, the others in their time.

        Until the last round trip nothing of it is to be seen, and what was written by then is
        forgotten after ten minutes. Raises ``ValueError`` for a graph without tasks, with a circle
        or with nodes of another graph, else what ``Queue.enqueue_call()`` raises; then no task is
        enqueued, but for ``EnqueueUncertain``. After an error it may be called again; once it has
        succeeded, ``InvalidOperation``.
        """
        self._refuse_stored()
        self._check()
        with ExitStack() as published:
            for queue, tasks in self._by_queue().items():
                published.enter_context(publishing.around(queue, tasks))
            word = self._send()
        if word == "incomplete":
            raise EnqueueFailed(
                f"graph {self.id} was not enqueued: what had been written of it is gone; call"
                " enqueue() again",
                self.id,
            )
        self._is_stored = True
        for node, task in zip(self.nodes, self._tasks, strict=True):
            node.state = WAITING
            task.was_sent(node.queue)
        logger.info("Graph [%s] enqueued: %d tasks", self.id, len(self.nodes))
        if word == "launching":
            self._advance()

    def _send(self) -> str:
        entries = list(self._entries())
        lines = sum(part == ":nodes" for part, _, _ in entries)
        batches = list(_batches(entries))
        word = ""
        for number, batch in enumerate(batches, 1):
            call = graph_scripts.launch(
                self.id, batch, nodes=len(self.nodes), lines=lines, last=number == len(batches)
            )
            word = carry_out(call, f"graph {self.id}", self.id, "", "call enqueue() again")
            if word == "repeated":
                break
        return word

    def _by_queue(self) -> dict[str, list[Task]]:
        found: dict[str, list[Task]] = {}
        for node, task in zip(self.nodes, self._tasks, strict=True):
            found.setdefault(node.queue, []).append(task)
        return found

    def _advance(self) -> None:
        # Any worker would do so, too; it need not, though, as long as we are here.
        with suppress(RedisError):
            for _ in range(len(self.nodes) // BATCH + 1):
                if not client.run(graph_scripts.advance()).more:
                    break

    def _check(self) -> None:
        if not self.nodes:
            raise ValueError("the graph has no tasks: nothing was enqueued")
        if len(self.nodes) > MOST_NODES:
            raise ValueError(
                f"the graph has {len(self.nodes)} tasks, more than {MOST_NODES}: make several"
            )
        for node in {node for edge in self.edges for node in edge}:
            if node.graph_id != self.id:
                raise ValueError(
                    f"a dependency names {node!r} of another graph ({node.graph_id}):"
                    " add its call to this graph, too"
                )
        circle = graph_layers.find_circle(len(self.nodes), self._pairs())
        if circle:
            shown = [f"{self.nodes[number - 1].func_name} ({number})" for number in circle[:20]]
            raise ValueError(f"the dependencies go round in a circle: {' -> '.join(shown)}")

    def _refuse_stored(self) -> None:
        if self._is_stored:
            raise InvalidOperation(f"graph {self.id} was enqueued already: make a new one")

    def _pairs(self) -> set[tuple[int, int]]:
        return {(before.number, after.number) for before, after in self.edges}

    def _entries(self, size: int = BATCH) -> Iterator[Entry]:
        """Yield everything that Redis is to hold of it; *size*: successors told at once."""
        pairs, count = self._pairs(), len(self.nodes)
        open_counts = graph_layers.open_counts(count, pairs)
        # Node 0 has ended when the graph begins: those without any other predecessor wait for it.
        first = {(0, n) for n in range(1, count + 1) if not open_counts[n]}
        kinds: dict[str, int] = {}
        structure = waiting = 0
        for number, after in enumerate(graph_layers.successors(count, pairs | first)):
            kind = 0
            if number:
                new = self._tasks[number - 1].as_new()
                kind = kinds.setdefault(_kind(self.nodes[number - 1].queue, new), len(kinds))
                waiting += len(new.arguments)
                yield ":args", str(number), new.arguments
            yield (
                ":state",
                str(number),
                b"%d" % (open_counts[number] or 1) if number else b"started",
            )
            for field, line in _lines(number, kind, after, size):
                structure += len(line) + ENTRY_BYTES
                yield ":nodes", field, line
        yield "", "on", self.on_failure.encode()
        yield "", "n", b"%d" % count
        yield "", "sz", b"%d" % structure
        yield "", "args", b"%d" % waiting
        for text, kind in kinds.items():
            yield "", f"k{kind}", text.encode()

    # ---- Looking at one

    @classmethod
    def fetch(cls, graph_id: str) -> "TaskGraph":
        """Return the graph as it is now. Raises ``GraphDoesNotExist``.

        Sends a few plain reads, whatever its size, and no scripts.
        """
        found = graph_reading.read(graph_id)
        graph = cls(on_failure=found.on_failure if found.on_failure in POLICIES else "stop")
        graph.id = graph_id
        graph.nodes = found.nodes
        graph.edges = {(found.nodes[a - 1], found.nodes[b - 1]) for a, b in found.pairs}
        graph.enqueued_at, graph.ended_at = found.enqueued_at, found.ended_at
        graph._is_stored, graph._is_cancelled = True, found.is_cancelled
        return graph

    @property
    def state(self) -> str:
        """``new``, ``running``, or once nothing more of it will run: ``finished``, ``failed``.

        ``cancelled`` from the moment on at which a failure has cancelled it.
        """
        if not self._is_stored:
            return NEW
        if self._is_cancelled:
            return CANCELLED
        if self.ended_at is None:
            return "running"
        return FINISHED if set(self.counts()) <= {FINISHED} else "failed"

    def counts(self) -> dict[str, int]:
        """Return how many nodes are in each state in which there are any."""
        found = Counter(node.state for node in self.nodes)
        return {state: found[state] for state in STATES if found[state]}

    def as_text(self) -> str:
        """Draw it for a terminal: a line a task, or a line for many where there are many."""
        return graph_text.draw(self._title(), self.nodes, self._pairs())

    def as_svg(self) -> str:
        """Draw it as an SVG element without styles or scripts; large ones summarised."""
        return graph_svg.draw(self._title(), self.nodes, self._pairs())

    def _title(self) -> str:
        return f"Graph {self.id}: {self.state}"


class GraphMiddleware:
    """Does nothing: graphs need no middleware. For settings that still list it."""


def chain(members: Iterable[Call], *, on_failure: str = "stop") -> TaskGraph:
    """Return a graph of these calls, one after the other."""
    graph = TaskGraph(on_failure=on_failure)
    nodes = [graph.add_task(member) for member in members]
    for before, after in pairwise(nodes):
        graph.add_dependency(before, after)
    return graph


def group(members: Iterable[Call], *, on_failure: str = "stop") -> TaskGraph:
    """Return a graph of these calls, all at once."""
    graph = TaskGraph(on_failure=on_failure)
    for member in members:
        graph.add_task(member)
    return graph


def chord(members: Iterable[Call], then: Call, *, on_failure: str = "stop") -> TaskGraph:
    """Return a graph of *members*, all at once, and *then* when all of them have ended.

    *then* is not given their results: there are none.
    """
    graph = group(members, on_failure=on_failure)
    nodes = list(graph.nodes)
    last = graph.add_task(then)
    for node in nodes:
        graph.add_dependency(node, last)
    return graph


def _checked(call: Call) -> Call:
    if not isinstance(call, Mapping):
        raise TypeError(f"a call must be a dict(func=..., args=...), not a {type(call).__name__}")
    unknown = sorted(map(str, set(call) - CALL_KEYS))
    if unknown or "func" not in call:
        wrong = f"has no {unknown[0]!r}" if unknown else "needs 'func'"
        raise TypeError(f"a call {wrong}: it is a dict of {', '.join(sorted(CALL_KEYS))}")
    return call


def _kind(queue: str, new: NewTask) -> str:
    reentrant = "1" if new.reentrant else "0"
    texts = [new.secret.decode(), new.meta.decode()]  # JSON: neither has an end of a line
    return "\n".join([queue, new.func_name, reentrant, str(new.timeout), *texts])


def _lines(number: int, kind: int, after: Sequence[int], size: int) -> Iterator[tuple[str, bytes]]:
    """Yield field and value of a node's kind and successors, *size* of these a field."""
    for part in range(max(1, -(-len(after) // size))):
        numbers = after[part * size : (part + 1) * size]
        field = f"{number}/{part}" if part else str(number)
        yield field, " ".join(["" if part else str(kind), *map(str, numbers)]).encode()


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        size += len(entry[2])
        if batch and (len(batch) == ENTRIES or size > BATCH_BYTES):
            yield batch
            batch, size = [], len(entry[2])
        batch.append(entry)
    yield batch
