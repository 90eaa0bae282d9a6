"""Schedules: which moments are ticks, in whichever zone, after whichever restart."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from redis_tasks.conf import settings
from redis_tasks.schedules import Schedule, crontab, once_per_day, run_every
from redis_tasks.smear_dst import smeared_zone
from tests.support.crons import DrawnCron, crons, minutes_after

MICROSECOND, MINUTE, HOUR = timedelta(microseconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY = 24 * HOUR
NOW = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))
ZONES = st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"}))


@pytest.fixture(autouse=True)
def _in_berlin() -> Iterator[None]:
    with settings.override(TIMEZONE="Europe/Berlin"):
        yield


def ticks(schedule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    found = []
    while (after := schedule.get_next(after)) <= until:
        found.append(after)
    return found


@hypothesis_settings(deadline=None, max_examples=150)
@given(crons(), ZONES, MOMENTS)
def test_a_crontab_is_due_when_a_scan_of_the_local_minutes_says_so(
    drawn: DrawnCron, zone: str, after: datetime
) -> None:
    smeared = smeared_zone(zone)

    tick = crontab(drawn.text).bind("entry", zone).get_next(after)

    local = smeared.from_utc(after)
    found = next((each for each in minutes_after(local, days=12) if drawn.names(each)), None)
    if found is None:
        assert tick > after + 8 * DAY
    else:
        assert smeared.from_utc(tick - MICROSECOND) < found <= smeared.from_utc(tick)
        assert found - smeared.from_utc(tick) <= 2 * MICROSECOND


@hypothesis_settings(deadline=None, max_examples=150)
@given(
    st.timedeltas(timedelta(seconds=1), timedelta(days=500)),
    st.none() | st.integers(0, 86_399),
    ZONES,
    MOMENTS,
)
@example(timedelta(hours=24), None, "Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=UTC))
def test_an_interval_is_due_on_one_grid_from_1970_on(
    interval: timedelta, start_at: int | None, zone: str, after: datetime
) -> None:
    schedule = run_every(seconds=interval / timedelta(seconds=1), start_at=start_at)
    local = smeared_zone(zone).from_utc

    bound = schedule.bind("", zone)
    first, second = bound.get_next(after), bound.get_next(bound.get_next(after))

    assert after < first < second
    assert local(first - MICROSECOND) - local(after) < interval
    assert abs(local(second) - local(first) - interval) <= 2 * MICROSECOND
    if start_at is not None:
        since = local(first) - datetime(1970, 1, 1) - timedelta(seconds=start_at)
        assert min(since % interval, -since % interval) <= 2 * MICROSECOND


SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "crontab": lambda: crontab("*/7 * * * *"),
    "daily": lambda: once_per_day("02:30"),
    "interval": lambda: run_every(minutes=20),
    "odd interval": lambda: run_every(hours=5, seconds=0.7),
}


@hypothesis_settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(SCHEDULES)), ZONES, MOMENTS, st.floats(0, 1))
def test_a_tick_is_the_next_one_of_every_moment_since_the_last(
    name: str, zone: str, after: datetime, part: float
) -> None:
    schedule = SCHEDULES[name]().bind("entry", zone)

    first = schedule.get_next(after)
    second = schedule.get_next(first)

    assert first.tzinfo is UTC
    assert after < first < second
    assert schedule.get_next(first - MICROSECOND) == first
    assert schedule.get_next(after + part * (first - MICROSECOND - after)) == first
    assert schedule.get_next(first + part * (second - MICROSECOND - first)) == second


@hypothesis_settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(sorted(SCHEDULES)) | crons(), ZONES, MOMENTS, st.timedeltas(0 * DAY, 3 * DAY)
)
@example("daily", "Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=UTC), 3 * DAY)
@example("crontab", "Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC), DAY / 12)
def test_ticks_are_counted_without_looking_at_each(
    drawn: str | DrawnCron, zone: str, after: datetime, passed: timedelta
) -> None:
    found = SCHEDULES[drawn]() if isinstance(drawn, str) else crontab(drawn.text)
    schedule = found.bind("entry", zone)

    assert schedule.count(after, after + passed) == len(ticks(schedule, after, after + passed))
    first = schedule.get_next(after)
    assert schedule.count(after, first) == 1
    assert schedule.count(first, first) == schedule.count(after, first - MICROSECOND) == 0


@hypothesis_settings(deadline=None, max_examples=60)
@given(ZONES, MOMENTS, st.times())
def test_a_daily_time_comes_once_each_day_in_every_zone(
    zone: str, after: datetime, at: Any
) -> None:
    schedule = once_per_day(f"{at.hour}:{at.minute:02}").bind("entry", zone)

    found = ticks(schedule, after, after + 40 * DAY)

    dates = [smeared_zone(zone).from_utc(tick).date() for tick in found]
    assert dates == [dates[0] + number * DAY for number in range(len(dates))]
    assert 38 <= len(found) <= 42  # the date line may take a day, or give one


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-11-23"])
def test_a_day_of_any_length_has_its_ticks(day: str) -> None:
    zone = smeared_zone("Europe/Berlin")
    midnight = datetime.fromisoformat(day)
    begin, end = zone.to_utc(midnight), zone.to_utc(midnight + DAY)

    def count(schedule: Schedule) -> int:
        return len(ticks(schedule, begin - MICROSECOND, end - MICROSECOND))

    assert count(crontab("*/5 * * * *")) == 288
    assert count(crontab("30 2 * * *")) == 1
    assert count(run_every(minutes=20)) == 72
    assert count(run_every(hours=6, start_at="05:00")) == 4
    assert count(run_every(minutes=20).bind("entry", "Europe/Berlin")) == 72


def test_a_missing_day_has_its_ticks_within_the_window() -> None:
    noon = once_per_day("12:00").bind("entry", "Pacific/Apia")

    found = ticks(
        noon, datetime(2011, 12, 28, 12, tzinfo=UTC), datetime(2012, 1, 2, 12, tzinfo=UTC)
    )

    assert [f"{tick:%d %H:%M}" for tick in found] == [
        "28 22:00",  # the 28th, by the clock
        "29 18:00",  # the 29th, in the window: from 10:00 it runs half as fast again
        "30 10:00",  # the 30th, which was none
        "31 02:00",
        "31 22:00",  # 1 January, by the clock
        "01 22:00",
    ]


def test_every_six_hours_from_five() -> None:
    found = ticks(run_every(hours=6, start_at="05:00"), NOW, NOW + DAY)

    assert [f"{tick.astimezone(ZoneInfo('Europe/Berlin')):%H:%M}" for tick in found] == [
        "23:00",
        "05:00",
        "11:00",
        "17:00",
    ]


def test_an_interval_of_a_day_and_a_half_does_not_drift() -> None:
    schedule = run_every(hours=36, start_at="05:00").bind("entry", "Asia/Tokyo")

    found = ticks(schedule, NOW, NOW + 365 * DAY)

    since = [tick + 9 * HOUR - datetime(1970, 1, 1, 5, tzinfo=UTC) for tick in found]
    assert all(each % (36 * HOUR) == timedelta() for each in since)
    assert len(found) == 243


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Santiago", "Asia/Kolkata"])
@pytest.mark.parametrize("begin", ["2026-03-28 03:11", "2026-10-24 17:02", "2026-11-23 21:00"])
def test_a_daily_interval_ticks_three_times_in_three_days_of_restarts(
    zone: str, begin: str
) -> None:
    start = datetime.fromisoformat(f"{begin}+00:00")
    now = last = start
    found = []

    while now <= start + 72 * HOUR:
        schedule = run_every(hours=24).bind("nightly", zone)  # made anew by each start
        while (tick := schedule.get_next(last)) <= now:
            found.append(tick)
            last = tick
        now += 7 * MINUTE

    assert len(found) == 3
    assert all(23 * HOUR <= later - tick <= 25 * HOUR for tick, later in pairwise(found))


def test_a_phase_is_the_same_for_ever_in_every_process() -> None:
    hourly = run_every(hours=1)
    phases = {
        name: hourly.bind(name, "UTC").get_next(NOW) - NOW
        for name in ("nightly", "hourly", "report é", "")
    }

    # Changing any of these moves the ticks of everyone's schedules.
    assert {name: str(phase) for name, phase in phases.items()} == {
        "nightly": "0:09:53.887000",
        "hourly": "0:10:07.012000",
        "report é": "0:01:34.010000",
        "": "0:53:21.897000",
    }


def test_phases_spread_over_the_interval() -> None:
    phases = Counter(
        (run_every(hours=1).bind(f"entry-{number}", "UTC").get_next(NOW) - NOW) // (6 * MINUTE)
        for number in range(2000)
    )

    assert len(phases) == 10
    assert all(150 < count < 250 for count in phases.values())


def test_a_start_is_kept_whatever_the_entry() -> None:
    schedule = run_every(minutes=20, start_at="00:07:30")

    assert {schedule.bind(name, "UTC").get_next(NOW) for name in ("one", "another", "third")} == {
        NOW + 7 * MINUTE + timedelta(seconds=30)
    }


def test_without_an_entry_the_grid_begins_at_midnight() -> None:
    assert run_every(minutes=20).get_next(NOW) == NOW + 20 * MINUTE


def test_a_schedule_is_in_the_settings_zone_until_it_is_bound_to_another() -> None:
    daily = once_per_day("04:02")

    assert daily.get_next(NOW) == datetime(2026, 11, 24, 3, 2, tzinfo=UTC)
    with settings.override(TIMEZONE="America/Lima"):
        assert daily.get_next(NOW) == datetime(2026, 11, 24, 9, 2, tzinfo=UTC)
        assert daily.bind("entry").get_next(NOW) == datetime(2026, 11, 24, 9, 2, tzinfo=UTC)
    for zone in ("Asia/Tokyo", ZoneInfo("Asia/Tokyo")):
        bound = daily.bind("entry", zone)
        assert bound.get_next(NOW) == datetime(2026, 11, 24, 19, 2, tzinfo=UTC)


def test_a_schedule_needs_no_settings_before_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode(self: object) -> None:
        raise AssertionError("the settings were used")

    monkeypatch.setattr(type(settings), "_load", explode)
    monkeypatch.delitem(settings.__dict__, "TIMEZONE")

    assert crontab("* * * * *") != once_per_day("04:00")
    assert repr(run_every(hours=1).bind("entry")) == "run_every(hours=1).bind('entry')"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (crontab("2 4 * * *"), once_per_day("4:02")),
        (crontab("@daily"), crontab("0 0 * * *")),
        (run_every(minutes=90), run_every(hours=1, minutes=30)),
        (run_every(hours=6, start_at="05:00"), run_every(hours=6, start_at=18_000)),
        (run_every(hours=1).bind("a", "UTC"), run_every(hours=1).bind("a", ZoneInfo("UTC"))),
    ],
    ids=repr,
)
def test_equal_schedules_are_equal(one: Schedule, other: Schedule) -> None:
    assert one == other
    assert hash(one) == hash(other)


def test_other_schedules_are_not() -> None:
    different = [
        *(crontab("2 4 * * *"), crontab("2 5 * * *"), run_every(hours=24)),
        *(run_every(hours=24, start_at="00:00"), run_every(hours=24).bind("one")),
        *(run_every(hours=24).bind("two"), run_every(hours=24).bind("one", "UTC")),
    ]

    assert len(set(different)) == len(different)


@pytest.mark.parametrize(
    ("schedule", "written", "said"),
    [
        (
            crontab("2 4 * * MON,fri"),
            "crontab('2 4 * * mon,fri')",
            "at 04:02 on Monday and Friday, Europe/Berlin",
        ),
        (
            once_per_day("4:02").bind("nightly", "Asia/Tokyo"),
            "crontab('2 4 * * *').bind('nightly', 'Asia/Tokyo')",
            "at 04:02 every day, Asia/Tokyo",
        ),
        (run_every(minutes=20), "run_every(minutes=20)", "every 20 minutes"),
        (run_every(hours=1), "run_every(hours=1)", "every hour"),
        (run_every(minutes=0.5), "run_every(seconds=30)", "every 30 seconds"),
        (run_every(seconds=0.25), "run_every(seconds=0.25)", "every 0.25 seconds"),
        (
            run_every(minutes=90).bind("half"),
            "run_every(hours=1, minutes=30).bind('half')",
            "every 1 hour and 30 minutes",
        ),
        (
            run_every(hours=6, start_at="5:00"),
            "run_every(hours=6, start_at='05:00')",
            "every 6 hours from 05:00, Europe/Berlin",
        ),
        (
            run_every(hours=6, start_at=18_000.5).bind("a", "UTC"),
            "run_every(hours=6, start_at='05:00:00.500000').bind('a', 'UTC')",
            "every 6 hours from 05:00:00.500000, UTC",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_schedule_can_be_read(schedule: Schedule, written: str, said: str) -> None:
    names = {"crontab": crontab, "run_every": run_every}

    assert repr(schedule) == written
    assert eval(written, names) == schedule
    assert schedule.describe() == said
