"""Entries of the schedule: what they may say, what is said of wrong ones."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from redis_tasks import SettingsError, crontab, entries, run_every
from redis_tasks.clock import EPOCH
from redis_tasks.conf import settings
from redis_tasks.schedules import Schedule, Unusable
from tests.conftest import Run
from tests.support.actions import act

ACT = "tests.support.actions.act"
HOURLY = run_every(hours=1)


@pytest.fixture(autouse=True)
def _in_berlin(settings_for_test: dict[str, Any]) -> Iterator[None]:
    with settings.override(TIMEZONE="Europe/Berlin", SCHEDULER_QUEUE="ticks"):
        yield


def load(**given: Any) -> list[entries.Entry]:
    with settings.override(SCHEDULE=given):
        return entries.load()


def errors(given: Any) -> list[str]:
    with settings.override(SCHEDULE={"x": given}), pytest.raises(SettingsError) as caught:
        entries.load()
    return caught.value.errors


def test_an_entry_says_as_little_as_it_likes() -> None:
    [entry] = load(x={"task": ACT, "schedule": HOURLY})

    assert (entry.func, entry.args, entry.kwargs, entry.queue) == (ACT, (), {}, "ticks")
    assert (entry.singleton, entry.enabled, entry.max_catchup) == (True, True, 3600)
    assert entry.schedule == HOURLY.bind("x", "Europe/Berlin")


def test_an_entry_may_say_everything() -> None:
    [entry] = load(
        x={
            "task": act,
            "schedule": HOURLY,
            "args": [["note", "a"]],
            "kwargs": {},
            "singleton": False,
            "queue": "other",
            "timezone": "Asia/Tokyo",
            "max_catchup": 60,
            "enabled": False,
        }
    )

    assert (entry.func_name, entry.args, entry.queue) == (ACT, (["note", "a"],), "other")
    assert (entry.singleton, entry.enabled, entry.max_catchup) == (False, False, 60)
    assert entry.schedule == HOURLY.bind("x", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"task": "tests.support.actions.gone"}, "tests.support.actions.gone cannot be imported"),
        ({"task": "os.system"}, "os.system may not run as a task"),
        ({"task": 5}, "task must be the import path of a function, .*, not 5"),
        ({"task": "act"}, "'act' is not an import path"),
        ({"schedule": "2 4 * * *"}, r"schedule must be a schedule, made by crontab\(\), .*'2 4 "),
        (
            {"schedule": Unusable(why="crontab('x'): why")},
            r"^SCHEDULE\['x'\]: crontab\('x'\): why",
        ),
        ({"args": "abc"}, "args must be a list of arguments, not 'abc'"),
        ({"args": [len]}, r"args\[0\]"),
        ({"kwargs": ["a"]}, "kwargs must be a dict of arguments by name"),
        ({"kwargs": {"user": {"a": len}}}, r"kwargs\['user'\]"),
        ({"kwargs": {1: 2}}, "kwargs must be a dict of arguments by name"),
        ({"singleton": "no"}, "singleton must be True or False, not 'no'"),
        ({"enabled": None}, "enabled must be True or False, not None"),
        ({"queue": "a\nb"}, "queue must be printable text of 1 to 255 bytes"),
        ({"timezone": "Europe/Berlni"}, "timezone must be the IANA name of a time zone"),
        ({"timezone": 1}, "timezone must be the IANA name of a time zone"),
        ({"max_catchup": -1}, "max_catchup must be a number of seconds of at least 0, not -1"),
        ({"max_catchup": "1"}, "max_catchup must be a number"),
        ({"max_catchup": float("inf")}, "max_catchup must be a number"),
        ({"queu": "x"}, "it has an unknown 'queu': did you mean 'queue'"),
        ({"q": "x"}, "it has an unknown 'q': there are task, schedule, args, kwargs, "),
    ],
    ids=repr,
)
def test_a_wrong_entry_is_one_error_that_names_it(changes: dict[str, Any], what: str) -> None:
    [error] = errors({"task": ACT, "schedule": HOURLY, **changes})

    assert error.startswith("SCHEDULE['x']: ")
    assert re.search(what, error)
    assert len(error) < 400


def test_arguments_that_the_function_does_not_take_are_an_error() -> None:
    [error] = errors({"task": act, "schedule": HOURLY, "kwargs": {"no_such": 1}})

    assert "tests.support.actions.act does not take these arguments: got an unexpected" in error


def test_arguments_that_are_too_large_are_an_error() -> None:
    [error] = errors({"task": act, "schedule": HOURLY, "args": [["note", "x" * 600_000]]})

    assert "more than MAX_TASK_BYTES" in error


@pytest.mark.parametrize("given", [None, "x", ["task"]])
def test_an_entry_is_a_dict(given: Any) -> None:
    [error] = errors(given)

    assert "an entry must be a dict, not " in error


@pytest.mark.parametrize("name", [5, "", "a\nb", "x" * 256, "\ud800", None])
def test_the_name_of_an_entry_is_text_for_lists_and_logs(name: Any) -> None:
    good = {"task": ACT, "schedule": HOURLY}
    with settings.override(SCHEDULE={name: good}), pytest.raises(SettingsError) as caught:
        entries.load()

    assert re.search(
        r"^SCHEDULE\[.*\]: its name must be printable text of 1 to 255", str(caught.value)
    )


def test_an_entry_that_is_disabled_is_to_be_right_all_the_same() -> None:
    [error] = errors({"task": "os.system", "schedule": HOURLY, "enabled": False})

    assert "os.system may not run as a task" in error


def test_all_that_is_wrong_is_told_at_once(run: Run) -> None:
    schedule: dict[Any, Any] = {
        5: {"task": ACT, "schedule": HOURLY},
        "first": {"tasks": ACT, "schedule": HOURLY, "timezone": "Mars"},
        "good": {"task": ACT, "schedule": HOURLY},
        "second": {"task": "os.system", "schedule": Unusable(why="crontab('61 * * * *'): no")},
        "third": {"task": "os.system", "schedule": HOURLY, "args": [len]},
    }

    with settings.override(SCHEDULE=schedule):
        result = run("scheduler")

    assert result.exit_code == 2
    assert [line[:31] for line in result.stderr.splitlines()] == [
        "Error: SCHEDULE[5]: its name mu",
        "Error: SCHEDULE['first']: it ha",
        "Error: SCHEDULE['first']: it ne",
        "Error: SCHEDULE['first']: timez",
        "Error: SCHEDULE['second']: cron",
        "Error: SCHEDULE['second']: os.s",
        "Error: SCHEDULE['third']: os.sy",
        "Error: SCHEDULE['third']: args[",
    ]


def test_a_fingerprint_is_that_of_the_ticks() -> None:
    def fingerprint(schedule: Schedule = HOURLY, **more: Any) -> str:
        return load(x={"task": ACT, "schedule": schedule, **more})[0].fingerprint

    same = {fingerprint(), fingerprint(run_every(minutes=60)), fingerprint(queue="other")}
    others = [
        fingerprint(crontab("@hourly")),
        fingerprint(run_every(hours=1, start_at="00:30")),
        fingerprint(timezone="UTC"),
        fingerprint(enabled=False),
    ]

    assert len(same) == 1
    assert len({*others, *same}) == 5


def test_the_id_of_a_tick_is_the_same_for_ever() -> None:
    [one] = load(x={"task": ACT, "schedule": HOURLY})
    [other] = load(y={"task": ACT, "schedule": HOURLY})
    tick = EPOCH + timedelta(days=20_000, microseconds=7)

    # Changing this repeats a tick where old and new schedulers meet.
    assert one.task_id(tick) == "a34e1df6-c220-5943-8ddb-0f31706cfcfb"
    assert one.task_id(tick) != other.task_id(tick)
    assert one.task_id(tick) != one.task_id(tick + timedelta(microseconds=1))


def test_a_task_of_a_tick_names_its_entry_to_integrations() -> None:
    [entry] = load(nightly={"task": act, "schedule": HOURLY})

    assert entry.task().headers == {"schedule": "nightly"}
