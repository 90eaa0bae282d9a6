"""Preload functions: stop the process at a named moment, so that a test can act in it.

RT_STOP_AT is "after_claim" or "after_claim:3" (the third time): the process that gets there writes
`reached` to the ledger and freezes. The test sees it, kills something, and thaws it by SIGCONT.
"""

import gc
import os
import signal
from collections import Counter
from pathlib import Path

from redis_tasks import sync_points
from tests.support.ledger import record


def stop_at_sync_point() -> None:
    """Install the observer; WORKER_PRELOAD_FUNCTION names this function."""
    name, _, nth = os.environ["RT_STOP_AT"].partition(":")
    seen: Counter[str] = Counter()

    def observe(reached: str) -> None:
        seen[reached] += 1
        if reached == name and seen[reached] == int(nth or 1):
            record("reached", extra=reached)
            os.kill(os.getpid(), signal.SIGSTOP)

    sync_points.observer = observe


def trace_sync_points() -> None:
    """Record every sync point that any process of the worker reaches, and stop at none."""
    sync_points.observer = lambda name: record("reached", extra=name)


_held: list[object] = []


def hold_much() -> None:
    """Hold 10 MB of small objects; have the supervisor collect garbage, tell what that copies."""
    _held.extend([number, [number]] for number in range(60_000))

    def observe(reached: str) -> None:
        if reached == "before_ack":
            before = _own_kilobytes()
            gc.collect()
            record("collected", extra=_own_kilobytes() - before)

    sync_points.observer = observe


def _own_kilobytes() -> int:
    told = Path("/proc/self/smaps_rollup").read_text()
    return int(told.partition("Private_Dirty:")[2].split()[0])
