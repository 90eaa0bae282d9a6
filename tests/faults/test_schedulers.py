"""Schedulers are stopped, killed, frozen: each tick is enqueued once, and soon."""

import random
import signal
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from redis_tasks import Queue, keys
from redis_tasks.conf import connection
from tests.conftest import Command
from tests.faults.conftest import Within, clock
from tests.support.scheduler_process import (
    Schedule,
    count_enqueued,
    leader,
    redis_now,
    short_intervals,
    start_scheduler,
    tick_ids,
    wait_adopted,
    wait_done,
)
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.usefixtures("settings_for_test")

TICKS = 2000
MINUTE = timedelta(minutes=1)


def term() -> int:
    return int(connection.hget(keys.lead(), "term") or 0)


def check(schedule: Schedule, begin: datetime) -> None:
    """Every tick since *begin* has its task, and nothing was enqueued twice."""
    end = redis_now()
    wait_done(schedule, end)
    made = set(Queue().get_task_ids())
    assert tick_ids(schedule, begin, end) - made == set()
    assert made - tick_ids(schedule, begin - MINUTE, redis_now()) == set()
    assert wait_until(lambda: count_enqueued() == Queue().count(), 5)


class Trio:
    """Three schedulers of which something happens to one after another."""

    def __init__(self, start: Callable[[], WorkerProcess], seed: int) -> None:
        self._start = start
        self._draw = random.Random(seed)
        self._all = [start() for _ in range(3)]
        self._wakes_at: dict[WorkerProcess, float] = {}
        self.took: list[float] = []

    def hurt_one(self) -> None:
        """Do something to one of them, to the leader every other time."""
        self._wake(lambda at: at <= clock())
        alive = [process for process in self._all if process not in self._wakes_at]
        if len(alive) < 2:
            return
        is_leader = self._draw.random() < 0.5
        victim = leader(self._all) if is_leader else self._draw.choice(alive)
        if victim not in alive:
            return
        what = self._draw.choice(["kill", "stop", "terminate"])
        before, at = term(), redis_now()
        getattr(victim, what)()
        if what == "stop":
            self._wakes_at[victim] = clock() + self._draw.uniform(1, 7)
        else:
            victim.wait_exit()
            self._all[self._all.index(victim)] = self._start()
        if is_leader:
            wait_until(lambda: term() > before or self._woke(victim), 20)
            if term() > before:
                since = int(connection.hget(keys.lead(), "since") or 0) / 1000
                self.took.append(since - at.timestamp())

    def end(self) -> None:
        self._wake(lambda _: True)

    def _woke(self, victim: WorkerProcess) -> bool:
        self._wake(lambda at: at <= clock())
        return victim not in self._wakes_at

    def _wake(self, is_due: Callable[[float], bool]) -> None:
        for process in [p for p, at in self._wakes_at.items() if is_due(at)]:
            process.cont()
            del self._wakes_at[process]


@pytest.mark.timeout(240)
def test_each_of_two_thousand_ticks_is_enqueued_once_by_schedulers_that_are_killed_and_frozen(
    command: Command, within: Within, record_property: Callable[[str, object], None]
) -> None:
    schedule = short_intervals(50, 0.6)
    seed = random.randrange(10**6)
    record_property("seed", seed)
    trio = Trio(lambda: start_scheduler(command, schedule), seed)
    begin = wait_adopted(schedule)

    while count_enqueued() < TICKS:
        trio.hurt_one()
    trio.end()

    check(schedule, begin)
    assert trio.took, seed
    within("longest take-over", max(trio.took), 5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_standby_takes_over_in_time(
    number: signal.Signals, command: Command, within: Within
) -> None:
    schedule = short_intervals(5, 0.5)
    both = [start_scheduler(command, schedule) for _ in range(2)]
    begin = wait_adopted(schedule)
    first = leader(both)
    [second] = [process for process in both if process is not first]
    second.wait_line(f"stands by: .*{first.pid} leads")

    before, at = term(), redis_now()
    first.signal(number)

    wait_until(lambda: term() > before, 20)
    since = int(connection.hget(keys.lead(), "since") or 0) / 1000
    within("take-over", since - at.timestamp(), 5)
    if number == signal.SIGSTOP:
        first.cont()
        first.wait_line("has lost the lead")
        first.wait_line(f"stands by: .*{second.pid} leads")
        assert first.exit_code is None
    check(schedule, begin)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_scheduler_that_is_stopped_hands_over_at_once(
    number: signal.Signals, command: Command, within: Within
) -> None:
    schedule = short_intervals(5, 0.5)
    both = [start_scheduler(command, schedule) for _ in range(2)]
    begin = wait_adopted(schedule)
    first = leader(both)
    [second] = [process for process in both if process is not first]
    second.wait_line("stands by")

    before, at, began = term(), redis_now(), clock()
    first.signal(number)

    assert first.wait_exit() == 0
    within("signal to exit", clock() - began, 2)
    wait_until(lambda: term() > before, 20)
    since = int(connection.hget(keys.lead(), "since") or 0) / 1000
    within("hand-over", since - at.timestamp(), 1)
    assert first.lines()[-1].endswith("redis_tasks.scheduler: redis_tasks scheduler shut down")
    check(schedule, begin)
