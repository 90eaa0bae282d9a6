"""redis_tasks with a fresh fork for every task."""

import os
import sys

import work

from redis_tasks import Queue, redis_task

GUARANTEE = "never lost; an interrupted or crashed task is first in line again, or failed"
SETTINGS = "WORKHORSE_MAX_TASKS=1; for no-ops a worker of 24"
NOOP_SLOTS = 24

noop = redis_task()(work.noop)
nap = redis_task()(work.nap)
stamp = redis_task()(work.stamp)
TASKS = {"noop": noop, "nap": nap, "stamp": stamp}

queue = Queue()


def worker(slots: int) -> list[str]:
    return [sys.executable, "-m", "redis_tasks", "worker", "-q", "--concurrency", str(slots)]


def enqueue(kind: str, *args: float) -> None:
    queue.enqueue_call(TASKS[kind], list(args))


def bulk(kind: str, count: int) -> None:
    queue.enqueue_many([{"func": TASKS[kind]} for _ in range(count)])


REDIS_URL = os.environ["CONTEST_REDIS_URL"]  # this module is the settings module, too
WORKHORSE_MAX_TASKS = 1
