"""The tasks that the benchmarks run."""

import time

from redis_tasks import redis_task


@redis_task()
def noop(number: int) -> None:
    """Do nothing with *number*."""


@redis_task(reentrant=True)
def sleep(seconds: float) -> None:
    """Do nothing for some time; may be interrupted."""
    time.sleep(seconds)
