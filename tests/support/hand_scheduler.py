"""Schedulers moved by hand, on a Redis clock that the test sets; what they should enqueue."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from redis_tasks import Queue, entries, keys, run_every
from redis_tasks.clock import boottime, to_ms
from redis_tasks.conf import connection, settings
from redis_tasks.scheduler import Scheduler
from redis_tasks.schedules import Schedule
from tests.support.hand_worker import HandWorker
from tests.support.store_view import CLOCK

BEGIN = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
MOST_STEPS = 10_000
ACT = "tests.support.actions.act"
ANSWERS = 0.2  # seconds


class Bench:
    """Redis' clock, and the schedulers that look at it; within ``hand_driven_clock()``."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self._started = now, boottime()
        self.set(now)

    def set(self, now: datetime) -> None:
        self.now = now
        connection.set(CLOCK, to_ms(now))

    def pass_(self, **duration: float) -> None:
        self.set(self.now + timedelta(**duration))

    def put_clock(self, now: datetime) -> None:
        """Set Redis' clock, while no time passes for anybody else."""
        began, at = self._started
        self._started = now, at + (self.now - began).total_seconds()
        self.set(now)

    def scheduler(
        self, description: str = "one", schedule: Mapping[str, Any] | None = None
    ) -> Scheduler:
        """Make a scheduler of this schedule, or of the settings'."""
        if schedule is None:
            return Scheduler(entries.load(), description)
        with settings.override(SCHEDULE=dict(schedule)):
            return Scheduler(entries.load(), description)

    def settle(self, *schedulers: Scheduler) -> None:
        """Have each do all that is due now."""
        began, at = self._started
        now = at + (self.now - began).total_seconds()
        for scheduler in schedulers:
            moment = now
            for _ in range(MOST_STEPS):
                scheduler.step(moment)
                # What an answer took is not part of the time that the test lets pass.
                if scheduler.next_moment > now + ANSWERS:
                    break
                moment = max(moment, scheduler.next_moment)

    def run(self, scheduler: Scheduler, until: datetime, stride: timedelta) -> None:
        """Let time pass in strides, the scheduler doing what is due after each of them."""
        while self.now < until:
            self.set(min(until, self.now + stride))
            self.settle(scheduler)


def entry(schedule: Schedule, **more: Any) -> dict[str, Any]:
    return {"task": ACT, "schedule": schedule, "timezone": "Europe/Berlin", **more}


def ticks_of(schedule: Schedule, name: str, after: datetime, until: datetime) -> list[datetime]:
    bound = schedule.bind(name, "Europe/Berlin")
    found = []
    while (after := bound.get_next(after)) <= until:
        found.append(after)
    return found


def ids_of(name: str, given: Mapping[str, Any], after: datetime, until: datetime) -> list[str]:
    """Return the ids of the tasks of the ticks that an entry has."""
    with settings.override(SCHEDULE={name: dict(given)}):
        [found] = entries.load()
    return [found.task_id(tick) for tick in ticks_of(given["schedule"], name, after, until)]


def enqueued() -> list[str]:
    """Return the ids of all tasks, in the order in which they were enqueued."""
    count = int(connection.hget(keys.totals(), "seq") or 0)
    ids = Queue().get_task_ids()
    assert len(ids) == count, "some tick was enqueued twice"
    return ids


def state(name: str) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in connection.hgetall(keys.entry(name)).items()}


def skip_while_under_way(bench: Bench) -> None:
    """Let four ticks of a singleton pass: its first task waits, runs, has ended at the last."""
    scheduler = bench.scheduler("one", {"often": entry(run_every(minutes=1))})
    bench.settle(scheduler)
    counts = []
    for number in range(4):
        if number == 2:
            worker = HandWorker()
            claimed = worker.claim()
        if number == 3:
            worker.settle(claimed, "finish")
        bench.pass_(minutes=1)
        bench.settle(scheduler)
        counts.append(int(connection.hget(keys.totals(), "seq") or 0))
    assert counts == [1, 1, 1, 2]
