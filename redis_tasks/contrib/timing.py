"""Count the runs of each function in each queue, with the time that they take."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis_tasks import keys
from redis_tasks.conf import connection
from redis_tasks.store import client, scripts
from redis_tasks.task import Task

logger = logging.getLogger("redis_tasks.timing")


@dataclass(frozen=True)
class Timed:
    """What the runs of one function in one queue came to; *seconds*: of all of them together."""

    func: str
    queue: str
    finished: int
    failed: int
    seconds: float


class Timing:
    """Middleware that adds each run to totals in Redis, which ``timings()`` reads.

    A subclass whose ``observe`` does something else feeds another system of metrics.
    """

    seconds = 0.0

    def run_task(
        self, _task: Task, run: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        began = time.monotonic()
        try:
            run(*args, **kwargs)
        finally:
            self.seconds = time.monotonic() - began

    def process_outcome(self, task: Task, *exc_info: Any) -> None:
        outcome = "finished" if exc_info[0] is None else "failed"
        self.observe(task.func_name, task.origin or "", outcome, self.seconds)

    def observe(self, func: str, queue: str, outcome: str, seconds: float) -> None:
        """Take note of a run that ended as *outcome*: "finished" or "failed"."""
        try:
            client.run(scripts.count_run(func, queue, outcome, seconds))
        except client.Unreachable as error:
            logger.warning("A run of %s was not counted: %s", func, error)


def timings() -> list[Timed]:
    """Return the totals since the key ``<prefix>:timing`` was last deleted, by function."""
    totals: dict[str, dict[str, int]] = {}
    for field, value in connection.hgetall(keys.timing()).items():
        name, _, what = field.decode(errors="replace").rpartition(" ")
        totals.setdefault(name, {})[what] = int(value)
    return [_timed(name, total) for name, total in sorted(totals.items())]


def _timed(name: str, total: dict[str, int]) -> Timed:
    func, queue = json.loads(name)
    runs = total.get("finished", 0), total.get("failed", 0)
    return Timed(func, queue, *runs, seconds=total.get("us", 0) / 1e6)
