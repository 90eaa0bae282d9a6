"""Tell time.

Moments are aware UTC datetimes; Redis holds them as milliseconds since 1970 of the server's
clock. Deadlines are measured on a clock that nobody can set.
"""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def from_ms(milliseconds: int | str | bytes | None) -> datetime | None:
    """Return a moment stored in Redis; None for a field that is missing or empty.

    Raises ``ValueError`` for anything that is not a moment between the years 1 and 9999.
    """
    if not milliseconds and milliseconds != 0:
        return None
    try:
        return EPOCH + int(milliseconds) * MILLISECOND
    except (ValueError, OverflowError):
        raise ValueError(f"{milliseconds!r:.60} is not a moment in milliseconds") from None


def to_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970, rounded down.

    Raises ``ValueError`` for a naive moment: nobody can know when it is.
    """
    if moment.utcoffset() is None:
        raise ValueError(f"{moment!r} has no time zone")
    return (moment - EPOCH) // MILLISECOND


def utcnow() -> datetime:
    """Return the present moment by this machine's clock; for display, never for a decision."""
    return datetime.now(UTC)


def _steady_clock() -> int:
    # Also counts the time for which the machine slept; not every system has it.
    clock: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    try:
        time.clock_gettime(clock)
    except OSError:
        return time.CLOCK_MONOTONIC
    return clock


_STEADY = _steady_clock()


def boottime() -> float:
    """Return seconds on a clock that never jumps; only differences mean something."""
    return time.clock_gettime(_STEADY)
