"""RQ with its default worker, which forks for every task."""

import os
import sys
from pathlib import Path

import work
from redis import Redis
from rq import Queue

GUARANTEE = "a lost worker's task is failed after a clean-up"
SETTINGS = "result_ttl=0, --quiet; worker-pool for more than one"
NOOP_SLOTS = 2
WORKER_CLASS = "rq.Worker"

URL = os.environ["CONTEST_REDIS_URL"]
queue = Queue(connection=Redis.from_url(URL))


def worker(slots: int, worker_class: str = WORKER_CLASS) -> list[str]:
    rq = str(Path(sys.executable).parent / "rq")
    common = ["default", "--url", URL, "--quiet", "--worker-class", worker_class]
    if slots == 1:
        return [rq, "worker", *common]
    return [rq, "worker-pool", *common, "--num-workers", str(slots)]


def enqueue(kind: str, *args: float) -> None:
    queue.enqueue(getattr(work, kind), *args, result_ttl=0)


def bulk(kind: str, count: int) -> None:
    one = Queue.prepare_data(getattr(work, kind), result_ttl=0)
    queue.enqueue_many([one._replace(job_id=None) for _ in range(count)])
