"""Dramatiq: threads in two processes."""

import os
import sys

import dramatiq
import work
from dramatiq.brokers.redis import RedisBroker

GUARANTEE = "at least once"
SETTINGS = "threads; two processes for no-ops, one otherwise"
NOOP_SLOTS = 8

broker = RedisBroker(url=os.environ["CONTEST_REDIS_URL"])
dramatiq.set_broker(broker)
TASKS = {kind: dramatiq.actor(getattr(work, kind)) for kind in ("noop", "nap", "stamp")}


def worker(slots: int) -> list[str]:
    processes = 2 if slots > 1 else 1
    options = ["--processes", str(processes), "--threads", str(slots // processes)]
    return [sys.executable, "-m", "dramatiq", "with_dramatiq", *options]


def enqueue(kind: str, *args: float) -> None:
    TASKS[kind].send(*args)
