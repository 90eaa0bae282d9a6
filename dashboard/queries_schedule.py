"""Read from Redis what becomes of the schedule."""

from datetime import timedelta

from dashboard.queries_reading import ask_one, now
from dashboard.queries_tasks import shown
from dashboard.shapes import ScheduleEntry, SchedulePage, SchedulerLine
from redis_tasks import clock, keys
from redis_tasks.schedule_view import EntryView, Leader, read_schedule

MOST_TICKS = 96  # of an entry in the strip of the next 24 hours
NEXT = 5


def schedule() -> SchedulePage:
    """Return the entries of this process' settings, and who keeps them."""
    view = read_schedule(MOST_TICKS)
    entries = [_entry(entry) for entry in view.entries]
    wrong = [ScheduleEntry(name="", words="", wrong=error) for error in view.errors]
    schedulers = (_scheduler(view.leader),) if view.leader else ()
    return SchedulePage(now(), (*entries, *wrong), schedulers)


def _entry(view: EntryView) -> ScheduleEntry:
    end = now() + timedelta(days=1)
    call = shown(view.task.description if view.task else f"{view.func_name}(...)")
    return ScheduleEntry(
        name=view.id,
        words=view.words if view.enabled else f"{view.words} (switched off)",
        func_name=view.func_name,
        call=call,
        queue=view.queue,
        zone=view.zone,
        is_singleton=view.singleton,
        last_tick=view.last_tick,
        last_task_id=view.task_id or "",
        next_ticks=view.next_ticks[:NEXT],
        strip=tuple(tick for tick in view.next_ticks if tick < end),
        skipped=view.skipped,
        skipped_at=view.skipped_at,
    )


def _scheduler(leader: Leader) -> SchedulerLine:
    return SchedulerLine(leader.id, leader.description, is_leader=True, since=leader.since)


def has_leader() -> bool:
    """Tell whether a scheduler holds the lead."""
    raw = ask_one("HGET", keys.lead(), "until")
    try:
        until = clock.from_ms(raw)
    except ValueError:
        return False
    return until is not None and until > now()
