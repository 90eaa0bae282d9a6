"""The agenda: which ticks are due, which are given up, by comparison with all ticks there are."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from redis_tasks import crontab, entries, run_every
from redis_tasks.agenda import LATE, Agenda, Tick
from redis_tasks.conf import settings
from redis_tasks.entries import Entry
from redis_tasks.schedules import Schedule

BEGIN = datetime(2026, 3, 28, 21, 0, tzinfo=UTC)  # a few hours before clocks change
SCHEDULES: dict[str, Schedule] = {
    "minutely": crontab("* * * * *"),
    "some": crontab("*/7 1-3,22 * * *"),
    "burst": crontab("* 2 * * *"),
    "odd": run_every(minutes=13, seconds=0.7),
    "daily": run_every(hours=24),
}


@pytest.fixture(autouse=True)
def _in_berlin() -> Iterator[None]:
    with settings.override(TIMEZONE="Europe/Berlin"):
        yield


def make(schedule: Schedule, name: str = "x", **more: Any) -> Entry:
    given = {"task": "m.f", "schedule": schedule, **more}
    with settings.override(SCHEDULE={name: given}):
        [entry] = entries.read()[0]
    return entry


def all_ticks(entry: Entry, after: datetime, until: datetime) -> list[datetime]:
    found = []
    while (after := entry.schedule.get_next(after)) <= until:
        found.append(after)
    return found


def due(agenda: Agenda, now: datetime, most: int = 7) -> list[Tick]:
    found: list[Tick] = []
    while ticks := agenda.due(now, most):
        found += ticks
    return found


@hypothesis_settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(sorted(SCHEDULES)),
    st.booleans(),
    st.sampled_from([0, 1, 600, 3600, 100_000]),
    st.lists(st.integers(1, 12 * 3600), min_size=1, max_size=6),
)
@example("burst", True, 100_000, [8 * 3600])
@example("minutely", True, 600, [12 * 3600] * 6)
def test_what_is_made_and_what_is_given_up_is_all_there_is(
    name: str, singleton: bool, catchup: int, gaps: list[int]
) -> None:
    entry = make(SCHEDULES[name], singleton=singleton, max_catchup=catchup)
    agenda = Agenda()
    agenda.enter(entry, BEGIN)
    now = BEGIN

    for gap in gaps:
        last, now = now, now + timedelta(seconds=gap)
        found = due(agenda, now)

        ticks = all_ticks(entry, last, now)
        oldest = now - max(LATE, timedelta(seconds=catchup))
        expected = [tick for tick in ticks if tick >= oldest]
        expected = expected[-1:] if singleton else expected
        assert [each.moment for each in found if not each.missed] == expected
        missed = [each for each in found if each.missed]
        assert sum(each.missed for each in missed) == len(ticks) - len(expected)
        assert all(last < each.first <= each.moment <= now for each in missed)
        assert all(each.moment < tick for each in missed for tick in expected)
        assert agenda.next_at == entry.schedule.get_next(now)


def test_very_many_ticks_are_counted_at_once() -> None:
    entry = make(run_every(seconds=1), max_catchup=60)
    agenda = Agenda()
    agenda.enter(entry, BEGIN)

    [missed, tick] = agenda.due(BEGIN + timedelta(days=100), 1)

    assert missed.missed == (100 * 24 + 1) * 3600 - 1  # clocks are put forward on the way
    assert missed.moment < tick.moment <= BEGIN + timedelta(days=100)


def test_ticks_come_in_their_order_whosever_they_are() -> None:
    agenda = Agenda()
    now = BEGIN + timedelta(minutes=50)
    expected = []
    for number in range(5):
        entry = make(run_every(minutes=number + 1), f"entry {number}", singleton=False)
        agenda.enter(entry, BEGIN)
        expected += all_ticks(entry, BEGIN, now)

    assert [tick.moment for tick in due(agenda, now)] == sorted(expected)


def test_what_is_put_back_is_due_again() -> None:
    agenda = Agenda()
    for number in range(3):
        entry = make(run_every(minutes=1), f"entry {number}", singleton=number == 0)
        agenda.enter(entry, BEGIN)
    now = BEGIN + timedelta(hours=3)
    first = due(agenda, now)

    agenda.put_back(first)
    second = due(agenda, now)
    agenda.put_back(second[100:])
    third = due(agenda, now)

    assert sorted(map(key, second)) == sorted(map(key, first))
    assert sorted(map(key, third)) == sorted(map(key, second[100:]))
    assert due(agenda, now) == []


def key(tick: Tick) -> tuple[datetime, str, int]:
    return tick.moment, tick.entry.id, tick.missed


def test_at_the_end_of_the_calendar_nothing_is_due_any_more() -> None:
    agenda = Agenda()
    agenda.enter(make(run_every(hours=24 * 700)), datetime(9999, 6, 1, tzinfo=UTC))

    assert agenda.next_at is None
    assert agenda.due(datetime(9999, 12, 1, tzinfo=UTC), 10) == []
