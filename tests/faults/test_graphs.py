"""Supervisors die in mid-graph: it goes on, each task after its predecessors."""

import signal
from typing import Any

from redis_tasks import Task
from redis_tasks.contrib.graph import GraphNode, TaskGraph, chain, chord, group
from redis_tasks.store import client, graph_scripts
from tests.conftest import StartWorker
from tests.support.actions import act, act_once
from tests.support.hand_worker import HandWorker
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

LAYERS, WIDTH = 8, 5


def layered() -> TaskGraph:
    """Return layers of tasks, each of which waits for two or three of the layer before."""
    graph = TaskGraph()
    layers: list[list[GraphNode]] = []
    for _ in range(LAYERS):
        layer = [graph.add_task({"func": act, "args": [["sleep", 0.05]]}) for _ in range(WIDTH)]
        for i, node in enumerate(layer):
            for step in (0, 1, i):
                if layers:
                    graph.add_dependency(layers[-1][(i + step) % WIDTH], node)
        layers.append(layer)
    return graph


def check_order(graph: TaskGraph, ledger: Ledger) -> None:
    """See that every task began after its predecessors had ended, and was enqueued once."""
    starts: dict[str, list[float]] = {}
    ends: dict[str, float] = {}
    for event in ledger.events():
        if event.name == "start":
            starts.setdefault(event.task_id, []).append(event.at)
        elif event.name == "end":
            # A run that was given up may have ended, too: what counts is the last.
            ends[event.task_id] = event.at
    for before, after in graph.edges:
        assert ends[before.task_id] <= starts[after.task_id][0], f"{after} did not wait"
    for node in graph.nodes:
        task = Task.fetch(node.task_id)
        assert len(starts[node.task_id]) <= 1 + len(task.aborted_runs), f"{node} ran too often"


def ended(graph: TaskGraph) -> bool:
    return TaskGraph.fetch(graph.id).ended_at is not None


def test_a_graph_survives_the_deaths_of_its_workers(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    values: dict[str, Any] = {"MAX_CRASHES": 50, "WORKER_HEARTBEAT_TIMEOUT": 2.5}
    workers = [start_worker("--concurrency", "2", **values) for _ in range(2)]
    graph = layered()
    graph.enqueue()

    for number in range(4):
        ledger.wait_for("end", count=6 * (number + 1), timeout=30)
        workers[number % 2].signal(signal.SIGKILL)
        workers[number % 2] = start_worker("--concurrency", "2", wait=False, **values)
    wait_until(lambda: ended(graph), 60, lambda: TaskGraph.fetch(graph.id).as_text())

    assert TaskGraph.fetch(graph.id).counts() == {"finished": LAYERS * WIDTH}
    check_order(graph, ledger)


def test_who_has_only_settled_leaves_the_rest_to_others(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    graph = chain([{"func": act}, {"func": act}])
    graph.enqueue()
    HandWorker().run()

    start_worker()

    ledger.wait_for("end", graph.nodes[1].task_id)


def test_the_producer_may_die_before_all_first_tasks_are_enqueued(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    graph = group([{"func": act}] * 150)
    entries = list(graph._entries())
    lines = sum(part == ":nodes" for part, _, _ in entries)
    launch = graph_scripts.launch(graph.id, entries, nodes=150, lines=lines, last=True, batch=20)
    assert client.run(launch) == "launching"

    worker = start_worker("--burst", "--concurrency", "2")

    assert worker.wait_exit(60) == 0
    assert TaskGraph.fetch(graph.id).counts() == {"finished": 150}


def test_the_next_task_of_a_chain_begins_at_once(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker(WORKER_HEARTBEAT_FREQ=30, WORKER_HEARTBEAT_TIMEOUT=120)
    graph = chain([{"func": act}] * 30)
    graph.enqueue()

    # Had each step to wait for maintenance, this took a quarter of an hour.
    ledger.wait_for("end", count=30, timeout=20)

    assert [e.task_id for e in ledger.events("end")] == [node.task_id for node in graph.nodes]


def test_a_burst_worker_ends_only_when_the_graph_has(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    graph = chord([{"func": act}] * 250, {"func": act})
    graph.enqueue()

    worker: WorkerProcess = start_worker("--burst", "--concurrency", "4")

    assert worker.wait_exit(60) == 0
    assert TaskGraph.fetch(graph.id).counts() == {"finished": 251}


def test_a_lost_task_that_may_not_run_again_stops_its_successors(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker()
    graph = chain([{"func": act_once, "args": [["sleep", 60]]}, {"func": act}])
    graph.enqueue()
    ledger.wait_for("start")

    worker.kill_all()
    start_worker()
    wait_until(lambda: ended(graph), 30)

    assert [n.state for n in TaskGraph.fetch(graph.id).nodes] == ["failed", "stopped"]
