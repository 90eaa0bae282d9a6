"""Find the minutes that the five fields of a crontab name.

Fields are minute, hour, day of the month, month, day of the week: numbers, names, lists, ranges,
steps. As in every cron a day is due if either of its two fields names it, where both do (``0 0 13
* fri`` is each 13th, also each Friday). A range may pass the end of its field (``fri-mon``).

The fields are read, and due days are searched, by croniter. It takes its time: what is alike in
many lines (an hour, the days) is done once.
"""

import re
from bisect import bisect_left, bisect_right
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, cast

from croniter import croniter

Value = int | Literal["*", "l"]

EVERY: tuple[Value, ...] = ("*",)
ALIASES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12 or jan to dec"),
    ("day of the week", "0 to 7 or sun to sat"),
)

# By the field's place: the first and the last number, and what the numbers are called.
_ENDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_CALLED = {
    3: {name: number for number, name in enumerate(MONTHS, start=1)},
    4: {name: number for number, name in enumerate(WEEKDAYS)},
}
_OF_WEEK = 4
_RANGE = re.compile(r"(\w+)-(\w+)(?:/0*([1-9]\d*))?", re.ASCII)
_BY_CHANCE = re.compile(r"[hr](?!\w)")
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
# From here every line that is ever due is so within croniter's fifty years.
_START = datetime(2000, 1, 1)  # noqa: DTZ001  # local times have no zone


@dataclass(frozen=True)
class Days:
    """The last three fields: what each one names, ``"*"`` alone for everything; Sunday is 0."""

    of_month: tuple[Value, ...]
    months: tuple[Value, ...]
    of_week: tuple[Value, ...]
    special: tuple[str, ...]  # named as no number can: mon#1, 15w
    text: str = field(compare=False)

    def first_from(self, midnight: datetime) -> datetime:
        """Return the midnight that a day begins with which is due: this one or a later one."""
        return _first_day(self.text, midnight)


@dataclass(frozen=True)
class CronLine:
    """A crontab's five fields; equal to another one that names the same times of the same days."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    text: str = field(compare=False)

    def next_after(self, local: datetime) -> datetime:
        """Return the first minute named that is later than *local*, a naive time."""
        midnight = _midnight(local)
        is_in_hour = local.hour in self.hours and local.minute < self.minutes[-1]
        if is_in_hour or local.hour < self.hours[-1]:
            day = self.days.first_from(midnight)
            if day == midnight and is_in_hour:
                minute = self.minutes[bisect_right(self.minutes, local.minute)]
                return day.replace(hour=local.hour, minute=minute)
            if day == midnight:
                hour = self.hours[bisect_right(self.hours, local.hour)]
                return day.replace(hour=hour, minute=self.minutes[0])
        else:
            day = self.days.first_from(midnight + _DAY)
        return day.replace(hour=self.hours[0], minute=self.minutes[0])

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many minutes named there are later than one time, up to another one."""
        begin, end = (_midnight(each) for each in (after, until))
        day, found = self.days.first_from(begin), 0
        while day <= end:
            found += self._passed(until) if day == end else len(self.hours) * len(self.minutes)
            found -= self._passed(after) if day == begin else 0
            day = self.days.first_from(day + _DAY)
        return found

    def _passed(self, local: datetime) -> int:
        """Return how many minutes named a day that is due has up to this time of it."""
        count = bisect_left(self.hours, local.hour) * len(self.minutes)
        return count + (local.hour in self.hours) * bisect_right(self.minutes, local.minute)


def parse(expression: str) -> CronLine:
    """Return what the text says.

    Raises ``TypeError`` for what is no text, ``ValueError`` for text that cannot be understood,
    for a line that is never due, and for croniter's fields by chance (``R``, ``H``): those are
    others in each process, or after each start.
    """
    if not isinstance(expression, str):
        raise TypeError(f"it must be text, not {expression!r:.100}")
    fields = expression.lower().split()
    text = " ".join(fields)
    if text in ALIASES:
        fields = croniter(text, _START).expressions
    elif text.startswith("@"):
        raise ValueError(f"{text:.100} is none of {', '.join(ALIASES)}")
    _check(fields)
    fields = [_respelt(place, each) for place, each in enumerate(fields)]
    minutes, hours = _numbers(0, fields[0], range(60)), _numbers(1, fields[1], range(24))
    days = _days(" ".join(fields[2:]))
    return CronLine(minutes, hours, days, text if text in ALIASES else " ".join(fields))


