"""Tell which ticks are due.

Who asks says what time it is. A tick that is later than its entry allows is given up; so are all
of a singleton's late ticks but the last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush

from redis_tasks.entries import MICROSECOND, Entry
from redis_tasks.schedules import Schedule

LATE = timedelta(seconds=5)  # what a take-over may cost: so late a tick is not yet missed


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick of an entry or, if *missed* is above 0, so many of them that are given up.

    These are the first one and those after it, up to *moment*. *keep*: see ``Entry``.
    """

    entry: Entry
    moment: datetime
    first: datetime
    keep: float
    missed: int = 0


class Agenda:
    """The next tick of each entry; finding what is due takes no longer with more entries."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._next: dict[str, datetime] = {}
        # Those that are not an entry's next tick any more are passed over.
        self._heap: list[tuple[datetime, str]] = []

    @property
    def next_at(self) -> datetime | None:
        """When the next tick is due."""
        heap = self._heap
        while heap and self._next[heap[0][1]] != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def clear(self) -> None:
        for each in (self._entries, self._next, self._heap):
            each.clear()

    def enter(self, entry: Entry, done: datetime) -> None:
        """Take an entry in whose ticks are *done* up to that moment."""
        self._entries[entry.id] = entry
        following = next_tick(entry.schedule, done)
        if following is not None:
            self._put(entry.id, following)

    def due(self, now: datetime, most: int) -> list[Tick]:
        """Take out the ticks that are due *now*, the earliest first; *most* entries a call."""
        found: list[Tick] = []
        for _ in range(most):
            first = self.next_at
            if first is None or first > now:
                break
            _, entry_id = heappop(self._heap)
            found += self._take(self._entries[entry_id], first, now)
        return found

    def put_back(self, ticks: Iterable[Tick]) -> None:
        """Have these ticks due again."""
        for tick in ticks:
            if tick.first <= self._next.get(tick.entry.id, tick.first):
                self._put(tick.entry.id, tick.first)

    def _take(self, entry: Entry, first: datetime, now: datetime) -> list[Tick]:
        made = _first_made(entry, first, now)
        found = []
        if made is None or made > first:
            end = now if made is None else min(now, made - MICROSECOND)
            missed = entry.schedule.count(first - MICROSECOND, end)
            keep = entry.keep(longest_interval(entry.schedule, end))
            found.append(Tick(entry, end, first, keep, missed))
        following = made
        if made is not None and made <= now:
            keep = entry.keep(longest_interval(entry.schedule, made))
            found.append(Tick(entry, made, made, keep))
            following = next_tick(entry.schedule, made)
        if following is not None:
            self._put(entry.id, following)
        return found

    def _put(self, entry_id: str, moment: datetime) -> None:
        self._next[entry_id] = moment
        heappush(self._heap, (moment, entry_id))


def next_tick(schedule: Schedule, after: datetime) -> datetime | None:
    """Return the first tick later than *after*; None at the end of the calendar."""
    try:
        return schedule.get_next(after)
    except OverflowError:
        return None


def longest_interval(schedule: Schedule, now: datetime) -> timedelta:
    """Return the time until the next tick, or from that to the one after it if that is longer."""
    following = next_tick(schedule, now)
    second = None if following is None else next_tick(schedule, following)
    if following is None or second is None:
        return timedelta() if following is None else following - now
    return max(following - now, second - following)


def _first_made(entry: Entry, first: datetime, now: datetime) -> datetime | None:
    """Return the first tick, from *first* on, that is not given up; it may be yet to come."""
    oldest = now - max(LATE, timedelta(seconds=entry.max_catchup))
    if entry.singleton:
        last = _last(entry.schedule, first, now)
        return last if last >= oldest else next_tick(entry.schedule, last)
    return first if first >= oldest else next_tick(entry.schedule, oldest - MICROSECOND)


def _last(schedule: Schedule, first: datetime, now: datetime) -> datetime:
    """Return the last tick that is due by *now*; *first* is."""
    last, back = first, timedelta(seconds=1)
    while now - back > first:
        near = next_tick(schedule, now - back)
        if near is not None and near <= now:
            last = near
            break
        back *= 2
    while (following := next_tick(schedule, last)) is not None and following <= now:
        last = following
    return last
