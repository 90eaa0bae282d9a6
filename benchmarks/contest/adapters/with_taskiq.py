"""taskiq with its Redis stream broker."""

import asyncio
import os
import sys

import work
from taskiq_redis import RedisStreamBroker

GUARANTEE = "at least once, after 10 minutes idle"
SETTINGS = "stream broker, no results, two processes for more than one, WARNING"
NOOP_SLOTS = 8

broker = RedisStreamBroker(os.environ["CONTEST_REDIS_URL"])


@broker.task
async def noop() -> None:
    work.noop()


@broker.task
async def nap() -> None:
    await asyncio.sleep(work.NAP)
    work.noop()


@broker.task
async def stamp(sent: float) -> None:
    work.stamp(sent)


TASKS = {"noop": noop, "nap": nap, "stamp": stamp}


def worker(slots: int) -> list[str]:
    processes = 2 if slots > 1 else 1
    options = ["--workers", str(processes), "--max-async-tasks", str(slots // processes)]
    command = [sys.executable, "-m", "taskiq", "worker", "with_taskiq:broker"]
    return [*command, *options, "--log-level", "WARNING"]


async def begin() -> None:
    await broker.startup()


async def enqueue(kind: str, *args: float) -> None:
    await TASKS[kind].kiq(*args)
