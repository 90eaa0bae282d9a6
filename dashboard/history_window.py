"""Choose which stretch of time the history shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.addresses import read_choice, read_moment

WINDOWS = {
    "1h": timedelta(hours=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}
CHOICES = (
    ("5m", "5 min"),
    ("15m", "15 min"),
    ("1h", "1 h"),
    ("6h", "6 h"),
    ("24h", "24 h"),
    ("7d", "7 d"),
)
SHORTEST, LONGEST = timedelta(milliseconds=10), timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Window:
    """From *start* to *end*; *name* is its key in ``WINDOWS`` if it goes along with the time."""

    start: datetime
    end: datetime
    name: str = ""


def read(query: Mapping[str, str], now: datetime) -> Window:
    """Return what ``from`` and ``to`` say, or else ``last``: the hour before *now* by default."""
    start, end = read_moment(query.get("from", ""), now), read_moment(query.get("to", ""), now)
    if start is None:
        name = read_choice(query, "last", tuple(WINDOWS))
        return Window(now - WINDOWS[name], now, name)
    return _bounded(start, end or now)


def moves(window: Window) -> list[tuple[str, str, datetime, datetime]]:
    """Return label, words, begin and end of the windows beside, within and around this one."""
    length = window.end - window.start
    half, quarter = length / 2, length / 4
    found = [
        ("←", "Earlier", _bounded(window.start - half, window.end - half)),
        ("→", "Later", _bounded(window.start + half, window.end + half)),
        ("+", "Zoom in", _bounded(window.start + quarter, window.end - quarter)),
        ("\u2212", "Zoom out", _bounded(window.start - half, window.end + half)),
    ]
    return [(label, words, moved.start, moved.end) for label, words, moved in found]


def _bounded(start: datetime, end: datetime) -> Window:
    return Window(start, start + min(max(end - start, SHORTEST), LONGEST))
