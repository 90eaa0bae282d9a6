"""streaq, asynchronous tasks on a stream."""

import asyncio
import os
import sys
from typing import Any

import work
from streaq import Worker

GUARANTEE = "at least once, after 60 s idle"
SETTINGS = "ttl=0 (no results), two processes for more than one"
NOOP_SLOTS = 8

app: Worker[Any] = Worker(
    redis_url=os.environ["CONTEST_REDIS_URL"],
    concurrency=int(os.environ.get("CONTEST_SLOTS", "1")),
)


@app.task(ttl=0)
async def noop() -> None:
    work.noop()


@app.task(ttl=0)
async def nap() -> None:
    await asyncio.sleep(work.NAP)
    work.noop()


@app.task(ttl=0)
async def stamp(sent: float) -> None:
    work.stamp(sent)


TASKS = {"noop": noop, "nap": nap, "stamp": stamp}


def worker(slots: int) -> list[str]:
    processes = 2 if slots > 1 else 1
    within = ["/usr/bin/env", f"CONTEST_SLOTS={slots // processes}"]
    command = [sys.executable, "-m", "streaq", "run", "with_streaq:app"]
    return [*within, *command, "--workers", str(processes)]


async def begin() -> None:
    await app.__aenter__()


async def enqueue(kind: str, *args: float) -> None:
    await TASKS[kind].enqueue(*args)


async def bulk(kind: str, count: int) -> None:
    await app.enqueue_many([TASKS[kind].enqueue() for _ in range(count)])
