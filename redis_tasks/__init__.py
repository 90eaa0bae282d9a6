"""Run Python functions later, on other machines, by way of Redis.

PYTEST_DONT_REWRITE: as a plugin's package, pytest would warn if it was imported before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from redis_tasks.decorator import redis_task
from redis_tasks.exceptions import (
    DeserializationError,
    EnqueueFailed,
    EnqueueUncertain,
    GraphDoesNotExist,
    InvalidOperation,
    PayloadTooLarge,
    RedisFull,
    RedisTasksError,
    SettingsError,
    TaskAborted,
    TaskDoesNotExist,
    WorkerDoesNotExist,
    WorkerShutdown,
)
from redis_tasks.queue import Queue
from redis_tasks.shutdown import PostponeShutdown
from redis_tasks.task import Task, get_current_task
from redis_tasks.testing import TWorker

if TYPE_CHECKING:
    from redis_tasks.scheduler_process import scheduler_main
    from redis_tasks.schedules import crontab, once_per_day, run_every
    from redis_tasks.worker_process import worker_main

__version__ = "0.1.0"

__all__ = [
    "DeserializationError",
    "EnqueueFailed",
    "EnqueueUncertain",
    "GraphDoesNotExist",
    "InvalidOperation",
    "PayloadTooLarge",
    "PostponeShutdown",
    "Queue",
    "RedisFull",
    "RedisTasksError",
    "SettingsError",
    "TWorker",
    "Task",
    "TaskAborted",
    "TaskDoesNotExist",
    "WorkerDoesNotExist",
    "WorkerShutdown",
    "crontab",
    "get_current_task",
    "once_per_day",
    "redis_task",
    "run_every",
    "scheduler_main",
    "worker_main",
]

# What only some processes need is loaded only there: an app that enqueues starts sooner.
_LOADED_LATER = {
    "crontab": "redis_tasks.schedules",
    "once_per_day": "redis_tasks.schedules",
    "run_every": "redis_tasks.schedules",
    "scheduler_main": "redis_tasks.scheduler_process",
    "worker_main": "redis_tasks.worker_process",
}


def __getattr__(name: str) -> Any:
    if name in _LOADED_LATER:
        return getattr(import_module(_LOADED_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
