"""A module of tasks that takes RT_SLOW_IMPORT seconds to import."""

import os
import time

from redis_tasks import redis_task
from tests.support.actions import trace
from tests.support.ledger import record

if "RT_SLOW_IMPORT" in os.environ:
    record("importing")
    time.sleep(float(os.environ["RT_SLOW_IMPORT"]))


@redis_task(reentrant=True)
def slowly_imported() -> None:
    trace("start")
    trace("end")


@redis_task()
def slowly_imported_once() -> None:
    trace("start")
    trace("end")
