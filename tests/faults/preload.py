"""Preload functions that make a worker's process behave badly, or its limits short."""

import json
import os
import threading
import time

from redis_tasks import Queue, sharing, sync_points, workhorse_handle
from tests.support.ledger import record


def hang_before_ack() -> None:
    """Have the supervisor stuck for a minute when it is about to tell Redis of an outcome."""

    def observe(reached: str) -> None:
        if reached == "before_ack":
            record("hangs")
            time.sleep(60)

    sync_points.observer = observe


def linger() -> None:
    """Take a minute, as code of a user's may."""
    record("preloading")
    time.sleep(60)


def leave_thread() -> None:
    """Leave a thread behind that keeps the interpreter from ending."""
    threading.Thread(target=time.sleep, args=(60,)).start()


def look_into_redis() -> None:
    """Use the library, as a preload function may."""
    Queue("preloaded").count()
    Queue("preloaded").empty()


def set_limits() -> None:
    """Shorten limits that no setting has: RT_LIMITS='{"PREPARE_LIMIT": 1}'."""
    for name, seconds in json.loads(os.environ["RT_LIMITS"]).items():
        assert isinstance(getattr(workhorse_handle, name), float), name
        setattr(workhorse_handle, name, seconds)


def lend() -> None:
    """Have all tasks that are claimed together given to one workhorse: RT_PATIENCE=0.005."""

    pause = float(os.environ.get("RT_PAUSE", "0"))

    def observe(reached: str) -> None:
        if reached == "after_ready":
            record("ready")
        elif reached == "after_outcome":
            time.sleep(pause)

    sync_points.observer = observe
    sharing.SHORT = sharing.TOGETHER = 3600.0
    workhorse_handle.PATIENCE = float(os.environ["RT_PATIENCE"])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
