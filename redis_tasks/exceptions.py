"""Name everything that can go wrong.

::

    RedisTasksError
    ├── SettingsError             settings are missing or wrong; lists everything that is
    ├── TaskDoesNotExist          no task has this id: never had, cancelled, deleted or expired
    ├── WorkerDoesNotExist        no worker has this id, or it died too long ago
    ├── GraphDoesNotExist         no graph has this id: never had, half-written or expired
    ├── InvalidOperation          the task's status (or the queue's) does not allow this
    ├── DeserializationError      what Redis holds cannot be read back as Python values
    ├── PayloadTooLarge           arguments or meta exceed MAX_TASK_BYTES    (also a ValueError)
    ├── TaskAborted               a run was interrupted by a shutdown, and the task is not
    │                             reentrant; given to middleware
    ├── EnqueueFailed             certainly not enqueued: Redis is away      (ConnectionError)
    │   └── RedisFull             certainly not enqueued: Redis is out of memory
    └── EnqueueUncertain          perhaps enqueued: Redis did not answer     (ConnectionError)

    BaseException
    └── WorkerShutdown            raised inside a task's function when its worker has to stop

Those marked ``ConnectionError`` are both Python's own and redis-py's.
"""

import builtins
from collections.abc import Iterable

import redis.exceptions

__all__ = [
    "DeserializationError",
    "EnqueueFailed",
    "EnqueueUncertain",
    "GraphDoesNotExist",
    "InvalidOperation",
    "PayloadTooLarge",
    "RedisFull",
    "RedisTasksError",
    "SettingsError",
    "TaskAborted",
    "TaskDoesNotExist",
    "WorkerDoesNotExist",
    "WorkerShutdown",
]


class RedisTasksError(Exception):
    """The root of all errors that this library raises on its own account."""


class SettingsError(RedisTasksError):
    """Settings are missing or wrong; ``errors`` has one sentence for each."""

    def __init__(self, errors: str | Iterable[str]) -> None:
        self.errors = [errors] if isinstance(errors, str) else list(errors)
        super().__init__(self.errors)

    def __str__(self) -> str:
        if len(self.errors) == 1:
            return self.errors[0]
        lines = [f"{len(self.errors)} settings are wrong:", *self.errors]
        return "\n  - ".join(lines)


class TaskDoesNotExist(RedisTasksError):
    """No task has this id."""


class WorkerDoesNotExist(RedisTasksError):
    """No worker has this id."""


class GraphDoesNotExist(RedisTasksError):
    """No graph has this id."""


class InvalidOperation(RedisTasksError):
    """The state of a task or queue does not allow what was asked."""


class DeserializationError(RedisTasksError):
    """Stored bytes are not what the codec writes; they are kept in ``raw_data``."""

    def __init__(self, message: str, raw_data: bytes = b"") -> None:
        super().__init__(message)
        self.raw_data = raw_data


class PayloadTooLarge(RedisTasksError, ValueError):
    """Arguments or meta are larger than allowed; nothing was sent."""


class TaskAborted(RedisTasksError):
    """A run of a task was ended from outside; ``message`` says by what."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class _NotAnswered(RedisTasksError, redis.exceptions.ConnectionError, builtins.ConnectionError):
    def __init__(self, message: str = "", task_id: str = "") -> None:
        super().__init__(message)
        self.task_id = task_id

    def __repr__(self) -> str:
        # redis-py's own names the class only.
        return f"{type(self).__name__}({str(self)!r}, task_id={self.task_id!r})"


class EnqueueFailed(_NotAnswered):
    """The task ``task_id`` was not enqueued; doing it again makes no second task."""


class EnqueueUncertain(_NotAnswered):
    """The task ``task_id`` may have been enqueued.

    Repeat the call with the same ``task_id``: within 60 seconds that makes no second task.
    """


class RedisFull(EnqueueFailed):
    """The task ``task_id`` was not enqueued because Redis has no memory left."""


class WorkerShutdown(BaseException):
    """The worker has to stop now, and so has the task's function.

    Not an ``Exception``, so that a task's ``except Exception`` does not swallow it.
    """
