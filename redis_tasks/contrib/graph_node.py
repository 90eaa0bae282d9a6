"""Represent one node of a graph."""

NEW = "new"  # not enqueued yet, and neither is its graph
WAITING = "waiting"  # for its predecessors
QUEUED = "queued"
RUNNING = "running"
FINISHED = "finished"
FAILED = "failed"
STOPPED = "stopped"  # a predecessor failed, so it will not run
CANCELLED = "cancelled"  # by itself, or with the whole graph

# In the order in which they are told.
STATES = (FINISHED, FAILED, RUNNING, QUEUED, WAITING, STOPPED, CANCELLED, NEW)


class GraphNode:
    """One call of a graph, made by ``TaskGraph.add_task()``.

    *number* counts the nodes of a graph from 1; *state* is one of ``STATES``, as it was when the
    graph was fetched.
    """

    def __init__(self, graph_id: str, number: int, func_name: str, queue: str) -> None:
        self.graph_id = graph_id
        self.number = number
        self.func_name = func_name
        self.queue = queue
        self.state = NEW

    def __repr__(self) -> str:
        return f"<GraphNode {self.number} {self.func_name} {self.state}>"

    @property
    def task_id(self) -> str:
        """Return the id of its task, which exists as soon as all predecessors have ended."""
        return task_id_of(self.graph_id, self.number)


def task_id_of(graph_id: str, number: int) -> str:
    return f"{graph_id}.{number}"
