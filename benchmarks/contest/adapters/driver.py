"""Drive one contestant's client side, within the contestant's own environment.

    python -m driver with_rq worker 8           prints the worker's command line as JSON
    python -m driver with_rq about              prints what the table says of it
    python -m driver with_rq enqueue noop 1000  prints seconds; naps are "nap"
    python -m driver with_rq bulk noop 1000     the same by the library's bulk call, if it has one
    python -m driver with_rq pace 300           one `stamp` at a time, each awaited

An adapter has ``GUARANTEE``, ``SETTINGS``, ``NOOP_SLOTS``, ``worker(slots)``,
``enqueue(kind, *args)`` (plain or ``async def``) and, perhaps, ``bulk(kind, count)`` or
``begin()`` (``async def``, what has to be awaited before the first enqueue).
"""

import asyncio
import importlib
import inspect
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

PAUSES = 0.004, 0.012  # seconds between two tasks of `pace`, drawn evenly
PATIENCE = 10.0  # seconds for one task of `pace`


async def call(function: Any, *args: Any) -> None:
    answer = function(*args)
    if inspect.isawaitable(answer):
        await answer


async def enqueue(adapter: Any, kind: str, count: int) -> float:
    await call(adapter.enqueue, kind)  # connected, scripts loaded
    start = time.perf_counter()
    if inspect.iscoroutinefunction(adapter.enqueue):
        for _ in range(count - 1):
            await adapter.enqueue(kind)
    else:
        for _ in range(count - 1):
            adapter.enqueue(kind)
    return time.perf_counter() - start


async def bulk(adapter: Any, kind: str, count: int) -> float:
    await call(adapter.enqueue, kind)
    start = time.perf_counter()
    await call(adapter.bulk, kind, count - 1)
    return time.perf_counter() - start


def marks() -> int:
    return Path(os.environ["CONTEST_LEDGER"]).stat().st_size


async def pace(adapter: Any, count: int) -> float:
    for _ in range(count):
        size = marks()
        await call(adapter.enqueue, "stamp", time.monotonic())
        deadline = time.monotonic() + PATIENCE
        while marks() == size:
            if time.monotonic() > deadline:
                raise SystemExit("a task did not run in time")
            await asyncio.sleep(0.001)
        await asyncio.sleep(random.uniform(*PAUSES))
    return 0.0


async def main() -> None:
    module, verb, *rest = sys.argv[1:]
    adapter = importlib.import_module(module)
    if hasattr(adapter, "begin"):
        await adapter.begin()
    if verb == "enqueue":
        print(await enqueue(adapter, rest[0], int(rest[1])))
    elif verb == "bulk":
        print(await bulk(adapter, rest[0], int(rest[1])))
    else:
        await pace(adapter, int(rest[0]))


def tell() -> None:
    adapter = importlib.import_module(sys.argv[1])
    if sys.argv[2] == "worker":
        print(json.dumps(adapter.worker(int(sys.argv[3]))))
    else:
        names = ("GUARANTEE", "SETTINGS", "NOOP_SLOTS")
        about = {name.lower(): getattr(adapter, name) for name in names}
        print(json.dumps({**about, "bulk": hasattr(adapter, "bulk")}))


if __name__ == "__main__":
    if sys.argv[2] in ("worker", "about"):
        tell()
    else:
        asyncio.run(main())
        sys.stdout.flush()
        os._exit(0)  # clients with threads or loops of their own do not hold up the end
