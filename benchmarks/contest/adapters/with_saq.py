"""SAQ, asynchronous tasks."""

import asyncio
import os
import sys
from typing import Any

import work
from saq import Queue

GUARANTEE = "at least once, with retries"
SETTINGS = "ttl of results -1 (none kept), two processes for more than one"
NOOP_SLOTS = 8

queue = Queue.from_url(os.environ["CONTEST_REDIS_URL"])


async def noop(_: Any) -> None:
    work.noop()


async def nap(_: Any) -> None:
    await asyncio.sleep(work.NAP)
    work.noop()


async def stamp(_: Any, *, sent: float) -> None:
    work.stamp(sent)


settings = {
    "queue": queue,
    "functions": [noop, nap, stamp],
    "concurrency": int(os.environ.get("CONTEST_SLOTS", "1")),
}


def worker(slots: int) -> list[str]:
    processes = 2 if slots > 1 else 1
    within = ["/usr/bin/env", f"CONTEST_SLOTS={slots // processes}"]
    command = [sys.executable, "-m", "saq", "with_saq.settings", "--quiet"]
    return [*within, *command, "--workers", str(processes)]


async def enqueue(kind: str, *args: float) -> None:
    await queue.enqueue(kind, ttl=-1, **dict(zip(["sent"], args, strict=False)))
