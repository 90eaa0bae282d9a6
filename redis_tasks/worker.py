"""Look at workers as Redis knows them."""

import json
from datetime import datetime

from redis_tasks import clock, keys
from redis_tasks.conf import connection
from redis_tasks.exceptions import TaskDoesNotExist, WorkerDoesNotExist
from redis_tasks.names import is_name
from redis_tasks.queue import Queue
from redis_tasks.record import decode_names
from redis_tasks.registries import current_task_id, worker_ids, worker_registry
from redis_tasks.store.scripts import Fields
from redis_tasks.task import Task

IDLE, BUSY, DEAD = "idle", "busy", "dead"


class Worker:
    """What runs one task at a time, as it was when it was fetched.

    A process started with ``--concurrency N`` hosts N of them, ``<id>#1`` to ``<id>#N``.
    """

    def __init__(self, worker_id: str, record: Fields) -> None:
        self.id = worker_id
        self._record = record

    def __repr__(self) -> str:
        return f"<Worker {self.description} [{self.id}] {self.state}>"

    @classmethod
    def all(cls) -> list["Worker"]:
        """Return the workers that live, sorted by description."""
        found = sorted(
            worker_registry.get_records(), key=lambda found: (found[1].get("desc", b""), found[0])
        )
        return [cls(worker, record) for sid, record in found for worker in worker_ids(sid, record)]

    @classmethod
    def fetch(cls, worker_id: str) -> "Worker":
        """Return a worker that lives or died less than ``DEAD_WORKER_TTL`` ago.

        Raises ``WorkerDoesNotExist``.
        """
        supervisor_id = worker_id.partition("#")[0]
        record = decode_names(connection.hgetall(keys.supervisor(supervisor_id)))
        if not record or worker_id not in worker_ids(supervisor_id, record):
            raise WorkerDoesNotExist(f"worker {worker_id} does not exist (any more)")
        return cls(worker_id, record)

    @property
    def description(self) -> str:
        """Where it runs: the dyno's name or ``host.pid``, with ``#k`` if it has neighbours."""
        _, mark, number = self.id.partition("#")
        return self._record.get("desc", b"?").decode(errors="replace") + mark + number

    @property
    def state(self) -> str:
        """``idle``, ``busy`` or ``dead``."""
        if "on" not in self._record:
            return DEAD
        return BUSY if self.current_task_id else IDLE

    @property
    def queues(self) -> list[Queue]:
        """The queues that it serves, in their order of precedence."""
        try:
            names = json.loads(self._record.get("queues", b"[]"))
        except ValueError:
            return []
        return [Queue(name) for name in names if is_name(name)] if isinstance(names, list) else []

    @property
    def current_task_id(self) -> str | None:
        """The task that it runs; of a dead worker: the one that it has left behind."""
        return current_task_id(self.id, self._record)

    @property
    def started_at(self) -> datetime | None:
        return self._moment("start")

    @property
    def shutdown_at(self) -> datetime | None:
        """When it was shut down or given up for dead; None while it lives."""
        return self._moment("shut")

    def fetch_current_task(self) -> Task | None:
        """Return the task that it runs; None if there is none, or it is gone already."""
        if self.current_task_id is None:
            return None
        try:
            return Task.fetch(self.current_task_id)
        except TaskDoesNotExist:
            return None

    def _moment(self, field: str) -> datetime | None:
        try:
            return clock.from_ms(self._record.get(field))
        except ValueError:
            return None
