"""Say when the entries of the schedule are due.

Three of them: ``crontab()``, ``run_every()``, ``once_per_day()``. All think in the local time of a
zone, smeared over the changes of its clocks (see ``smear_dst``): no local time is skipped, none
comes twice, and a day has as many ticks as any other.

A schedule alone is in the settings' zone; bound to an entry of the schedule it is in that entry's
zone and, where its phase is free, has a phase of the entry's own. Both never change: what they
answer depends on the moment that is asked for, and on nothing else.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timedelta
from functools import wraps
from hashlib import sha256
from typing import ParamSpec, Self
from zoneinfo import ZoneInfo

from redis_tasks import cron, cron_words
from redis_tasks.conf import settings
from redis_tasks.smear_dst import LOCAL_EPOCH, smeared_zone

__all__ = ["Crontab", "Interval", "Schedule", "Unusable", "crontab", "once_per_day", "run_every"]

P = ParamSpec("P")

DAY = timedelta(days=1)
LONGEST = timedelta(days=36_525)  # a hundred years
MILLISECOND = timedelta(milliseconds=1)
UNITS = (("hours", timedelta(hours=1)), ("minutes", timedelta(minutes=1)))
_TIME_OF_DAY = re.compile(
    r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]{1,6})?))?", re.ASCII
)


@dataclass(frozen=True)
class Schedule(ABC):
    """When something is due; *entry_id* and *zone* are None until it is bound to an entry."""

    _: KW_ONLY
    entry_id: str | None = None
    zone: str | None = None

    def get_next(self, after: datetime) -> datetime:
        """Return the first tick later than *after*, which is aware; in UTC.

        Raises ``ValueError`` for a naive moment, ``OverflowError`` at the end of the calendar.
        """
        zone = smeared_zone(self._zone)
        return zone.to_utc(self._next_local(zone.from_utc(after)))

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many ticks there are later than *after*, up to *until*; both are aware.

        Raises as ``get_next()`` does. It takes no longer for more ticks a day.
        """
        zone = smeared_zone(self._zone)
        return self._count_local(zone.from_utc(after), zone.from_utc(until))

    def bind(self, entry_id: str, zone: str | ZoneInfo | None = None) -> Self:
        """Return the same schedule for an entry, in the zone of that name.

        Raises ``ValueError`` for the name of no zone. Without one it stays in the settings' zone.
        """
        if not isinstance(entry_id, str):
            raise TypeError(f"an entry's id must be text, not a {type(entry_id).__name__}")
        name = zone.key if isinstance(zone, ZoneInfo) else zone
        if not isinstance(name, str | None):
            raise TypeError(
                f"a time zone must be the IANA name of one, not a {type(name).__name__}"
            )
        if name is not None:
            smeared_zone(name)
        return replace(self, entry_id=entry_id, zone=name)

    @abstractmethod
    def describe(self) -> str:
        """Say in words when it is due."""

    @property
    def _zone(self) -> str:
        name: str = settings.TIMEZONE if self.zone is None else self.zone
        return name

    @property
    def _binding(self) -> str:
        if self.entry_id is None:
            return ""
        return f".bind({self.entry_id!r}" + (f", {self.zone!r})" if self.zone else ")")

    @abstractmethod
    def _next_local(self, local: datetime) -> datetime:
        """Return the first tick later than a time, both of them local."""

    @abstractmethod
    def _count_local(self, after: datetime, until: datetime) -> int:
        """Return the number of ticks later than one local time, up to another one."""


@dataclass(frozen=True, repr=False)
class Crontab(Schedule):
    """Due in the minutes that a crontab names."""

    line: cron.CronLine

    def describe(self) -> str:
        return f"{cron_words.describe(self.line)}, {self._zone}"

    def __repr__(self) -> str:
        return f"crontab({self.line.text!r}){self._binding}"

    def _next_local(self, local: datetime) -> datetime:
        return self.line.next_after(local)

    def _count_local(self, after: datetime, until: datetime) -> int:
        return self.line.count(after, until)


