"""Smeared local time: equal to the clock's outside windows, each time once within them."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import TZPATH, ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_tasks.smear_dst import CHART, EPOCH, SmearedZone, smeared_zone

ZONES = sorted(available_timezones() - {"Factory", "localtime"})
REGIONS = sorted({name.partition("/")[0] for name in ZONES if "/" in name} | {"others"})
MICROSECOND, SECOND, HOUR = timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=1)
DAY = 24 * HOUR
BEGINNING, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))


def second_names() -> set[str]:
    """Return the names of zones whose data another name has too: half of them."""
    folders = [Path(folder) for folder in TZPATH]
    if find_spec("tzdata"):
        folders.append(Path(str(files("tzdata"))) / "zoneinfo")
    first_names: dict[bytes, str] = {}
    for name in ZONES:
        path = next(folder / name for folder in folders if (folder / name).is_file())
        first_names.setdefault(path.read_bytes(), name)
    return set(ZONES) - set(first_names.values())


SECOND_NAMES = second_names()


class Change(NamedTuple):
    """A moment at which the clocks of a zone jump, with their lead over UTC."""

    moment: datetime
    before: timedelta
    after: timedelta

    @property
    def width(self) -> timedelta:
        return abs(self.after - self.before)


def lead(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def clock(zone: tzinfo, moment: datetime) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


@cache
def changes_of(name: str) -> list[Change]:
    """Find each change by looking at the clock every fourth day, then closer where it differs."""
    return list(find_changes(ZoneInfo(name)))


def find_changes(zone: tzinfo) -> Iterator[Change]:
    first, before = BEGINNING, lead(zone, BEGINNING)
    while first < END:
        later = first + 4 * DAY
        if (changed := lead(zone, later)) != before:
            low, high = first, later
            while high - low > SECOND:
                middle = low + (high - low) // SECOND // 2 * SECOND
                low, high = (middle, high) if lead(zone, middle) == before else (low, middle)
            yield Change(high, before, changed)
        first, before = later, changed


def drawn_around(change: Change, draw: random.Random) -> list[datetime]:
    """Return two dozen moments in the window and near it, in order."""
    begin, whole = change.moment - change.width, 2 * change.width // MICROSECOND
    within = [draw.randrange(whole) for _ in range(12)]
    near = [draw.randrange(-whole // 2, 0) for _ in range(3)]
    beyond = [draw.randrange(whole, whole * 3 // 2) for _ in range(3)]
    edges = [-1, 0, 1, whole // 2 - 1, whole // 2, whole - 1, whole, whole + 1]
    return [begin + each * MICROSECOND for each in sorted(near + edges + within + beyond)]


def expected(change: Change, moment: datetime) -> datetime:
    """Say it as the definition does: the clock before, plus the share of the jump due by now."""
    passed = (moment - (change.moment - change.width)) / (2 * change.width)
    share = min(max(passed, 0), 1)
    return moment.replace(tzinfo=None) + change.before + share * (change.after - change.before)


def check_change(smeared: SmearedZone, change: Change, draw: random.Random) -> None:
    previous = datetime.min
    for moment in drawn_around(change, draw):
        local = smeared.from_utc(moment)
        assert abs(local - expected(change, moment)) <= MICROSECOND, moment
        assert abs(smeared.to_utc(local) - moment) <= 2 * MICROSECOND, moment
        assert local >= previous, moment
        assert smeared.from_utc(moment + SECOND) > local, moment
        previous = local


@pytest.mark.parametrize("region", REGIONS)
def test_every_change_of_every_zone_is_smeared_as_defined(region: str) -> None:
    zones = [name for name in ZONES if name.startswith(f"{region}/")] or [
        name for name in ZONES if "/" not in name
    ]

    for name in zones:
        smeared, zone, draw = smeared_zone(name), ZoneInfo(name), random.Random(name)
        changes = changes_of(name)
        for change in changes:
            for edge in (change.moment - change.width, change.moment + change.width):
                assert smeared.from_utc(edge) == clock(zone, edge)
                assert smeared.to_utc(clock(zone, edge)) == edge
        if name not in SECOND_NAMES:
            for change in changes:
                check_change(smeared, change, draw)


@pytest.mark.parametrize("name", ["Europe/Berlin", "Asia/Gaza", "Africa/Casablanca"])
def test_between_changes_it_is_the_zones_own_time(name: str) -> None:
    zone, smeared, draw = ZoneInfo(name), smeared_zone(name), random.Random(name)

    for first, second in pairwise(changes_of(name)):
        begin, end = first.moment + first.width, second.moment - second.width
        for _ in range(50):
            moment = begin + draw.random() * (end - begin)
            assert smeared.from_utc(moment) == clock(zone, moment)
            assert smeared.to_utc(clock(zone, moment)) == moment


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(ZONES), MOMENTS, st.timedeltas(timedelta(0), 2 * DAY))
def test_local_time_never_goes_back(name: str, moment: datetime, passed: timedelta) -> None:
    smeared = smeared_zone(name)

    before, after = smeared.from_utc(moment), smeared.from_utc(moment + passed)

    assert after - before >= passed / 2 - MICROSECOND
    assert abs(smeared.to_utc(before) - moment) <= 2 * MICROSECOND


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(ZONES), st.data())
def test_a_local_time_comes_at_the_first_moment_that_has_reached_it(
    name: str, data: st.DataObject
) -> None:
    change = data.draw(st.sampled_from(changes_of(name) or [Change(BEGINNING, 0 * DAY, HOUR)]))
    width = change.width * 2 // MICROSECOND
    local = (change.moment + change.before).replace(tzinfo=None)
    local += data.draw(st.integers(-width, width)) * MICROSECOND
    smeared = smeared_zone(name)

    moment = smeared.to_utc(local)

    assert smeared.from_utc(moment - MICROSECOND) < local <= smeared.from_utc(moment)


@pytest.mark.parametrize("number", range(315, 340))
@pytest.mark.parametrize("name", ["Europe/Berlin", "Pacific/Apia", "America/St_Johns"])
def test_nothing_jumps_where_one_chart_ends(name: str, number: int) -> None:
    border = EPOCH + number * CHART * SECOND
    smeared = smeared_zone(name)

    moments = [border + part * HOUR / 4 + MICROSECOND for part in range(-200, 200)]
    locals_ = [smeared.from_utc(moment) for moment in moments]

    for (first, second), moment in zip(pairwise(locals_), moments, strict=False):
        assert HOUR / 8 - MICROSECOND <= second - first <= HOUR * 3 / 8 + MICROSECOND
        assert abs(smeared.to_utc(first) - moment) <= MICROSECOND


# Begin of the window, its middle, its end: in UTC, then by the smeared clock.
BY_HAND = {
    "Europe/Berlin": (
        ("2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:00"),
        ("2026-03-29 01:00", "2026-03-29 02:30", "2026-03-29 04:00"),
    ),
    "America/New_York": (
        ("2026-11-01 05:00", "2026-11-01 06:00", "2026-11-01 07:00"),
        ("2026-11-01 01:00", "2026-11-01 01:30", "2026-11-01 02:00"),
    ),
    "Australia/Lord_Howe": (  # half an hour, each year
        ("2026-10-03 15:00", "2026-10-03 15:30", "2026-10-03 16:00"),
        ("2026-10-04 01:30", "2026-10-04 02:15", "2026-10-04 03:00"),
    ),
    "America/Danmarkshavn": (  # three hours, for good
        ("1996-01-01 00:00", "1996-01-01 03:00", "1996-01-01 06:00"),
        ("1995-12-31 21:00", "1996-01-01 01:30", "1996-01-01 06:00"),
    ),
    "Asia/Colombo": (  # half an hour, back for good
        ("2006-04-14 18:00", "2006-04-14 18:30", "2006-04-14 19:00"),
        ("2006-04-15 00:00", "2006-04-15 00:15", "2006-04-15 00:30"),
    ),
    "Pacific/Rarotonga": (  # half an hour, summer time
        ("1979-10-28 09:30", "1979-10-28 10:00", "1979-10-28 10:30"),
        ("1979-10-27 23:30", "1979-10-28 00:15", "1979-10-28 01:00"),
    ),
    "Pacific/Kanton": (  # over the date line: there was no 31 December
        ("1994-12-30 11:00", "1994-12-31 11:00", "1995-01-01 11:00"),
        ("1994-12-30 00:00", "1994-12-31 12:00", "1995-01-02 00:00"),
    ),
    "Pacific/Kwajalein": (  # over the date line: there was no 21 August
        ("1993-08-20 12:00", "1993-08-21 12:00", "1993-08-22 12:00"),
        ("1993-08-20 00:00", "1993-08-21 12:00", "1993-08-23 00:00"),
    ),
    "Pacific/Apia": (  # over the date line: there was no 30 December
        ("2011-12-29 10:00", "2011-12-30 10:00", "2011-12-31 10:00"),
        ("2011-12-29 00:00", "2011-12-30 12:00", "2012-01-01 00:00"),
    ),
    "Antarctica/Casey": (  # three hours, back
        ("2010-03-04 12:00", "2010-03-04 15:00", "2010-03-04 18:00"),
        ("2010-03-04 23:00", "2010-03-05 00:30", "2010-03-05 02:00"),
    ),
    "America/Caracas": (  # half an hour, for good
        ("2016-05-01 06:30", "2016-05-01 07:00", "2016-05-01 07:30"),
        ("2016-05-01 02:00", "2016-05-01 02:45", "2016-05-01 03:30"),
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_window_worked_out_by_hand(name: str) -> None:
    moments, locals_ = BY_HAND[name]

    for utc, local in zip(moments, locals_, strict=True):
        moment, time = datetime.fromisoformat(f"{utc}+00:00"), datetime.fromisoformat(local)
        assert smeared_zone(name).from_utc(moment) == time
        assert smeared_zone(name).to_utc(time) == moment


@pytest.mark.parametrize("name", ["Pacific/Honolulu", "US/Hawaii", "America/La_Paz", "Asia/Tokyo"])
def test_a_zone_without_changes_since_1970_is_its_own_time(name: str) -> None:
    zone, draw = ZoneInfo(name), random.Random(name)

    assert changes_of(name) == []
    for _ in range(1000):
        moment = BEGINNING + draw.random() * (END - BEGINNING)
        assert smeared_zone(name).from_utc(moment) == clock(zone, moment)
        assert smeared_zone(name).to_utc(clock(zone, moment)) == moment


@pytest.mark.parametrize("month", [1, 3, 7, 10])
def test_the_rules_of_today_hold_for_ever(month: int) -> None:
    zone = ZoneInfo("Europe/Berlin")

    for year in (2038, 2400, 9000):
        moment = datetime(year, month, 2, 12, tzinfo=UTC)
        assert smeared_zone("Europe/Berlin").from_utc(moment) == clock(zone, moment)


class Invented(tzinfo):
    """A zone with changes that lie so near to each other that their windows overlap."""

    def __init__(self, *changes: tuple[datetime, timedelta]) -> None:
        self.changes = changes

    def fromutc(self, moment: datetime) -> datetime:
        lead = self.lead_at(moment.replace(tzinfo=UTC))
        return (moment + lead).replace(tzinfo=timezone(lead))

    def utcoffset(self, local: datetime | None) -> timedelta | None:
        return None

    dst = utcoffset

    def tzname(self, local: datetime | None) -> str:
        return "Invented"

    def lead_at(self, moment: datetime) -> timedelta:
        return next((lead for at, lead in reversed(self.changes) if at <= moment), timedelta())


NOON = datetime(2000, 6, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([(0, 1), (1, 2)], id="forward and forward"),
        pytest.param([(0, -1), (1, -2)], id="back and back"),
        pytest.param([(0, -1), (0.01, -2)], id="back and back at once"),
        pytest.param([(0, -3), (2, -2)], id="back and forward"),
        pytest.param([(0, 2), (1, 0)], id="there and back"),
        pytest.param([(0, -1), (0.5, -2), (1, -3), (1.5, -4)], id="back four times"),
        pytest.param([(0, 1), (30, -9)], id="a wide one after a narrow one"),
        pytest.param([(0, 0.5), (3, 1), (10, -9)], id="a wide one after two narrow ones"),
    ],
)
def test_overlapping_windows_are_one_in_which_time_goes_on(
    changes: list[tuple[float, float]],
) -> None:
    zone = Invented(*((NOON + at * HOUR, lead * HOUR) for at, lead in changes))
    smeared = SmearedZone(zone)

    moments = [NOON + minute * HOUR / 60 for minute in range(-4000, 6000)]
    locals_ = [smeared.from_utc(moment) for moment in moments]

    for (first, second), moment in zip(pairwise(locals_), moments, strict=False):
        assert HOUR / 120 - MICROSECOND <= second - first <= HOUR * 2 / 60 + MICROSECOND
        assert abs(smeared.to_utc(first) - moment) <= 2 * MICROSECOND
    assert locals_[0] == moments[0].replace(tzinfo=None)
    assert locals_[-1] == moments[-1].replace(tzinfo=None) + changes[-1][1] * HOUR


def test_a_moment_has_a_zone_whichever() -> None:
    smeared = smeared_zone("Asia/Tokyo")
    moment = datetime(2026, 11, 23, 21, tzinfo=UTC)

    assert smeared.from_utc(moment.astimezone(ZoneInfo("America/Lima"))) == datetime(
        2026, 11, 24, 6
    )
    with pytest.raises(ValueError, match="has no time zone"):
        smeared.from_utc(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="has a time zone"):
        smeared.to_utc(moment)


def test_at_the_ends_of_the_calendar_nothing_else_is_raised_than_overflow() -> None:
    smeared = smeared_zone("Asia/Tokyo")

    assert smeared.from_utc(datetime.min.replace(tzinfo=UTC)) > datetime.min
    with pytest.raises(OverflowError):
        smeared.from_utc(datetime.max.replace(tzinfo=UTC))
    with pytest.raises(OverflowError):
        smeared.to_utc(datetime.min)


@pytest.mark.parametrize("name", ["Europe/Berlni", "", "../etc/passwd", "Europe", "a" * 9999])
def test_a_name_of_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not the IANA name of a time zone"):
        smeared_zone(name)