def _check(fields: list[str]) -> None:
    if len(fields) != len(FIELDS):
        names = ", ".join(name for name, _ in FIELDS)
        raise ValueError(f"it has {len(fields)} fields, where cron has five: {names}")
    for text, (name, _) in zip(fields, FIELDS, strict=True):
        if any(_BY_CHANCE.match(item) for item in text.split(",")):
            raise ValueError(
                f"the {name} {text.upper()!r:.100} would be drawn by chance (R) or by a hash (H),"
                " which no schedule of ours is: give numbers, or use run_every()"
            )


def _respelt(place: int, text: str) -> str:
    """Spell by numbers what croniter misreads otherwise.

    It takes ``5-5`` for the whole field, is one off in steps beyond a field's end (``22-5/2``),
    and lets a range end at a number that there is not (``5-0`` of the days of a month).
    """
    items = []
    for item in text.split(","):
        found = _RANGE.fullmatch(item)
        if found is None:
            items.append(item)
            continue
        first, last = _number(place, found[1]), _number(place, found[2])
        if first is None or last is None:
            raise _wrong(place, text)
        items += _spelt(place, first, last, int((found[3] or "1")[:3])) or [item]
    return ",".join(items)


def _number(place: int, text: str) -> int | None:
    """Return what one end of a range stands for; None if that is nothing in this field."""
    number = _CALLED.get(place, {}).get(text.lstrip("0") or text)
    if number is None and text.isdecimal():
        number = int(text[-9:])
    least, most = _ENDS[place]
    if place == _OF_WEEK:
        most += 1  # Sunday has two numbers
    return number if number is not None and least <= number <= most else None


def _spelt(place: int, first: int, last: int, step: int) -> list[str]:
    """Return the numbers of a range; none where croniter reads it well."""
    least, most = _ENDS[place]
    if place == _OF_WEEK and (first, last) != (0, 7):  # which is the whole week, in every cron
        first, last = first % 7, last % 7
    if first == last:
        return [str(first)]
    if first < last or step == 1:
        return []
    passed = [*range(first, most + 1), *range(least, last + 1)]
    return [str(number) for number in passed[::step]]


def _wrong(place: int, text: str) -> ValueError:
    name, values = FIELDS[place]
    return ValueError(f"the {name} {text!r:.100} cannot be understood: it takes {values}")


@lru_cache(maxsize=1024)
def _numbers(place: int, text: str, every: range) -> tuple[int, ...]:
    values = _alone(place, text).expanded[place]
    return tuple(every) if "*" in values else tuple(map(int, values))


@lru_cache(maxsize=1024)
def _days(text: str) -> Days:
    for place, each in enumerate(text.split(" "), start=2):
        _alone(place, each)
    search = _search(text)
    expanded = cast("list[list[Value]]", search.expanded[2:])
    of_month, months, of_week = (EVERY if "*" in each else tuple(each) for each in expanded)
    special = [f"{day}#{n}" for day, nth in search.nth_weekday_of_month.items() for n in nth]
    special += [f"{day}w" for day in search.nearest_weekday]
    days = Days(of_month, months, of_week, tuple(sorted(special)), text)
    try:
        days.first_from(_START)
    except ValueError:
        raise ValueError("it is never due: none of its months has such a day") from None
    return days


@lru_cache(maxsize=1024)
def _search(days: str) -> "croniter[datetime]":
    return croniter(f"0 0 {days}", _START, ret_type=datetime)


def _alone(place: int, text: str) -> "croniter[float]":
    """Return a line that only has this field; raises ``ValueError`` if that is wrong."""
    fields = ["*"] * len(FIELDS)
    fields[place] = text
    try:
        return croniter(" ".join(fields), _START)
    except (ValueError, TypeError, LookupError):
        raise _wrong(place, text) from None


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


@lru_cache(maxsize=4096)
def _first_day(days: str, midnight: datetime) -> datetime:
    # A search remembers where it is: threads must not share one.
    return copy(_search(days)).get_next(datetime, start_time=midnight - _MINUTE)
