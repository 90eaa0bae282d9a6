"""Celery with its prefork pool and late acknowledgement."""

import os
import sys

import work
from celery import Celery

GUARANTEE = "run again after the visibility time-out (1 h)"
SETTINGS = "acks_late, reject_on_worker_lost, ignore_result, prefetch 4, WARNING"
NOOP_SLOTS = 2

app = Celery("with_celery", broker=os.environ["CONTEST_REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_connection_retry_on_startup=True,
)
TASKS = {
    kind: app.task(getattr(work, kind), name=f"contest.{kind}")
    for kind in ("noop", "nap", "stamp")
}


def worker(slots: int) -> list[str]:
    options = ["--loglevel", "WARNING", "--concurrency", str(slots)]
    return [sys.executable, "-m", "celery", "-A", "with_celery", "worker", *options]


def enqueue(kind: str, *args: float) -> None:
    TASKS[kind].delay(*args)
