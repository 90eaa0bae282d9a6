"""Moments cross the border to Redis and back unchanged."""

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_tasks import clock


@settings(deadline=None)
@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_a_moment_comes_back_to_the_millisecond(moment: datetime) -> None:
    try:
        stored = clock.to_ms(moment)
        again = clock.from_ms(stored)
    except (OverflowError, ValueError):
        assert moment.year in (1, 9999)  # in UTC it lies outside the calendar
        return

    assert again is not None
    assert again.tzinfo is UTC
    assert timedelta(0) <= moment - again < timedelta(milliseconds=1)


@pytest.mark.parametrize("stored", [1795467600123, "1795467600123", b"1795467600123"], ids=repr)
def test_a_moment_is_read_from_a_number_or_its_text(stored: Any) -> None:
    assert clock.from_ms(stored) == datetime(2026, 11, 23, 21, 0, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize("stored", [None, "", b""], ids=repr)
def test_a_missing_field_is_no_moment(stored: Any) -> None:
    assert clock.from_ms(stored) is None


def test_the_beginning_of_1970_is_a_moment() -> None:
    assert clock.from_ms(0) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "stored", ["x", b"\xff", "1.5", "9" * 30, "9" * 9999, -(10**17)], ids=repr
)
def test_what_is_no_moment_is_a_value_error(stored: Any) -> None:
    with pytest.raises(ValueError, match="is not a moment in milliseconds"):
        clock.from_ms(stored)


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        clock.to_ms(datetime(2026, 1, 1))


def test_milliseconds_are_rounded_down_on_both_sides_of_1970() -> None:
    almost = timedelta(microseconds=999)
    east = timezone(timedelta(hours=2))

    assert clock.to_ms(clock.EPOCH + almost) == 0
    assert clock.to_ms(clock.EPOCH - almost) == -1
    assert clock.to_ms(datetime(1970, 1, 1, 2, tzinfo=east)) == 0


def test_now_is_aware() -> None:
    before = datetime.now(UTC)

    assert before <= clock.utcnow() <= datetime.now(UTC)
    assert clock.utcnow().tzinfo is UTC


def test_the_steady_clock_goes_forward_in_seconds() -> None:
    steady, begun = clock.boottime(), time.monotonic()

    while time.monotonic() - begun < 0.01:
        assert clock.boottime() >= steady

    assert 0.009 < clock.boottime() - steady < 5


def test_without_a_boot_time_clock_the_monotonic_one_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 99_999, raising=False)

    assert clock._steady_clock() == time.CLOCK_MONOTONIC
