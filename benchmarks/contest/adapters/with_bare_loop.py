"""The floor: BLMOVE and LREM in a loop. Nobody looks after what it loses."""

import os
import sys
from collections.abc import Callable

import redis
import work

GUARANTEE = "none: the floor that a list and a loop set"
SETTINGS = "one process a slot"
NOOP_SLOTS = 2

client = redis.Redis.from_url(os.environ["CONTEST_REDIS_URL"])


def worker(slots: int) -> list[str]:
    return [sys.executable, "-m", "with_bare_loop", str(slots)]


def enqueue(kind: str, *args: float) -> None:
    client.lpush("floor", " ".join([kind, *map(str, args)]))


def loop(run: Callable[[str, list[float]], None]) -> None:
    own = f"floor:{os.getpid()}"
    while True:
        item = client.blmove("floor", own, 1, "RIGHT", "LEFT")
        if item is None:
            continue
        kind, *args = item.decode().split()
        run(kind, [float(arg) for arg in args])
        client.lrem(own, 1, item)


def start(slots: int, run: Callable[[str, list[float]], None]) -> None:
    for _ in range(slots - 1):
        if os.fork() == 0:
            break
    client.close()
    loop(run)


if __name__ == "__main__":
    start(int(sys.argv[1]), lambda kind, args: getattr(work, kind)(*args))
