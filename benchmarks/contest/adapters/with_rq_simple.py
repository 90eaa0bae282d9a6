"""RQ with SimpleWorker: tasks run in the worker's own process."""

from with_rq import NOOP_SLOTS, bulk, enqueue
from with_rq import worker as rq_worker

__all__ = ["NOOP_SLOTS", "bulk", "enqueue"]

GUARANTEE = "as RQ, without isolation"
SETTINGS = "SimpleWorker, result_ttl=0, --quiet"


def worker(slots: int) -> list[str]:
    return rq_worker(slots, "rq.SimpleWorker")
