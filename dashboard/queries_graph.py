"""Read a graph from Redis, as it is to be drawn."""

from collections import Counter

from dashboard.queries_reading import ask_one, now
from dashboard.shapes import Edge, GraphLink, GraphPage, Node
from redis_tasks import keys
from redis_tasks.contrib.graph import TaskGraph
from redis_tasks.exceptions import GraphDoesNotExist
from redis_tasks.task import Task

MOST_NODES = 1_000  # that are drawn


def graph(graph_id: str) -> GraphPage | None:
    """Return a graph with the states of its tasks; None if there is no such graph."""
    number = ask_one("HGET", keys.graph(graph_id), "n")
    if number is None:
        return None
    if not number.isdigit() or int(number) > MOST_NODES:
        return GraphPage(now(), graph_id, "too large to be drawn", is_complete=False)
    try:
        found = TaskGraph.fetch(graph_id)
    except GraphDoesNotExist:
        return None
    edges = sorted((before.number, after.number) for before, after in found.edges)
    levels = _levels(len(found.nodes), edges)
    nodes = [
        Node(str(node.number), node.func_name, node.state, node.task_id, levels[node.number])
        for node in found.nodes
    ]
    drawn = tuple(Edge(str(before), str(after)) for before, after in edges)
    return GraphPage(now(), graph_id, found.state, tuple(nodes), drawn)


def _levels(number: int, edges: list[tuple[int, int]]) -> dict[int, int]:
    levels = dict.fromkeys(range(1, number + 1), 0)
    open_edges = Counter(after for _, after in edges)
    followers: dict[int, list[int]] = {node: [] for node in levels}
    for before, after in edges:
        followers[before].append(after)
    ready = [node for node in levels if not open_edges[node]]
    while ready:
        node = ready.pop()
        for after in followers[node]:
            levels[after] = max(levels[after], levels[node] + 1)
            open_edges[after] -= 1
            if not open_edges[after]:
                ready.append(after)
    return levels


def link(task: Task) -> GraphLink | None:
    """Return the graph that a task belongs to."""
    graph_id = task.graph_id
    return GraphLink(graph_id, task.id.removeprefix(f"{graph_id}.")) if graph_id else None
