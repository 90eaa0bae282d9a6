"""Tell the local time of a zone, smeared over the hours around each change of its clocks.

Where a clock is put forward some local times do not exist, where it is put back some come twice.
Here the local time runs at one and a half times its pace, or at half of it, through a window
around the change: it meets the zone's clock at both ends of the window, and in between every
local time comes exactly once. The window begins as long before the change as the clock moves,
and ends as long after it. For an hour at 01:00 UTC:

    UTC       00:00   00:30   01:00   01:30   02:00
    forward   01:00   01:45   02:30   03:15   04:00   the clock goes from 02:00 to 03:00
    back      02:00   02:15   02:30   02:45   03:00   the clock goes from 03:00 to 02:00

Outside the windows it is the zone's own local time. What holds for all of them:

- ``from_utc`` never goes back, and advances by at least half of what passes.
- ``to_utc(local)`` is the first moment at which the local time is *local* or later; so
  ``to_utc(from_utc(moment))`` is *moment*, in a window to within a microsecond.
- A jump over the date line is a change like any other: its missing day passes in the window.

Windows that overlap are one window, from the first one's beginning to the last one's end. (There
are none: since 1970 no zone changed its clocks twice within six days.)
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOCAL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # local times have no zone: it is known
MICROSECOND, ONE_SECOND = timedelta(microseconds=1), timedelta(seconds=1)
SECOND = 1_000_000  # microseconds; inside this module every time is a number of them
DAY = 86_400  # seconds

# A zone does not tell when its clocks change, so they are looked at this often. No zone was ever
# changed and changed back within three days.
STEP = DAY
# Changes are looked for in a chart of so many days at a time, and also around it: a local time is
# up to a day away from its moment, a window up to two days away from its change.
CHART = 64 * DAY
AROUND = 8 * DAY
# The calendar, less what local times need at its ends.
FIRST = (datetime(1, 1, 3, tzinfo=UTC) - EPOCH) // ONE_SECOND
LAST = (datetime(9999, 12, 29, tzinfo=UTC) - EPOCH) // ONE_SECOND


class SmearedZone:
    """Local times, naive, for moments, aware, and back."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def from_utc(self, moment: datetime) -> datetime:
        """Return the smeared local time at *moment*, rounded down to a microsecond.

        Raises ``ValueError`` for a naive moment, ``OverflowError`` at the calendar's ends.
        """
        if moment.utcoffset() is None:
            raise ValueError(f"{moment!r} has no time zone, so nobody can know when it is")
        utc = (moment - EPOCH) // MICROSECOND
        chart = _chart(self._zone, utc // (CHART * SECOND))
        stretch = chart.stretches[bisect_right(chart.begins_utc, utc) - 1]
        passed = (utc - stretch.utc) * stretch.local_length // stretch.utc_length
        return LOCAL_EPOCH + (stretch.local + passed) * MICROSECOND

    def to_utc(self, local: datetime) -> datetime:
        """Return the first moment at which the smeared local time is *local* or later.

        Raises ``ValueError`` for an aware time, ``OverflowError`` at the calendar's ends.
        """
        if local.tzinfo is not None:
            raise ValueError(f"{local!r} has a time zone, but a local time is a naive one")
        here = (local - LOCAL_EPOCH) // MICROSECOND
        chart = _chart(self._zone, here // (CHART * SECOND))
        stretch = chart.stretches[bisect_right(chart.begins_local, here) - 1]
        passed = (stretch.local - here) * stretch.utc_length // stretch.local_length
        return EPOCH + (stretch.utc - passed) * MICROSECOND  # less what is rounded down: up


@cache
def smeared_zone(name: str) -> SmearedZone:
    """Return the zone of an IANA name; raises ``ValueError`` for any other name."""
    try:
        return SmearedZone(ZoneInfo(name))
    except (ValueError, LookupError, OSError, ImportError):
        raise ValueError(
            f"{name!r:.100} is not the IANA name of a time zone, such as 'Europe/Berlin'"
        ) from None


class _Change(NamedTuple):
    """A change of the clocks: all in seconds, the moment and the local times' lead over UTC."""

    moment: int
    before: int
    after: int


class _Window(NamedTuple):
    """The seconds through which a change is smeared."""

    begin: int
    end: int
    before: int
    after: int


class _Stretch(NamedTuple):
    """Time in which the local time keeps one pace, from where it begins."""

    utc: int
    local: int
    utc_length: int = 1
    local_length: int = 1


class _Chart(NamedTuple):
    stretches: list[_Stretch]
    begins_utc: list[int]
    begins_local: list[int]


@lru_cache(maxsize=4096)
def _chart(zone: tzinfo, number: int) -> _Chart:
    first = max(number * CHART - AROUND, FIRST)
    last = min((number + 1) * CHART + AROUND, LAST)
    lead = _lead(zone, min(first, LAST))
    stretches = [_stretch(first - AROUND, lead)]
    for window in _windows(_changes(zone, first, last)):
        begin, end = _stretch(window.begin, window.before), _stretch(window.end, window.after)
        lengths = end.utc - begin.utc, end.local - begin.local
        stretches += [_Stretch(begin.utc, begin.local, *lengths), end]
    return _Chart(stretches, [each.utc for each in stretches], [each.local for each in stretches])


def _stretch(begin: int, lead: int) -> _Stretch:
    return _Stretch(begin * SECOND, (begin + lead) * SECOND)


def _windows(changes: Iterator[_Change]) -> list[_Window]:
    windows: list[_Window] = []
    for moment, before, after in changes:
        width = abs(after - before)
        window = _Window(moment - width, moment + width, before, after)
        while windows and window.begin < windows[-1].end:
            window = _joined(windows.pop(), window)
        windows.append(window)
    return windows


def _joined(first: _Window, second: _Window) -> _Window:
    begin, end = min(first.begin, second.begin), max(first.end, second.end)
    # Two clocks put back at nearly the same time need longer than either, or time stands still.
    missing = max(0, 2 * abs(second.after - first.before) - (end - begin))
    return _Window(begin - missing // 2, end + (missing + 1) // 2, first.before, second.after)


def _changes(zone: tzinfo, first: int, last: int) -> Iterator[_Change]:
    for begin, end in pairwise([*range(first, last, STEP), last]):
        lead = _lead(zone, begin)
        while lead != _lead(zone, end):
            moment = _end_of_lead(zone, lead, begin, end)
            changed = _lead(zone, moment)
            yield _Change(moment, lead, changed)
            begin, lead = moment, changed  # noqa: PLW2901  # there may be another one


def _end_of_lead(zone: tzinfo, lead: int, begin: int, end: int) -> int:
    """Return a second with another lead whose predecessor has this one, as *begin* has."""
    while end - begin > 1:
        middle = (begin + end) // 2
        if _lead(zone, middle) == lead:
            begin = middle
        else:
            end = middle
    return end


def _lead(zone: tzinfo, second: int) -> int:
    """Return by how many seconds the zone's clocks are ahead of UTC."""
    lead = datetime.fromtimestamp(second, zone).utcoffset()
    return 0 if lead is None else lead // ONE_SECOND
