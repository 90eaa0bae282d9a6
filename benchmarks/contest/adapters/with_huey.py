"""Huey with worker processes."""

import os
import sys
from pathlib import Path

import work
from huey import RedisHuey

GUARANTEE = "at most once, nothing kept"
SETTINGS = "process workers, results=False, --quiet"
NOOP_SLOTS = 2

huey = RedisHuey("contest", url=os.environ["CONTEST_REDIS_URL"], results=False)
TASKS = {kind: huey.task()(getattr(work, kind)) for kind in ("noop", "nap", "stamp")}


def worker(slots: int) -> list[str]:
    consumer = str(Path(sys.executable).parent / "huey_consumer")
    return [consumer, "with_huey.huey", "-k", "process", "-w", str(slots), "--quiet"]


def enqueue(kind: str, *args: float) -> None:
    TASKS[kind](*args)
