"""The floor of those that fork for every task: BLMOVE, fork, wait, LREM in a loop."""

import os
import sys

import with_bare_loop
import work
from with_bare_loop import enqueue

__all__ = ["enqueue"]

GUARANTEE = "none: the floor that a list, a loop and a fork set"
SETTINGS = "one process a slot, a fork a task"
NOOP_SLOTS = 2


def worker(slots: int) -> list[str]:
    return [sys.executable, "-m", "with_bare_fork", str(slots)]


def run(kind: str, args: list[float]) -> None:
    pid = os.fork()
    if pid == 0:
        getattr(work, kind)(*args)
        os._exit(0)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    with_bare_loop.start(int(sys.argv[1]), run)
