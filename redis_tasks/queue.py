"""Put tasks into queues."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from redis.exceptions import AuthenticationError, OutOfMemoryError
from redis.exceptions import ConnectionError as RedisConnectionError

from redis_tasks import hooks, keys, publishing
from redis_tasks.conf import connection, redacted_url, settings, without_password
from redis_tasks.exceptions import (
    EnqueueFailed,
    EnqueueUncertain,
    InvalidOperation,
    RedisFull,
    TaskDoesNotExist,
)
from redis_tasks.names import check_name, is_name
from redis_tasks.registries import queue_registry, read_part
from redis_tasks.store import client, scripts
from redis_tasks.store.client import Call
from redis_tasks.store.scripts import ENQUEUE_BATCH, NewTask
from redis_tasks.task import Task

logger = logging.getLogger("redis_tasks.task")

T = TypeVar("T")

BATCH_BYTES = 1024 * 1024  # of arguments in one call, so that it is over in good time
REPEAT = "repeat the call with the same task_id"
CALL_KEYS = frozenset({"func", "args", "kwargs", "task_id"})


class Queue:
    """A queue of tasks: first in, first out, interrupted ones ahead of all others.

    It exists from the first task that is put into it until it is deleted. *name* is printable text
    of 1 to 255 bytes. Queues of the same name are equal.
    """

    def __init__(self, name: str = "default") -> None:
        self.name = check_name(name, "A queue's name")

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return self.name == other.name if isinstance(other, Queue) else NotImplemented

    def __hash__(self) -> int:
        return hash((Queue, self.name))

    @classmethod
    def all(cls) -> list["Queue"]:
        """Return all queues that there are, by name."""
        return [cls(name) for name in queue_registry.get_names() if is_name(name)]

    # ---- Putting in

    def enqueue_call(
        self,
        func: Callable[..., Any] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        pipeline: Any = None,
        on_commit: bool | str = True,
    ) -> Task:
        """Have *func* called with these arguments by a worker; returns its task.

        Answers within 2 seconds. Raises ``EnqueueFailed`` (``RedisFull``) if the task was not
        enqueued, ``EnqueueUncertain`` if nobody knows. Repeated with the same *task_id* within 60
        seconds it makes no second task, but returns the first one as it is then; for another call
        under that id, ``InvalidOperation``.

        With the *pipeline* of a redis-py client the command joins it, to be sent by its
        ``execute()``: what comes of it the caller sees there; the task's status stays None.

        Where an integration knows of transactions, as Django's does, a call inside of one is sent
        when that has committed: errors of sending come then, the task's status is None until then.
        With *on_commit* False it is sent now; the name of a database waits for that one alone. A
        pipeline waits for nothing.

        Wrong arguments are ``ValueError`` (a function that no worker may run, or that cannot be
        imported; ``PayloadTooLarge``) or ``TypeError`` (values that cannot be encoded). What Redis
        refuses for reasons of its own, such as an ACL, is redis-py's ``ResponseError``.
        """
        task = Task(func, args, kwargs, task_id=task_id)
        if pipeline is None:
            self.push(task, on_commit=on_commit)
        else:
            with publishing.around(self.name, [task]):
                call = scripts.enqueue(self.name, [task.as_new()]).repeated()
                pipeline.execute_command(*call.command(whole=True))
            task.was_sent(self.name)
        return task

    def enqueue_many(
        self, calls: Sequence[Mapping[str, Any]], *, on_commit: bool | str = True
    ) -> list[Task]:
        """Enqueue calls given as ``dict(func=..., args=..., kwargs=..., task_id=...)``, in order.

        All but *func* may be left out. Nothing is sent if one of them is wrong. They go in batches
        of at most 1,000, each one round trip, all or none of a batch; an error tells how many
        tasks had been enqueued before it. To be able to repeat that, give each a *task_id*.
        Otherwise like ``enqueue_call()``.
        """
        tasks = [_task_of(call) for call in calls]
        hooks.deliver(partial(self._put_all, tasks), on_commit)
        return tasks

    def _put_all(self, tasks: Sequence[Task]) -> None:
        with publishing.around(self.name, tasks):
            new = [task.as_new() for task in tasks]
            start = 0
            for size in _batch_sizes(new):
                end = start + size
                self._put(tasks[start:end], new[start:end], f" ({start} of {len(tasks)} were)")
                start = end

    def push(self, task: Task, *, at_front: bool = False, on_commit: bool | str = True) -> None:
        """Enqueue a task that was made by hand and never enqueued before.

        *at_front*: ahead of all but interrupted tasks. Raises ``InvalidOperation`` for a task that
        is not new, otherwise like ``enqueue_call()``; after such an error it may be pushed again.
        """
        task.check_is_new()
        hooks.deliver(partial(self._push, task, at_front=at_front), on_commit)

    def _push(self, task: Task, *, at_front: bool) -> None:
        with publishing.around(self.name, [task]):
            self._put([task], [task.as_new()], at_front=at_front)

    def _put(
        self,
        tasks: Sequence[Task],
        new: Sequence[NewTask],
        note: str = "",
        *,
        at_front: bool = False,
    ) -> None:
        call = scripts.enqueue(self.name, new, at_front=at_front)
        enqueued = carry_out(call, f"task {tasks[0].id}", tasks[0].id, note)
        others = []
        for task, asked, word, status in zip(
            tasks, new, enqueued.words, enqueued.statuses, strict=True
        ):
            if word == "other":
                others.append(task.id)
                continue
            task.was_sent(self.name)
            if word == "new" or not asked.again:
                task.was_enqueued(enqueued.moment)
                self._tell(task)
            if word == "repeated":
                task.became(status)
                # It may be in another queue than it was sent to now.
                with suppress(TaskDoesNotExist, RedisConnectionError):
                    task.refresh()
        if others:
            raise InvalidOperation(
                f"these ids belong to tasks with another function or other arguments: {others}"
            )
        if hooks.enqueued is not None:
            hooks.enqueued(self.name)

    def _tell(self, task: Task) -> None:
        if logger.isEnabledFor(logging.INFO):
            extra = {"task_id": task.id, "func": task.func_name, "queue": self.name}
            logger.info("Task %s [%s] enqueued", task.description, task.id, extra=extra)

    # ---- Looking in

    def count(self) -> int:
        """Return how many tasks wait in it."""
        return int(connection.zcard(keys.queue(self.name)))

    def get_task_ids(self, offset: int = 0, length: int = -1) -> list[str]:
        """Return waiting tasks in the order in which they will run (*offset*: see registries)."""
        return read_part(keys.queue(self.name), offset, length)

    def get_tasks(self, offset: int = 0, length: int = -1) -> list[Task]:
        """Return the tasks themselves; one that disappears meanwhile is passed over."""
        return Task.fetch_many(self.get_task_ids(offset, length))

    # ---- Clearing out

    def empty(self) -> int:
        """Delete all tasks that wait in it now; returns how many."""
        # Bounded by what was there at first: others may add as fast as this deletes.
        deleted, most = 0, self.count()
        while deleted < most:
            batch = client.run(scripts.drain(self.name))
            deleted += batch
            if batch < scripts.BATCH:
                break
        return deleted

    def delete(self) -> int:
        """Empty it and strike it off the list of queues; returns how many tasks were deleted.

        Raises ``InvalidOperation`` while tasks of it are running.
        """
        self._refuse_running(int(connection.zcard(keys.leases(self.name))))
        deleted = self.empty()
        waiting, running = client.run(scripts.forget_queue(self.name))
        self._refuse_running(running)
        if waiting:
            raise InvalidOperation(
                f"queue {self.name} was emptied but not deleted: {waiting} tasks have come since"
            )
        return deleted

    def _refuse_running(self, running: int) -> None:
        if running:
            raise InvalidOperation(
                f"queue {self.name} cannot be deleted: {running} of its tasks are running"
            )


def _task_of(call: Mapping[str, Any]) -> Task:
    if not isinstance(call, Mapping):
        raise TypeError(f"a call must be a dict(func=..., args=...), not a {type(call).__name__}")
    unknown = sorted(map(str, set(call) - CALL_KEYS))
    if unknown or "func" not in call:
        wrong = f"has no {unknown[0]!r}" if unknown else "needs 'func'"
        raise TypeError(f"a call {wrong}: it is a dict of {', '.join(sorted(CALL_KEYS))}")
    return Task(call["func"], call.get("args"), call.get("kwargs"), task_id=call.get("task_id"))


def _batch_sizes(tasks: Sequence[NewTask]) -> list[int]:
    sizes: list[int] = []
    room = 0
    for task in tasks:
        size = len(task.arguments)
        if size > room or sizes[-1] == ENQUEUE_BATCH:
            sizes.append(0)
            room = max(BATCH_BYTES, size)
        sizes[-1] += 1
        room -= size
    return sizes


def carry_out(call: Call[T], what: str, id_: str, note: str, remedy: str = REPEAT) -> T:
    """Send an enqueue; turn what may go wrong into errors that say what came of the task."""
    try:
        return client.run(call)
    except client.Unreachable as error:
        if error.sent:
            raise EnqueueUncertain(
                f"{what} was perhaps enqueued{note}: {_redis()} did not confirm it ({error});"
                f" {remedy}",
                id_,
            ) from error
        why = f"{_redis()} is out of reach ({error})"
        raise EnqueueFailed(f"{what} was not enqueued{note}: {why}", id_) from error
    except OutOfMemoryError as error:
        why = f"{_redis()} is full ({error})"
        raise RedisFull(f"{what} was not enqueued{note}: {why}", id_) from error
    except AuthenticationError as error:
        why = f"{_redis()} refused the password ({without_password(str(error))})"
        raise EnqueueFailed(f"{what} was not enqueued{note}: {why}", id_) from error


def _redis() -> str:
    return f"Redis at {redacted_url(settings.REDIS_URL)}"
