"""Wrong schedules: what is said of them, when."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from redis_tasks.conf import Settings, settings
from redis_tasks.schedules import Schedule, Unusable, crontab, once_per_day, run_every


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({}, "a microsecond to a hundred years"),
        ({"seconds": 1e-9}, "a microsecond to a hundred years"),
        ({"hours": 10**400}, "a microsecond to a hundred years"),
        ({"hours": 876_601}, "a microsecond to a hundred years"),
        ({"hours": -1}, "hours must be 0 or more, not -1"),
        ({"hours": 1, "seconds": -1}, "seconds must be 0 or more, not -1"),
        ({"minutes": float("nan")}, "minutes must be 0 or more, not nan"),
        ({"minutes": float("inf")}, "minutes must be 0 or more, not inf"),
        ({"hours": "1"}, "hours must be a number, not '1'"),
        ({"hours": True}, "hours must be a number, not True"),
        ({"hour": 1}, "unexpected keyword argument 'hour'"),
        ({"hours": 1, "start_at": "25:00"}, "a time of day, .*HH:MM.*, not '25:00'"),
        ({"hours": 1, "start_at": "5"}, "a time of day"),
        ({"hours": 1, "start_at": "\u0660\u0665:\u0660\u0660"}, "a time of day"),
        ({"hours": 1, "start_at": 86_400}, "not 86400"),
        ({"hours": 1, "start_at": 86_399.9999999}, "not 86399.9"),
        ({"hours": 1, "start_at": -1}, "not -1"),
        ({"hours": 1, "start_at": float("nan")}, "not nan"),
        ({"hours": 1, "start_at": True}, "not a bool"),
        ({"hours": 1, "start_at": datetime(2026, 1, 1)}, "not a datetime"),
    ],
    ids=repr,
)
def test_a_wrong_interval_is_refused(wrong: dict[str, Any], what: str) -> None:
    with pytest.raises((TypeError, ValueError), match=what):
        run_every(**wrong)


@pytest.mark.parametrize("at", ["24:00", "4", "4:2", "04:02:00", " 04:02", "", "04.02"])
def test_a_wrong_time_of_day_is_refused(at: str) -> None:
    with pytest.raises(ValueError, match='a time of day, "HH:MM"'):
        once_per_day(at)


def test_a_time_of_day_is_text() -> None:
    with pytest.raises(TypeError, match='takes text, "HH:MM", not a int'):
        once_per_day(402)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["61 * * * *", "R * * * *", "* * * * * *", "* * 31 feb *"])
def test_a_wrong_crontab_is_refused_by_its_name(wrong: str) -> None:
    with pytest.raises(ValueError, match="crontab") as error:
        crontab(wrong)

    assert str(error.value).startswith(f"crontab({wrong!r}): ")


def test_a_crontab_is_text() -> None:
    with pytest.raises(TypeError, match=r"crontab\(None\): it must be text"):
        crontab(None)  # type: ignore[arg-type]


def test_an_entry_has_an_id_of_text() -> None:
    with pytest.raises(TypeError, match="an entry's id must be text, not a int"):
        run_every(hours=1).bind(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("zone", "error", "what"),
    [
        ("Europe/Berlni", ValueError, "'Europe/Berlni' is not the IANA name of a time zone"),
        (5, TypeError, "must be the IANA name of one, not a int"),
    ],
)
def test_a_wrong_zone_is_refused(zone: Any, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        run_every(hours=1).bind("entry", zone)


def test_a_naive_moment_is_refused() -> None:
    with settings.override(TIMEZONE="UTC"), pytest.raises(ValueError, match="has no time zone"):
        run_every(hours=1).get_next(datetime(2026, 1, 1))


WRONG = """
from redis_tasks.schedules import crontab, once_per_day, run_every

SCHEDULE = {
    "one": {"schedule": crontab("61 * * * *")},
    "two": {"schedule": run_every(hour=1)},
    "three": {"schedule": once_per_day("24:00")},
    "four": {"schedule": run_every(hours=1)},
}
"""


def test_a_settings_module_loads_with_wrong_schedules_so_that_all_can_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong_schedules.py").write_text(WRONG)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("RT_SETTINGS_MODULE", "wrong_schedules")
    fresh = Settings()
    monkeypatch.setattr("redis_tasks.schedules.settings", fresh)

    entries = fresh.SCHEDULE
    del sys.modules["wrong_schedules"]

    found: dict[str, Schedule] = {name: entry["schedule"] for name, entry in entries.items()}
    wrong = {name: each.why for name, each in found.items() if isinstance(each, Unusable)}
    assert list(wrong) == ["one", "two", "three"]
    assert "the minute '61'" in wrong["one"]
    assert "unexpected keyword argument 'hour'" in wrong["two"]
    assert "not '24:00'" in wrong["three"]
    one = found["one"].bind("a", "UTC")
    for use in (one.describe, lambda: one.get_next(MOMENT), lambda: one.count(MOMENT, MOMENT)):
        with pytest.raises(ValueError, match="the minute '61'"):
            use()


MOMENT = datetime.fromisoformat("2026-11-23 21:00+00:00")
