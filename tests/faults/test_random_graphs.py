"""Graphs go on whatever is killed when: workers, workhorses, those that enqueue graphs.

RT_GRAPH_DEATHS, RT_GRAPH_NODES and RT_GRAPH_SEED make it longer, by hand: 300, 200, any number.
"""

import os
import random
import signal
from collections.abc import Callable, Iterator

import pytest

from redis_tasks import GraphDoesNotExist, Task, TaskDoesNotExist
from redis_tasks.contrib.graph import GraphNode, TaskGraph
from tests.conftest import Command, StartWorker
from tests.support.ledger import Event, Ledger
from tests.support.process_table import signal_process
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

DEATHS = int(os.environ.get("RT_GRAPH_DEATHS", "12"))
NODES = int(os.environ.get("RT_GRAPH_NODES", "40"))
SEED = int(os.environ.get("RT_GRAPH_SEED", "20261125"))
VALUES = {"MAX_CRASHES": 1000, "MAX_RELEASES": 1000, "WORKER_HEARTBEAT_TIMEOUT": 2.5}


class Site:
    """Two workers and one process that enqueues graphs; each is replaced when it is killed."""

    def __init__(self, start_worker: StartWorker, command: Command, chance: random.Random) -> None:
        self._start_worker = start_worker
        self._command = command
        self._chance = chance
        self._workers = [self._worker(wait=True) for _ in range(2)]
        self._producers = [self._producer()]

    def kill_one(self) -> None:
        """Kill something, at random."""
        place = self._chance.randrange(len(self._workers))
        worker = self._workers[place]
        kill = self._chance.choice([worker.kill, worker.kill_all, None, self._kill_producer])
        if kill is None:
            for pid in worker.workhorses()[:1]:
                signal_process(pid, signal.SIGKILL)
            return
        kill()
        if kill != self._kill_producer:
            self._workers[place] = self._worker(wait=False)

    def stop_enqueueing(self) -> None:
        self._producers[-1].kill_all()

    def told(self, word: str) -> set[str]:
        """Return the ids of the graphs of which a producer has said so."""
        lines = (line.split() for p in self._producers for line in p.lines())
        return {line[1] for line in lines if len(line) == 2 and line[0] == word}

    def _worker(self, *, wait: bool) -> WorkerProcess:
        return self._start_worker("default", "other", "--concurrency", "2", wait=wait, **VALUES)

    def _producer(self) -> WorkerProcess:
        program = ("-m", "tests.support.graph_producer")
        seed = str(self._chance.randrange(1_000_000))
        return self._command(seed, str(NODES), how={"program": program})

    def _kill_producer(self) -> None:
        self._producers[-1].kill_all()
        self._producers.append(self._producer())


@pytest.mark.timeout(120 + 3 * DEATHS)
def test_random_graphs_go_on_whatever_is_killed(
    start_worker: StartWorker, command: Command, ledger: Ledger
) -> None:
    chance = random.Random(SEED)
    site = Site(start_worker, command, chance)

    begun = 0
    for _ in range(DEATHS):
        begun += chance.randrange(5, 25)
        ledger.wait_for("start", count=begun, timeout=60)
        site.kill_one()
    site.stop_enqueueing()
    found = [graph for graph_id in site.told("graph") if (graph := fetch(graph_id)) is not None]
    for graph in found:
        wait_until(lambda graph=graph: has_ended(graph.id), 60, graph.as_text)  # type: ignore[misc]

    assert {graph.id for graph in found} >= site.told("enqueued")
    assert len(found) >= 2
    graphs = [TaskGraph.fetch(graph.id) for graph in found]
    assert [wrong for graph in graphs for wrong in wrongs(graph, ledger)] == []


def fetch(graph_id: str) -> TaskGraph | None:
    try:
        return TaskGraph.fetch(graph_id)
    except GraphDoesNotExist:  # its producer was killed before
        return None


def has_ended(graph_id: str) -> bool:
    return TaskGraph.fetch(graph_id).ended_at is not None


def wrongs(graph: TaskGraph, ledger: Ledger) -> Iterator[str]:
    """Yield what must not be of a graph that is over."""
    events: dict[str, list[Event]] = {}
    for event in ledger.events():
        events.setdefault(event.task_id, []).append(event)

    def moments(node: GraphNode, *names: str) -> list[float]:
        return [event.at for event in events.get(node.task_id, []) if event.name in names]

    for node in graph.nodes:
        yield from wrongs_of(node, len(moments(node, "start")), len(moments(node, "end")))
    for before, after in graph.edges:
        yield from wrongs_between(graph, before, after, moments)


def wrongs_of(node: GraphNode, starts: int, ends: int) -> Iterator[str]:
    try:
        task = Task.fetch(node.task_id)
    except TaskDoesNotExist:
        if starts or node.state not in ("stopped", "cancelled"):
            yield f"{node} has no task, {starts} starts"
        return
    if node.state != task.status:
        yield f"{node} is a task that is {task.status}"
    if node.state == "finished" and not ends:
        yield f"{node} has not come to its end"
    if starts > (task.run if task.is_reentrant else 1):
        yield f"{node} began {starts} times in {task.run} runs"


def wrongs_between(
    graph: TaskGraph, before: GraphNode, after: GraphNode, moments: Callable[..., list[float]]
) -> Iterator[str]:
    begun = moments(after, "start")
    if not begun:
        if before.state == after.state == "finished":
            yield f"{after} never began"
        return
    if before.state == "finished" and min(moments(before, "end")) > begun[0]:
        yield f"{after} began before {before} ended"
    if before.state != "finished" and (before.state != "failed" or graph.on_failure != "run"):
        yield f"{after} began after {before}, though the policy is {graph.on_failure}"
