"""Conditions that many of these tests wait for."""

import contextlib
import time
from collections.abc import Iterable

from redis.exceptions import RedisError

from redis_tasks import Task, TaskDoesNotExist, keys
from redis_tasks.clock import boottime
from redis_tasks.conf import connection
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until


def status_of(task_id: str) -> str | None:
    """Return the task's status; None if it is gone, or Redis away."""
    with contextlib.suppress(RedisError, TaskDoesNotExist):
        return Task.fetch(task_id).status
    return None


def wait_for_status(status: str, *tasks: Task, timeout: float = 15) -> None:
    """Return once all *tasks* have that status."""
    left = {task.id for task in tasks}

    def arrived() -> bool:
        left.difference_update([task_id for task_id in left if status_of(task_id) == status])
        return not left

    wait_until(
        arrived, timeout, lambda: f"{status}, but {[(i, status_of(i)) for i in sorted(left)]}"
    )


def starts(ledger: Ledger, tasks: Iterable[Task]) -> list[int]:
    """Return how often each of *tasks* was started."""
    started = [event.task_id for event in ledger.events("start")]
    return [started.count(task.id) for task in tasks]


def let_pass(seconds: float) -> None:
    """Return when that time is over: only where time itself is what the test is about."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, seconds + 10)


def lease_of(task: Task) -> float | None:
    """Return the moment at which the lease of a running task ends, None if it has none."""
    ends: float | None = connection.zscore(keys.leases("default"), task.id)
    return ends


def wait_for_beats(task: Task, count: int, timeout: float = 10) -> None:
    """Return once the task's lease was renewed *count* times from now on."""
    seen = {lease_of(task)}

    def beaten() -> bool:
        seen.add(lease_of(task))
        return len(seen) > count and None not in seen

    wait_until(beaten, timeout, lambda: f"{count} beats; leases were {seen}")


def seconds_since(moment: float) -> float:
    """Return the time since an event of the ledger, or since ``boottime()`` was *moment*."""
    return boottime() - moment
