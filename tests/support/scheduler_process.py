"""Real schedulers of a schedule of short intervals, and the ticks that it should have."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from redis_tasks import entries, keys, run_every
from redis_tasks.clock import EPOCH
from redis_tasks.conf import connection, settings
from redis_tasks.store.schedule_scripts import from_us
from tests.conftest import Command
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

Schedule = dict[str, dict[str, Any]]
SETTINGS = {"RT_SETTINGS_MODULE": "tests.support.schedule_settings"}
ACT = "tests.support.actions.act"


def short_intervals(count: int, every: float, **more: Any) -> Schedule:
    return {
        f"entry-{number}": {"task": ACT, "every": every, "singleton": False, **more}
        for number in range(count)
    }


def start_scheduler(
    command: Command,
    schedule: Schedule,
    *arguments: str,
    wait: bool = True,
    measured: bool = True,
    environment: Mapping[str, str] | None = None,
    **values: Any,
) -> WorkerProcess:
    """Start one; not *measured*: without what measures coverage, which costs time."""
    variables = {**SETTINGS, **(environment or {})}
    if not measured:
        variables["COVERAGE_PROCESS_CONFIG"] = ""
    how = {"environment": variables}
    process = command("scheduler", *arguments, how=how, SCHEDULE=schedule, **values)
    if wait:
        process.wait_line("redis_tasks scheduler started", 30)
    return process


def leader(processes: Sequence[WorkerProcess]) -> WorkerProcess:
    """Return the one that leads, once one does; *processes* are all that there are."""

    def found() -> WorkerProcess | None:
        description = (connection.hget(keys.lead(), "desc") or b"").decode()
        return next((p for p in processes if description.endswith(f".{p.pid}")), None)

    return wait_until(found, 20)  # type: ignore[return-value]


def redis_now() -> datetime:
    seconds, microseconds = connection.time()
    return EPOCH + timedelta(seconds=seconds, microseconds=microseconds)


def wait_adopted(schedule: Schedule) -> datetime:
    """Return a moment from which on every tick of the schedule is to be made."""
    wait_until(lambda: all(connection.exists(keys.entry(name)) for name in schedule), 20)
    return redis_now()


def wait_done(schedule: Schedule, until: datetime) -> None:
    """Return once every entry has had its ticks up to a moment."""

    def is_done() -> bool:
        lasts = [connection.hget(keys.entry(name), "last") for name in schedule]
        ends = [
            from_us(last) + timedelta(seconds=schedule[name]["every"])
            for name, last in zip(schedule, lasts, strict=True)
        ]
        return min(ends) > until

    wait_until(is_done, 30)


def tick_ids(schedule: Schedule, begin: datetime, end: datetime) -> set[str]:
    """Return the ids of the tasks of all ticks that the schedule has between two moments."""
    given = {
        name: {"task": ACT, "schedule": run_every(seconds=entry["every"])}
        for name, entry in schedule.items()
    }
    with settings.override(SCHEDULE=given):
        found, _ = entries.read()
    ids = set()
    for entry in found:
        tick = entry.schedule.get_next(begin)
        while tick <= end:
            ids.add(entry.task_id(tick))
            tick = entry.schedule.get_next(tick)
    return ids


def count_enqueued() -> int:
    """Return how often anything was enqueued: more than there are tasks, if one was twice."""
    return int(connection.hget(keys.totals(), "seq") or 0)
