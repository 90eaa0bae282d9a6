"""Say in words when a crontab is due."""

from collections.abc import Callable, Iterable

from redis_tasks.cron import EVERY, CronLine, Days, Value

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_TIMES = 6  # of a day that are spelt one by one
MOST_NUMBERS = 10  # of a field


def describe(line: CronLine) -> str:
    """Return words such as "at 04:02 on Monday and Friday"."""
    if line.days.special:
        return f"as {line.text!r} says"
    times, days = _times(line.minutes, line.hours), _days(line.days)
    if not days and times.startswith("at ") and len(line.hours) <= MOST_TIMES:
        days = "every day"
    return f"{times} {days}".rstrip()


def joined(words: Iterable[str], last: str = "and") -> str:
    """Join words as a sentence does: "a, b and c"."""
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end


def _times(minutes: tuple[int, ...], hours: tuple[int, ...]) -> str:
    if len(minutes) * len(hours) <= MOST_TIMES:
        return "at " + joined([f"{hour:02}:{minute:02}" for hour in hours for minute in minutes])
    if len(hours) == 24:
        return _of_each_hour(minutes)
    if len(minutes) == 1 and (step := _step(hours, 24)):
        return f"every {step} hours" + (f" at minute {minutes[0]}" if minutes != (0,) else "")
    word = "hour" if len(hours) == 1 else "hours"
    return f"{_of_each_hour(minutes)} in {word} {_runs(hours, str)}"


def _of_each_hour(minutes: tuple[int, ...]) -> str:
    if len(minutes) == 60:
        return "every minute"
    if step := _step(minutes, 60):
        return f"every {step} minutes"
    if minutes == (0,):
        return "every hour"
    word = "minute" if len(minutes) == 1 else "minutes"
    return f"at {word} {_runs(minutes, str)} of every hour"


def _days(days: Days) -> str:
    named = []
    if days.of_month != EVERY and len(days.of_month) < 31:
        named.append(_of_month(days.of_month))
    if days.of_week != EVERY and len(days.of_week) < 7:
        # A week begins on Monday here, on Sunday in cron.
        from_monday = sorted((int(day) - 1) % 7 for day in days.of_week)
        named.append("on " + _runs(from_monday, lambda day: WEEKDAYS[day]))
    if EVERY not in (days.of_month, days.of_week) and len(named) < 2:
        named = ["every day"]  # one of the two names them all
    said = joined(named, "or") if named else ""
    if days.months == EVERY:
        return said
    months = _runs(map(int, days.months), lambda month: MONTHS[month - 1])
    return f"{said or 'every day'} in {months}"


def _of_month(days: tuple[Value, ...]) -> str:
    numbers = [int(day) for day in days if day != "l"]
    parts = []
    if numbers:
        parts.append(f"day{'s' if len(numbers) > 1 else ''} {_runs(numbers, str)}")
    if "l" in days:
        parts.append("the last day")
    return f"on {joined(parts)} of the month"


def _step(values: tuple[int, ...], whole: int) -> int | None:
    """Return n where every n-th number is named from 0 on, evenly to the end of the *whole*."""
    step = values[1] if len(values) > 1 else whole
    is_even = whole % step == 0 and values == tuple(range(0, whole, step))
    return step if is_even and step < whole else None


def _runs(values: Iterable[int], name: Callable[[int], str]) -> str:
    """List the names, three or more in a row as "first to last"."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    said: list[str] = []
    for run in runs:
        names = [name(value) for value in run]
        said += [f"{names[0]} to {names[-1]}"] if len(run) > 2 else names
    if len(said) > MOST_NUMBERS:
        said = [*said[:3], "…", said[-1]]
    return joined(said)
