"""A worker moved by hand: it claims and settles just when the test says so."""

import itertools
from collections.abc import Sequence

from redis_tasks import Task
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Claimed, Settled, Settlement

REQUESTS = itertools.count(1)


class HandWorker:
    """A supervisor without processes, registered under *supervisor_id*."""

    def __init__(
        self,
        queues: Sequence[str] = ("default",),
        *,
        supervisor_id: str = "hand",
        description: str = "hand",
        workers: int = 1,
    ) -> None:
        self.id = supervisor_id
        self.queues = queues
        client.run(scripts.register(supervisor_id, description, queues, workers))

    def claim(self, worker_id: str | None = None) -> Claimed:
        """Begin the next task; there has to be one."""
        request = next(REQUESTS)
        call = scripts.claim(self.id, request, self.queues, [worker_id or self.id])
        claimed = client.run(call)
        assert claimed, "there was nothing to claim"
        return claimed[0]

    def settle(self, claimed: Claimed, move: str, reason: str = "", text: str = "") -> Settled:
        settlement = Settlement(
            claimed.task_id, claimed.worker_id, claimed.run, move, reason, text
        )
        return client.run(scripts.settle([settlement]))[0]

    def run(self, move: str = "finish", reason: str = "", text: str = "") -> Task:
        """Claim the next task, settle it, return it as it is then."""
        claimed = self.claim()
        self.settle(claimed, move, reason, text)
        return Task.fetch(claimed.task_id)

    def retire(self) -> None:
        client.run(scripts.retire(self.id))