@dataclass(frozen=True, repr=False)
class Interval(Schedule):
    """Due on a grid: local 1970-01-01, plus *start_at* or a phase, plus any number of intervals.

    The phase is drawn from the entry's id: the same in every process, after every start; another
    one for each entry, so that entries of one interval do not come all at once. Without an id it
    is none.
    """

    interval: timedelta
    start_at: timedelta | None

    def describe(self) -> str:
        amounts = _amounts(self.interval)
        if list(amounts.values()) == [1]:
            said = "every " + "".join(amounts).removesuffix("s")
        else:
            said = "every " + cron_words.joined(
                f"{amount} {unit if amount != 1 else unit.removesuffix('s')}"
                for unit, amount in amounts.items()
            )
        if self.start_at is None:
            return said
        return f"{said} from {_clock(self.start_at)}, {self._zone}"

    def __repr__(self) -> str:
        given = [f"{unit}={amount}" for unit, amount in _amounts(self.interval).items()]
        if self.start_at is not None:
            given.append(f"start_at={_clock(self.start_at)!r}")
        return f"run_every({', '.join(given)}){self._binding}"

    def _next_local(self, local: datetime) -> datetime:
        first = LOCAL_EPOCH + self._phase()
        return first + ((local - first) // self.interval + 1) * self.interval

    def _count_local(self, after: datetime, until: datetime) -> int:
        first = LOCAL_EPOCH + self._phase()
        return (until - first) // self.interval - (after - first) // self.interval

    def _phase(self) -> timedelta:
        if self.start_at is not None:
            return self.start_at
        if self.entry_id is None:
            return timedelta()
        digest = sha256(self.entry_id.encode("utf-8", "surrogatepass")).digest()
        # Whole milliseconds, which is how exactly Redis holds moments.
        places = self.interval // MILLISECOND
        return (int.from_bytes(digest, "big") * places >> 8 * len(digest)) * MILLISECOND


@dataclass(frozen=True)
class Unusable(Schedule):
    """What stands in the settings for a schedule whose arguments are wrong; *why* says how."""

    why: str

    def describe(self) -> str:
        raise ValueError(self.why)

    def _next_local(self, local: datetime) -> datetime:  # noqa: ARG002  # it has none
        raise ValueError(self.why)

    def _count_local(self, after: datetime, until: datetime) -> int:  # noqa: ARG002  # nor here
        raise ValueError(self.why)


def _told_by_validation(make: Callable[P, Schedule]) -> Callable[P, Schedule]:
    """Let a settings module load with wrong schedules: all errors of it are listed at once."""

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> Schedule:
        try:
            return make(*args, **kwargs)
        except (TypeError, ValueError) as error:
            if not settings.is_loading:
                raise
            return Unusable(str(error))

    return made


@_told_by_validation
def crontab(expression: str) -> Schedule:
    """Return a schedule from the five fields of a crontab, or ``@hourly`` to ``@yearly``.

    Raises ``TypeError`` or ``ValueError`` if nobody can tell when that is. While the settings are
    being loaded neither is raised: the error is told when they are validated.
    """
    try:
        return Crontab(cron.parse(expression))
    except (TypeError, ValueError) as error:
        raise type(error)(f"crontab({expression!r:.200}): {error}") from None


@_told_by_validation
def run_every(
    hours: float = 0, minutes: float = 0, seconds: float = 0, start_at: str | float | None = None
) -> Schedule:
    """Return a schedule with the same time between all ticks.

    *start_at* is a local time, ``"HH:MM"`` or seconds after midnight, at which there is a tick if
    the interval divides a day: every 6 hours from 05:00 is 5, 11, 17, 23. An interval that does
    not divide a day has ticks at other times each day, and drifts from none of them.

    Raises ``TypeError`` or ``ValueError`` as ``crontab()`` does.
    """
    interval = timedelta()
    for unit, amount in (("hours", hours), ("minutes", minutes), ("seconds", seconds)):
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            raise TypeError(f"run_every(): {unit} must be a number, not {amount!r:.100}")
        if not 0 <= amount < math.inf:
            raise ValueError(f"run_every(): {unit} must be 0 or more, not {amount!r:.100}")
        interval += timedelta(**{unit: min(amount, 1e6 if unit == "hours" else 1e10)})
    if not timedelta() < interval <= LONGEST:
        raise ValueError("run_every() takes an interval of a microsecond to a hundred years")
    return Interval(interval, None if start_at is None else _start_at(start_at))


@_told_by_validation
def once_per_day(at: str) -> Schedule:
    """Return a schedule with a tick each day at this local time, ``"HH:MM"``.

    Raises ``TypeError`` or ``ValueError`` as ``crontab()`` does.
    """
    if not isinstance(at, str):
        raise TypeError(f'once_per_day() takes text, "HH:MM", not a {type(at).__name__}')
    found = _TIME_OF_DAY.fullmatch(at)
    if found is None or found[3] is not None:
        raise ValueError(f'once_per_day() takes a time of day, "HH:MM", not {at!r:.100}')
    return Crontab(cron.parse(f"{int(found[2])} {int(found[1])} * * *"))


def _start_at(given: str | float) -> timedelta:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise TypeError(
            'run_every(): start_at must be a time of day, "HH:MM", or seconds after midnight,'
            f" not a {type(given).__name__}"
        )
    if isinstance(given, str):
        if found := _TIME_OF_DAY.fullmatch(given):
            hours, minutes, seconds = found.groups(default="0")
            return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
    elif 0 <= given < DAY.total_seconds() and timedelta(seconds=given) < DAY:
        return timedelta(seconds=given)
    raise ValueError(
        'run_every(): start_at must be a time of day, "HH:MM", or seconds after midnight,'
        f" not {given!r:.100}"
    )


def _amounts(interval: timedelta) -> dict[str, int | float]:
    amounts: dict[str, int | float] = {}
    rest = interval
    for unit, length in UNITS:
        count, rest = divmod(rest, length)
        if count:
            amounts[unit] = count
    if rest:
        seconds = rest.total_seconds()
        amounts["seconds"] = int(seconds) if seconds.is_integer() else seconds
    return amounts


def _clock(since_midnight: timedelta) -> str:
    """Return a time of day as ``start_at`` takes it."""
    time = (LOCAL_EPOCH + since_midnight).time()
    return time.isoformat("minutes" if time.second == time.microsecond == 0 else "auto")
