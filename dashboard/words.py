"""Write numbers, moments, names as people read them."""

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = 60, 3600, 86400
NOTHING = "\u2013"
_ID = re.compile(r"^([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def count(number: float | None) -> str:
    """Return a number with commas between its thousands."""
    return NOTHING if number is None else f"{number:,.0f}"


def short_count(number: float | None) -> str:
    """Return a number in at most five characters: 9,999 or 12.3k or 1.2M."""
    if number is None:
        return NOTHING
    if number < 10_000:
        return f"{number:,.0f}"
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            scaled = number / size
            return f"{scaled:.1f}{unit}" if scaled < 99.95 else f"{scaled:.0f}{unit}"
    return f"{number:,.0f}"


def rate(tasks_a_minute: float | None) -> str:
    """Return a rate with its unit: a minute where that is a fair number, else an hour."""
    if tasks_a_minute is None:
        return NOTHING
    if tasks_a_minute >= 1 or tasks_a_minute == 0:
        digits = 0 if tasks_a_minute >= 10 or tasks_a_minute == int(tasks_a_minute) else 1
        return f"{tasks_a_minute:,.{digits}f}/min"
    return f"{tasks_a_minute * 60:.0f}/h"


def duration(seconds: float | None) -> str:
    """Return a time span in at most its two largest units: 340 ms, 4.2 s, 2 m 10 s, 3 h 05 m."""
    if seconds is None:
        return NOTHING
    if seconds < 0:
        return f"\u2212{duration(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.0005 else "0 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    whole = round(seconds)
    for size, unit, part, part_unit in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "m"),
        (MINUTE, "m", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size:,} {unit}" + (f" {rest:02} {part_unit}" if rest else "")
    return f"{whole} s"


def size(number_of_bytes: float | None) -> str:
    """Return a size in bytes, kB, MB or GB."""
    if number_of_bytes is None:
        return NOTHING
    for unit_size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number_of_bytes >= unit_size:
            scaled = number_of_bytes / unit_size
            return f"{scaled:.0f} {unit}" if scaled >= 10 else f"{scaled:.1f} {unit}"
    return f"{number_of_bytes:.0f} bytes"


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how far away a moment is: "12 s ago", "in 3 m"."""
    if moment is None:
        return NOTHING
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    whole = int(abs(seconds))
    # Seconds matter while it is fresh; nobody reads them of what is long ago.
    coarse = whole - whole % (MINUTE if whole >= 10 * MINUTE else 1)
    said = duration(float(coarse))
    return f"{said} ago" if seconds > 0 else f"in {said}"


def clock_time(moment: datetime | None, now: datetime, zone: tzinfo = UTC) -> str:
    """Return a moment in *zone*, with its date if that is not today's, the year if not this one's.

    Seconds are left out of what is months away.
    """
    if moment is None:
        return NOTHING
    local, today = moment.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    date = f"{local.day} {local:%b}"
    if local.year != today.year:
        return f"{date} {local.year} {local:%H:%M}"
    return f"{date} {local:%H:%M:%S}"


def zone_of(name: str) -> tzinfo:
    """Return the zone in which moments are shown; UTC for the name of none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def plural(number: float, noun: str, many: str = "") -> str:
    """Return "1 task" or "1,200 tasks"."""
    return f"{number:,.0f} {noun if number == 1 else many or noun + 's'}"


def module_of(path: str) -> str:
    """Return the leading part of an import path, with its dot: the less important part."""
    head, dot, _ = path.rpartition(".")
    return head + dot


def name_of(path: str) -> str:
    """Return the last part of an import path."""
    return path.rpartition(".")[2]


def worker_name(text: str) -> str:
    """Return a worker's description; of one that is forgotten the beginning of its id."""
    return _ID.sub("\\1\u2026", text)
