"""Middleware that leaves traces, or does what a test asks of it by RT_MIDDLEWARE."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from redis_tasks import Task, get_current_task
from tests.support.ledger import record
from tests.support.waiting import wait_until


class TracingMiddleware:
    """Records `before`, `after` and `outcome`, and `made` where that is asked for.

    RT_MIDDLEWARE names what else to do, by moment: "before=sleep:3 after=raise".
    """

    def __init__(self) -> None:
        task = get_current_task()
        if task is not None and "made=" in os.environ.get("RT_MIDDLEWARE", ""):
            self._moment("made", task.id)

    def run_task(
        self, task: Task, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self._moment("before", task.id)
        result = run(*args, **kwargs)
        self._moment("after", task.id)
        return result

    def process_outcome(
        self,
        task: Task,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> bool | None:
        self._moment("outcome", task.id, exc_type.__name__ if exc_type else "success")
        return None

    def _moment(self, moment: str, task_id: str, extra: str = "") -> None:
        record(moment, task_id, extra)
        wanted = dict(item.split("=") for item in os.environ.get("RT_MIDDLEWARE", "").split())
        action, _, value = wanted.get(moment, "").partition(":")
        if action == "sleep":
            time.sleep(float(value))
        elif action == "raise":
            raise RuntimeError(f"middleware {moment}")
        elif action == "child":
            subprocess.run(["sleep", value], check=True)
        elif action == "exit":
            os._exit(int(value))


class RetryingMiddleware:
    """Calls a function that has failed once more, when the test makes the file RT_RETRY."""

    def run_task(
        self, task: Task, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        try:
            run(*args, **kwargs)
        except ValueError:
            record("again", task.id)
            wait_until(Path(os.environ["RT_RETRY"]).exists, 30)
            run(*args, **kwargs)
