"""Read what has become of the schedule: for lists of it, in a terminal or on a web page.

Only commands that read are used, each by itself: no scripts, no transactions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis_tasks import clock, entries, keys
from redis_tasks.clock import EPOCH
from redis_tasks.conf import connection
from redis_tasks.entries import MICROSECOND, Entry
from redis_tasks.record import decode_names
from redis_tasks.schedules import Schedule
from redis_tasks.store.scripts import Fields
from redis_tasks.task import Task

BATCH = 500  # entries whose state is read at one go


@dataclass(frozen=True, slots=True)
class Leader:
    """The scheduler that leads; *since* when, and *until* when its lease is valid."""

    id: str
    description: str
    since: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry of the schedule; all moments in UTC.

    *words* say when it is due, without the *zone*. *next_ticks* are as many as were asked for,
    none where it is not *enabled*. *task_id* is its last task's; *task* that one, None where it
    is not kept any more. *skipped* ticks are those for which the last task was still under way,
    *missed* ones were not made up for.
    """

    id: str
    words: str
    zone: str
    func_name: str
    queue: str
    singleton: bool
    enabled: bool
    next_ticks: tuple[datetime, ...]
    last_tick: datetime | None = None
    task_id: str | None = None
    task: Task | None = None
    skipped: int = 0
    skipped_at: datetime | None = None
    missed: int = 0


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """All entries, by *now*, the present moment of Redis; *leader* None: no scheduler leads.

    *errors* has a sentence for each thing that is wrong with an entry; such a one is left out.
    """

    now: datetime
    leader: Leader | None
    entries: list[EntryView]
    errors: list[str]


def read_schedule(ticks: int = 1) -> ScheduleView:
    """Return the schedule of the settings, with the next *ticks* of each entry.

    Functions of tasks are not imported. Raises redis-py's errors.
    """
    found, errors = entries.read()
    now = _redis_now()
    views: list[EntryView] = []
    for start in range(0, len(found), BATCH):
        batch = found[start : start + BATCH]
        states = _states(batch)
        ids = [task_id for state in states if (task_id := _text(state, "task"))]
        tasks = {task.id: task for task in Task.fetch_many(ids)}
        for entry, state in zip(batch, states, strict=True):
            views.append(_view(entry, state, tasks, now, ticks))
    return ScheduleView(now, _leader(now), views, errors)


def _redis_now() -> datetime:
    seconds, microseconds = connection.time()
    return EPOCH + timedelta(seconds=seconds, microseconds=microseconds)


def _leader(now: datetime) -> Leader | None:
    lead = decode_names(connection.hgetall(keys.lead()))
    until = _from_ms(lead, "until")
    if until is None or until <= now:
        return None
    since = _from_ms(lead, "since")
    return Leader(_text(lead, "id") or "", _text(lead, "desc") or "", since, until)


def _states(batch: Sequence[Entry]) -> list[Fields]:
    pipeline = connection.pipeline(transaction=False)
    for entry in batch:
        pipeline.hgetall(keys.entry(entry.id))
    found = pipeline.execute(raise_on_error=False)
    return [decode_names(state) if isinstance(state, dict) else {} for state in found]


def _view(
    entry: Entry, state: Fields, tasks: Mapping[str, Task], now: datetime, ticks: int
) -> EntryView:
    task_id = _text(state, "task")
    return EntryView(
        id=entry.id,
        words=entry.description,
        zone=entry.zone,
        func_name=entry.func_name,
        queue=entry.queue,
        singleton=entry.singleton,
        enabled=entry.enabled,
        next_ticks=_next_ticks(entry.schedule, now, ticks) if entry.enabled else (),
        last_tick=_from_us(state, "tick"),
        task_id=task_id,
        task=tasks.get(task_id or ""),
        skipped=_number(state, "skip"),
        skipped_at=_from_us(state, "skipped"),
        missed=_number(state, "miss"),
    )


def _next_ticks(schedule: Schedule, now: datetime, count: int) -> tuple[datetime, ...]:
    found: list[datetime] = []
    try:
        while len(found) < count:
            found.append(schedule.get_next(found[-1] if found else now))
    except OverflowError:
        pass  # the end of the calendar
    return tuple(found)


def _text(state: Fields, field: str) -> str | None:
    return state[field].decode(errors="replace") if field in state else None


def _number(state: Fields, field: str) -> int:
    try:
        return int(state.get(field, b"0"))
    except ValueError:
        return 0


def _from_us(state: Fields, field: str) -> datetime | None:
    microseconds = _number(state, field)
    try:
        return EPOCH + microseconds * MICROSECOND if microseconds else None
    except OverflowError:
        return None


def _from_ms(state: Fields, field: str) -> datetime | None:
    try:
        return clock.from_ms(state.get(field))
    except ValueError:
        return None
