"""Carries out single actions on a graph, and knows what may and must have come of them."""

from collections.abc import Sequence

from redis_tasks import keys
from redis_tasks.conf import connection
from redis_tasks.contrib.graph import TaskGraph
from redis_tasks.lifecycle import FAILED, FINISHED
from redis_tasks.store import client, graph_scripts, scripts
from redis_tasks.store.scripts import Settlement
from tests.support.actions import act, act_once
from tests.support.graph_view import CANCELLED, GraphView, look_at
from tests.support.store_records import Run
from tests.support.store_view import CLOCK

QUEUE = "q"
BATCH = 2  # successors told at once, so that small graphs need several parts
LEASE, GRACE = 4_000, 1_400
RUNS = ("running", "queued")


class GraphActions:
    """A graph that was just enqueued, with one supervisor of two workers."""

    def __init__(self, size: int, pairs: Sequence[tuple[int, int]], policy: str) -> None:
        connection.flushall()
        self.now = 1_700_000_000_000
        self.pass_time(0)
        self.policy = policy
        self.graph = TaskGraph(on_failure=policy)
        nodes = [
            self.graph.add_task({"func": act if i % 2 else act_once, "queue": QUEUE})
            for i in range(size)
        ]
        for before, after in pairs:
            self.graph.add_dependency(nodes[before - 1], nodes[after - 1])
        self.before = {
            node.number: [before for before, after in pairs if after == node.number]
            for node in nodes
        }
        self.ended: dict[int, str] = {}
        self.runs: list[Run] = []
        self.seqs: dict[int, bytes] = {}
        self.requests = 0
        client.run(scripts.register("s", "s", [QUEUE], 2))
        assert self.launch() in ("launched", "launching")

    # ---- Actions

    def pass_time(self, milliseconds: int) -> None:
        self.now += milliseconds
        connection.set(CLOCK, self.now)

    def launch(self) -> str:
        entries = list(self.graph._entries(BATCH))
        half, lines = len(entries) // 2, sum(part == ":nodes" for part, _, _ in entries)
        size, word = len(self.graph.nodes), ""
        for some, last in ((entries[:half], False), (entries[half:], True)):
            call = graph_scripts.launch(
                self.graph.id, some, nodes=size, lines=lines, last=last, batch=BATCH
            )
            word = client.run(call)
        return word

    def advance(self) -> bool:
        advanced = client.run(graph_scripts.advance(BATCH))
        assert advanced.trouble == ""
        return advanced.more

    def advance_fully(self) -> None:
        for _ in range(100):
            if not self.advance():
                return
        raise AssertionError("there is always more to tell")

    def claim(self) -> None:
        self.requests += 1
        free = ["s#1", "s#2"]
        for claimed in client.run(scripts.claim("s", self.requests, [QUEUE], free)) or []:
            self.runs.append((claimed.task_id, claimed.worker_id, claimed.run))

    def settle(self, run: Run, move: str) -> None:
        settled = client.run(scripts.settle([Settlement(*run, move, "why", "text")]))[0]
        if settled.word in (FINISHED, FAILED):
            self.ended[number_of(run[0])] = settled.word

    def recover(self) -> None:
        """Give all up that runs."""
        for wait in (LEASE + 100, GRACE):
            self.pass_time(wait)
            for taken in client.run(scripts.recover(QUEUE)) or []:
                if taken.word == FAILED:
                    self.ended[number_of(taken.task_id)] = FAILED

    def cancel(self, number: int) -> None:
        if client.run(scripts.cancel(f"{self.graph.id}.{number}")) == CANCELLED:
            self.ended.setdefault(number, CANCELLED)

    def delete(self, number: int) -> None:
        if client.run(scripts.delete([f"{self.graph.id}.{number}"])) == ["deleted"]:
            self.ended.setdefault(number, CANCELLED)

    def drain(self) -> None:
        for raw in connection.zrange(keys.queue(QUEUE), 0, -1):
            self.ended.setdefault(number_of(raw.decode()), CANCELLED)
        client.run(scripts.drain(QUEUE))

    # ---- What has to be true

    def check(self) -> None:
        """See that no node was released too early or twice, and that all is counted."""
        view = look_at(self.graph.id)
        for number, state in view.states.items():
            self._check_node(number, state, view)
        alive = sum(state == "released" for state in view.states.values())
        assert view.busy == alive + len(view.ready), "busy is miscounted"
        assert view.is_over == (view.busy == 0) == view.is_kept, "it is over, or is it?"
        assert view.kept_bytes == (view.size if view.is_kept else 0)
        assert view.waiting_bytes == view.counted_waiting_bytes
        assert not view.expiring, "it expires while it may go on"

    def _check_node(self, number: int, state: str, view: GraphView) -> None:
        if number in self.ended:
            assert state == self.ended[number], f"node {number} is {state}"
        elif state == CANCELLED:
            assert self.was_cancelled(), f"node {number} is cancelled for nothing"
            self.ended[number] = state
        elif state == "released":
            assert self.may_run(number), f"node {number} was released too early"
        seq = view.seqs.get(number)
        if seq is not None:
            assert self.seqs.setdefault(number, seq) == seq, f"node {number} was enqueued twice"

    def check_settled(self) -> None:
        """See, when all has been told, that nobody waits who could run."""
        self.check()
        view = look_at(self.graph.id)
        assert not view.ready
        for number, state in view.states.items():
            may_run = self.may_run(number) and not self.was_cancelled()
            assert state != "waiting" or not may_run, f"node {number} is forgotten"
            fresh = view.is_fresh(number)
            assert not (fresh and self.was_cancelled()), f"node {number} may still run"

    def may_run(self, number: int) -> bool:
        enough = (FINISHED,) if self.policy != "run" else (FINISHED, FAILED, CANCELLED)
        return all(self.ended.get(before) in enough for before in self.before[number])

    def was_cancelled(self) -> bool:
        return bool(connection.hget(keys.graph(self.graph.id), "st") == b"cancelled")

    def run_out(self) -> None:
        """Let all that can run do so, and see that the graph is over then."""
        for _ in range(60):
            self.advance_fully()
            self.check_settled()
            if look_at(self.graph.id).is_over:
                return
            self.recover()
            before = len(self.runs)
            self.claim()
            for run in self.runs[before:]:
                self.settle(run, "finish")
        raise AssertionError("the graph does not come to its end")


def number_of(task_id: str) -> int:
    return int(task_id.rpartition(".")[2])
