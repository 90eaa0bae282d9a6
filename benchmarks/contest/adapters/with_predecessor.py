"""redis-tasks 0.0.11, the library of the same name before this one: a fork for every task."""

import os
import sys
from pathlib import Path

import work

from redis_tasks import Queue
from redis_tasks.conf import settings

GUARANTEE = "requeued or failed after a lost heartbeat"
SETTINGS = "defaults; one process a slot"
NOOP_SLOTS = 2

settings.configure_from_dict({"REDIS_URL": os.environ["CONTEST_REDIS_URL"]})
queue = Queue()


def worker(slots: int) -> list[str]:
    return [sys.executable, "-m", "with_predecessor", str(slots)]


def enqueue(kind: str, *args: float) -> None:
    queue.enqueue_call(getattr(work, kind), args=list(args))


if __name__ == "__main__":
    from redis_tasks.cli import main

    for _ in range(int(sys.argv[1]) - 1):
        if os.fork() == 0:
            break
    sys.argv[1:] = ["worker"]
    os.environ["RT_SETTINGS_MODULE"] = Path(__file__).stem
    main()
