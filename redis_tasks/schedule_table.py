"""Draw the schedule for a terminal: a table or, where that is too wide, some lines an entry."""

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from redis_tasks.logs import escaped
from redis_tasks.overview import duration
from redis_tasks.schedule_view import EntryView, Leader, ScheduleView

HEAD = ("Entry", "When", "Zone", "Last tick", "Next tick", "Last task")
NEVER = "-"
UNITS = (("day", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def draw(view: ScheduleView, width: int | None = None) -> Iterator[str]:
    """Yield the lines; *width* in columns, None for as many as a table takes.

    Below each entry stand its next ticks, where they are several.
    """
    yield _lead(view.leader, view.now)
    if not view.entries:
        yield "SCHEDULE is empty."
        return
    yield ""
    rows = [HEAD, *(_row(entry, view.now) for entry in view.entries)]
    widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)]
    if width is None or sum(widths) + 2 * (len(widths) - 1) <= width:
        yield from _table(view, rows, widths)
    else:
        for entry, row in zip(view.entries, rows[1:], strict=True):
            yield from _block(entry, row, view.now, width)
    yield from _left_out(view.entries)


def _table(
    view: ScheduleView, rows: Sequence[Sequence[str]], widths: Sequence[int]
) -> Iterator[str]:
    for entry, row in zip([None, *view.entries], rows, strict=True):
        cells = zip(row, widths, strict=True)
        yield "  ".join(text + " " * (width - _columns(text)) for text, width in cells).rstrip()
        if entry is not None and len(entry.next_ticks) > 1:
            yield from (f"    {each}" for each in _next_ticks(entry, view.now))


def _block(entry: EntryView, row: Sequence[str], now: datetime, width: int) -> Iterator[str]:
    """Yield the lines of an entry for which a row is too long."""
    name, words, zone, last, following, status = row
    head = textwrap.wrap(f"{name}: {words}, {zone}", max(20, width), subsequent_indent="    ")
    yield from head
    yield f"  Last tick  {last}" + (f", last task: {status}" if status != NEVER else "")
    ticks = _next_ticks(entry, now) or [following]
    for label, tick in zip(["Next tick", *[""] * len(ticks)], ticks, strict=False):
        yield f"  {label:<9}  {tick}"


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def _lead(leader: Leader | None, now: datetime) -> str:
    if leader is None:
        return "No scheduler is running: ticks wait for one."
    since = leader.since or now
    took = duration(max(0.0, (now - since).total_seconds()))
    return (
        f"Scheduler {escaped(leader.description)} leads since {since:%Y-%m-%d %H:%M} UTC ({took})"
    )


def _row(entry: EntryView, now: datetime) -> tuple[str, ...]:
    following = NEVER if entry.enabled else "disabled"
    if entry.next_ticks:
        following = _next_ticks(entry, now)[0]
    last = _local(entry.last_tick, entry.zone) if entry.last_tick else NEVER
    status = (entry.task.status if entry.task else None) or ("gone" if entry.task_id else NEVER)
    return (entry.id, entry.words, entry.zone, last, following, escaped(status))


def _next_ticks(entry: EntryView, now: datetime) -> list[str]:
    return [f"{_local(tick, entry.zone)} ({until(tick, now)})" for tick in entry.next_ticks]


def _left_out(views: Sequence[EntryView]) -> Iterator[str]:
    told = [
        f"{view.id}: {number:,} {'tick' if number == 1 else 'ticks'} {why}"
        for view in views
        for number, why in (
            (view.skipped, "skipped, the last task was not over"),
            (view.missed, "missed"),
        )
        if number
    ]
    if told:
        yield ""
        yield from told


def _local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M:%S}"


def until(moment: datetime, now: datetime) -> str:
    """Return how far away a moment is: "in 3 min", "in 2 days"."""
    seconds = max(0, round((moment - now).total_seconds()))
    for unit, length in UNITS:
        if seconds >= length:
            count = seconds // length
            return f"in {count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return "now"
