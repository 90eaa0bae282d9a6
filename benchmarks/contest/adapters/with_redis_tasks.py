"""redis_tasks: warm workhorses under one supervisor."""

import os
import sys

import work
from pair import pair

from redis_tasks import Queue, redis_task

GUARANTEE = "never lost; an interrupted or crashed task is first in line again, or failed"
SETTINGS = "defaults; for no-ops two worker processes of 24"
NOOP_SLOTS = 48

noop = redis_task()(work.noop)
nap = redis_task()(work.nap)
stamp = redis_task()(work.stamp)
TASKS = {"noop": noop, "nap": nap, "stamp": stamp}

queue = Queue()


def worker(slots: int) -> list[str]:
    processes = 2 if slots == NOOP_SLOTS else 1
    command = [sys.executable, "-m", "redis_tasks", "worker", "-q"]
    command += ["--concurrency", str(slots // processes)]
    return command if processes == 1 else pair(command)


def enqueue(kind: str, *args: float) -> None:
    queue.enqueue_call(TASKS[kind], list(args))


def bulk(kind: str, count: int) -> None:
    queue.enqueue_many([{"func": TASKS[kind]} for _ in range(count)])


REDIS_URL = os.environ["CONTEST_REDIS_URL"]  # this module is the settings module, too
