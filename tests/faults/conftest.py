"""Fixtures of the fault matrix."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import StartWorker
from tests.faults.moments import Moment, Scene, arrive
from tests.support.ledger import Ledger

Arrive = Callable[..., Scene]
Within = Callable[[str, float, float], None]

SLACK = 1.0  # seconds that a busy machine may add to what is promised


@pytest.fixture(name="arrive")
def arrive_(start_worker: StartWorker, ledger: Ledger) -> Arrive:
    """Bring a worker to a moment: `arrive(USER_CODE, "reentrant", SHUTDOWN_GRACE=1)`."""

    def go(moment: Moment, kind: str, **values: Any) -> Scene:
        return arrive(moment, kind, start_worker, ledger, **values)

    return go


@pytest.fixture
def within(record_property: Callable[[str, object], None]) -> Within:
    """Check a promise in seconds: `within("kill to restart", taken, promise)`.

    What was measured is kept in the report (`--junit-xml`).
    """

    def check(what: str, taken: float, promise: float) -> None:
        record_property(what, round(taken, 3))
        assert taken <= promise + SLACK, f"{what}: {taken:.2f} s, promised are {promise:g} s"

    return check


def clock() -> float:
    """Return the time as the ledger writes it: seconds of CLOCK_BOOTTIME."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
