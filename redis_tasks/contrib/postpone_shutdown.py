"""Keep whole tasks from being interrupted by a shutdown: middleware."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis_tasks.shutdown import PostponeShutdown
from redis_tasks.task import Task


class PostponeShutdownMiddleware:
    """Runs tasks inside ``PostponeShutdown``: all of them, or those that a subclass chooses.

    A shutdown then waits for the task, up to 5 s before ``SHUTDOWN_TIMEOUT``; what still runs
    then is killed, as always. For tasks that are over in seconds.
    """

    def applies_to(self, task: Task) -> bool:  # noqa: ARG002 -- for a subclass to look at
        """Tell whether this task is one that is not to be interrupted; a subclass may choose."""
        return True

    def run_task(
        self,
        task: Task,
        run: Callable[..., None],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        if not self.applies_to(task):
            run(*args, **kwargs)
            return
        with PostponeShutdown():
            run(*args, **kwargs)
