"""Run queued tasks in this process, for users' tests."""

import itertools
from collections.abc import Sequence

from redis_tasks import execution, lifecycle, middleware
from redis_tasks.lifecycle import TaskOutcome
from redis_tasks.names import new_id
from redis_tasks.queue import Queue
from redis_tasks.store import client, graph_scripts, scripts
from redis_tasks.store.scripts import Claimed, Settled, Settlement
from redis_tasks.task import Task


class _Unwatched:
    def begin(self) -> None:
        """Nobody calls runs off here."""

    def returned(self, outcome: TaskOutcome) -> None:
        """Nobody waits for it here."""


class TWorker:
    """A worker without processes and signals: it runs what is queued, then returns.

    Everything else is as in a real worker: the same scripts, codec, middleware and records.
    ``succeeded`` and ``failed`` list the tasks it has run.
    """

    def __init__(self, queues: Sequence[str] = ("default",)) -> None:
        self.id = new_id()
        self.queues = [Queue(name).name for name in queues]
        self.succeeded: list[Task] = []
        self.failed: list[Task] = []
        self._requests = itertools.count(1)

    def run(self, raise_on_failure: bool = True) -> int:
        """Run tasks until the queues are empty; returns how many.

        Raises ``RuntimeError`` with the task's traceback at the first failure, unless told not to.
        """
        classes = middleware.load()
        client.run(scripts.register(self.id, f"TWorker-{self.id}", self.queues, 1))
        count = 0
        try:
            while (claimed := self._claim()) is not None:
                task = Task.from_record(claimed.task_id, claimed.fields)
                task.bind_run(self.id)
                outcome = execution.execute(task, classes, _Unwatched())
                settled = self._settle(claimed, outcome)
                count += 1
                self._record(task, settled, raise_on_failure)
        finally:
            client.run(scripts.retire(self.id))
        return count

    def _claim(self) -> Claimed | None:
        claimed = client.run(scripts.claim(self.id, next(self._requests), self.queues, [self.id]))
        return claimed[0] if claimed else None

    def _settle(self, claimed: Claimed, outcome: TaskOutcome) -> Settled:
        settlement = Settlement(
            claimed.task_id,
            claimed.worker_id,
            claimed.run,
            outcome.move.name,
            outcome.reason,
            outcome.text,
        )
        settled = client.run(scripts.settle([settlement]))[0]
        while claimed.in_graph and client.run(graph_scripts.advance()).more:
            pass  # a part of a large graph each time
        return settled

    def _record(self, task: Task, settled: Settled, raise_on_failure: bool) -> None:
        if settled.word not in (lifecycle.FINISHED, lifecycle.FAILED):
            raise RuntimeError(f"Task {task.description} [{task.id}] ended as {settled.word}")
        task.refresh()
        if settled.word == lifecycle.FINISHED:
            self.succeeded.append(task)
            return
        self.failed.append(task)
        if raise_on_failure:
            raise RuntimeError(f"Task {task.description} failed\n{task.error_message}")
