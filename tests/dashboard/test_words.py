"""How the pages write numbers, moments, states."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dashboard import states, words
from redis_tasks import lifecycle

TEMPLATES = Path(states.__file__).parent / "templates"
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.0123, "12 ms"),
        (0.9999, "1 s"),
        (4.25, "4.2 s"),
        (9.99, "10 s"),
        (59.9, "1 m"),
        (130, "2 m 10 s"),
        (3600 * 3 + 301, "3 h 05 m"),
        (86400 * 1234 + 7200, "1,234 d 02 h"),
        (-90, "\u22121 m 30 s"),
        (None, "\u2013"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float | None, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (9999, "9,999"), (12_345, "12.3k"), (999_960, "1.0M"), (123_456_789, "123M")],
)
def test_a_big_number_is_short(number: int, said: str) -> None:
    assert words.short_count(number) == said


@pytest.mark.parametrize(
    ("tasks", "said"), [(0, "0/min"), (0.25, "15/h"), (1.5, "1.5/min"), (1234.5, "1,234/min")]
)
def test_a_rate_has_the_unit_that_suits_it(tasks: float, said: str) -> None:
    assert words.rate(tasks) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "now"), (12, "12 s ago"), (-180, "in 3 m"), (59 * 60 + 40, "59 m ago")],
)
def test_what_is_long_ago_has_no_seconds(seconds: float, said: str) -> None:
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (NOW, "14:00:00"),
        (datetime(2026, 5, 3, 21, 59, 59, tzinfo=UTC), "3 May 23:59:59"),
        (datetime(2025, 12, 31, 12, 0, tzinfo=UTC), "31 Dec 2025 13:00"),
    ],
)
def test_a_moment_names_its_day_if_it_is_not_today(moment: datetime, said: str) -> None:
    assert words.clock_time(moment, NOW, ZoneInfo("Europe/Berlin")) == said


def test_a_state_that_came_later_has_a_word_and_a_look() -> None:
    assert states.label("half-done") == "Half done"
    assert states.look('"><script>') == "other"


def test_a_zone_of_no_name_is_utc() -> None:
    assert words.zone_of("Atlantis/Capital") is UTC


def test_a_worker_that_is_forgotten_is_the_beginning_of_its_id() -> None:
    gone = "0e015d7a-79c7-42be-8b02-add7161c5951"

    assert words.worker_name(f"{gone}#3") == "0e015d7a\u2026#3"
    assert words.worker_name("worker.1#3") == "worker.1#3"


def test_every_state_has_a_label_and_a_look_with_an_icon() -> None:
    icons = (TEMPLATES / "parts.html").read_text()
    reasons = {
        value for name, value in vars(lifecycle).items() if name.isupper() and type(value) is str
    } - {lifecycle.QUEUED, lifecycle.RUNNING, lifecycle.FINISHED, lifecycle.FAILED}

    for word, shown in states.STATES.items():
        assert shown.label
        assert shown.look == states.OTHER or f'look == "{shown.look}"' in icons, word
    assert reasons == set(states.REASONS)
