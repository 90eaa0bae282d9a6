"""List what Redis knows: tasks that are over, workers, queues.

Wherever a part of a list is asked for, *offset* counts from the oldest or, if it is negative,
from the newest. *length* of 0 or more is exactly that many; a negative *length* is the index of
the last one that is included (-1: the newest).
"""

import re
from collections.abc import Iterator

from redis_tasks import keys
from redis_tasks.conf import connection, settings
from redis_tasks.record import decode_names
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Fields
from redis_tasks.task import Task

EVERYTHING = -1e11  # seconds: expired a moment ago is what ends before the far future


def read_part(key: str, offset: int, length: int) -> list[str]:
    """Return ids of a sorted set, lowest rank first."""
    if length == 0:
        return []
    found = connection.zrange(key, offset, _last_of(offset, length))
    return [task_id.decode(errors="replace") for task_id in found]


def _last_of(offset: int, length: int) -> int:
    """Return the index of the last one of a part that is not empty."""
    last = length if length < 0 else offset + length - 1
    # Below zero to zero and more: more were asked for than there are from there on.
    return -1 if offset < 0 <= last else last


def split_entry(entry: bytes) -> tuple[int, bytes]:
    """Return when a task in a registry ended (ms), 0 if that is not known, and its id."""
    moment, _, task_id = entry.partition(b" ")
    return (int(moment), task_id) if moment.isdigit() and len(moment) < 14 else (0, entry)


class TaskRegistry:
    """The tasks that ended one way, oldest first."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"TaskRegistry({self.name!r})"

    def count(self) -> int:
        return int(connection.llen(keys.registry(self.name)))

    def get_task_ids(self, offset: int = 0, length: int = -1) -> list[str]:
        if length == 0:
            return []
        found = connection.lrange(keys.registry(self.name), offset, _last_of(offset, length))
        return [split_entry(entry)[1].decode(errors="replace") for entry in found]

    def get_tasks(self, offset: int = 0, length: int = -1) -> list[Task]:
        """Return the tasks; one that disappears meanwhile is passed over."""
        return Task.fetch_many(self.get_task_ids(offset, length))

    def empty(self) -> int:
        """Delete all tasks that are in it now; returns how many."""
        return self._expire(EVERYTHING, self.count())

    def expire(self) -> int:
        """Delete the tasks that ended ``EXPIRING_REGISTRIES_TTL`` ago; returns how many.

        Workers do so from time to time.
        """
        return self._expire(settings.EXPIRING_REGISTRIES_TTL, self.count())

    def _expire(self, ttl: float, most: int) -> int:
        # Bounded by what was there at first: others may add as fast as this deletes.
        deleted = 0
        while deleted < most:
            batch = client.run(scripts.expire(self.name, ttl))
            deleted += batch
            if batch < scripts.BATCH:
                break
        return deleted


class WorkerRegistry:
    """The workers that live, as far as Redis knows."""

    def get_worker_ids(self) -> list[str]:
        ids = []
        for supervisor_id, record in self.get_records():
            ids += worker_ids(supervisor_id, record)
        return ids

    def get_running_tasks(self) -> dict[str, str]:
        """Return the id of the task that each busy worker runs."""
        found = {}
        for supervisor_id, record in self.get_records():
            for worker_id in worker_ids(supervisor_id, record):
                task_id = current_task_id(worker_id, record)
                if task_id is not None:
                    found[worker_id] = task_id
        return found

    def get_records(self) -> Iterator[tuple[str, Fields]]:
        """Yield id and record of each live supervisor; one of them may host many workers."""
        ids = [raw.decode(errors="replace") for raw in connection.zrange(keys.workers(), 0, -1)]
        pipeline = connection.pipeline(transaction=False)
        for supervisor_id in ids:
            pipeline.hgetall(keys.supervisor(supervisor_id))
        for supervisor_id, record in zip(ids, pipeline.execute(), strict=True):
            if record:
                yield supervisor_id, decode_names(record)


class QueueRegistry:
    """All queues that there are: those into which something was put, until they are deleted."""

    def get_names(self) -> list[str]:
        return sorted(name.decode(errors="replace") for name in connection.smembers(keys.queues()))


def worker_ids(supervisor_id: str, record: Fields) -> list[str]:
    """Return the ids of a supervisor's workers: its own if it hosts one, else ``#k`` is added."""
    try:
        count = int(record.get("n", b"1"))
    except ValueError:
        count = 1
    if count <= 1:
        return [supervisor_id]
    return [f"{supervisor_id}#{number}" for number in range(1, count + 1)]


def current_task_id(worker_id: str, record: Fields) -> str | None:
    """Return the task that a worker runs; None if it is idle."""
    busy = re.fullmatch(r"(.*) \d+", record.get(worker_id, b"").decode(errors="replace"))
    return busy[1] if busy else None


finished_task_registry = TaskRegistry(keys.FINISHED)
failed_task_registry = TaskRegistry(keys.FAILED)
worker_registry = WorkerRegistry()
queue_registry = QueueRegistry()
