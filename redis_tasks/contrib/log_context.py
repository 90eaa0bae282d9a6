"""Name the task in every line that is logged while it runs."""

import logging
from collections.abc import Callable
from typing import Any

from redis_tasks.task import Task


class LogContext:
    """Middleware that marks what the handlers of the root logger are given during a run.

    A record gets ``task_id``, ``func`` and ``queue`` where it has none of its own, so that they
    stand in the JSON form of the log and in formats of yours (``%(task_id)s``). The library's
    text form shows ``[function id]`` before the message.
    """

    def run_task(
        self, task: Task, run: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        # A filter, not a record factory: what that sets, extra={"task_id": ...} may not set.
        handlers = list(logging.getLogger().handlers)
        mark = _marking(task)
        for handler in handlers:
            handler.addFilter(mark)
        try:
            run(*args, **kwargs)
        finally:
            for handler in handlers:
                handler.removeFilter(mark)


def _marking(task: Task) -> Callable[[logging.LogRecord], bool]:
    context = {"task_id": task.id, "func": task.func_name, "queue": task.origin}

    def mark(record: logging.LogRecord) -> bool:
        if not hasattr(record, "task_id"):  # else it is about a task already, perhaps another one
            vars(record).update(context, task_label=f"{task.func_name} {task.id}")
        return True

    return mark
