"""The schedule, seen and used by hand: `redis_tasks schedule`, the view that it shows."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from redis_tasks import Queue, crontab, keys, once_per_day, run_every
from redis_tasks.conf import connection, settings
from redis_tasks.schedule_table import HEAD, draw, until
from redis_tasks.schedule_view import ScheduleView, read_schedule
from redis_tasks.store import client
from redis_tasks.store.schedule_scripts import to_us
from tests.conftest import Run, StartServer
from tests.support.altered_scripts import hand_driven_clock
from tests.support.hand_scheduler import Bench
from tests.support.hand_worker import HandWorker

ACT = "tests.support.actions.act"


def zone_without_a_tick() -> str:
    """Return a zone in which it is far from four in the morning: `nightly` is not to tick here."""
    return "Asia/Dubai" if 2 <= datetime.now(ZoneInfo("Asia/Tokyo")).hour < 7 else "Asia/Tokyo"


ZONE = zone_without_a_tick()
SCHEDULE: dict[str, Any] = {
    "nightly": {"task": ACT, "schedule": crontab("2 4 * * mon,fri"), "timezone": ZONE},
    "often": {"task": ACT, "schedule": run_every(minutes=20)},
    "never": {"task": ACT, "schedule": once_per_day("12:00"), "enabled": False},
}


@pytest.fixture(autouse=True)
def _schedule(settings_for_test: dict[str, Any]) -> Iterator[None]:
    with settings.override(SCHEDULE=SCHEDULE, TIMEZONE="Europe/Berlin"):
        yield


def real_now() -> datetime:
    seconds, microseconds = connection.time()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


def view_after_ticks() -> ScheduleView:
    """Let the entry `often` have a task that finished, then one that waits and holds up two."""
    with hand_driven_clock():
        bench = Bench(real_now() - timedelta(minutes=80))  # four ticks, and a moment without one
        scheduler = bench.scheduler("web.1")
        bench.settle(scheduler)
        for number in range(4):
            bench.pass_(minutes=20)
            bench.settle(scheduler)
            if number == 0:
                HandWorker().run()
        bench.set(real_now())
        bench.settle(scheduler)
        scheduler.leadership.exchange.close()
    return read_schedule(ticks=3)


def test_the_view_has_what_became_of_each_entry() -> None:
    view = view_after_ticks()

    entries = {entry.id: entry for entry in view.entries}
    often = entries["often"]
    assert view.errors == []
    assert view.leader is not None
    assert view.leader.description == "web.1"
    assert view.leader.since is not None
    assert timedelta(minutes=80) <= view.now - view.leader.since < timedelta(minutes=83)
    assert (often.words, often.zone, often.queue) == (
        "every 20 minutes",
        "Europe/Berlin",
        "default",
    )
    assert often.task is not None
    assert (often.task.id, often.task.status) == (often.task_id, "queued")
    assert often.skipped == 2
    assert often.skipped_at == often.last_tick
    assert often.last_tick is not None
    assert [t - often.last_tick for t in often.next_ticks] == [
        timedelta(minutes=20 * number) for number in (1, 2, 3)
    ]
    assert entries["never"].next_ticks == ()
    assert entries["nightly"].last_tick is None
    assert entries["nightly"].words == "at 04:02 on Monday and Friday"


def test_the_view_needs_no_more_than_reading(start_redis: StartServer) -> None:
    server = start_redis(tcp=True)
    with settings.override(REDIS_URL=server.url):
        connection.reset()
        client.use(None)
        expected = view_after_ticks()
    with server.client() as admin:
        rules = ["on", ">pw", "~*", "-@all", "+@read", "+time", "+client|setname"]
        admin.execute_command("ACL", "SETUSER", "reader", *rules)

    with settings.override(REDIS_URL=f"redis://reader:pw@127.0.0.1:{server.port}"):
        connection.reset()
        view = read_schedule(ticks=3)

    assert [entry.id for entry in view.entries] == ["nightly", "often", "never"]
    assert [e.last_tick for e in view.entries] == [e.last_tick for e in expected.entries]
    connection.reset()
    client.use(None)


def test_a_spoilt_state_is_shown_as_none() -> None:
    connection.set(keys.entry("nightly"), "text")
    fields = {"tick": "x", "skip": "y", "skipped": "9" * 30, "task": b"\xff"}
    connection.hset(keys.entry("often"), mapping=fields)
    connection.hset(keys.lead(), mapping={"id": "x", "until": "soon"})

    view = read_schedule()

    assert view.leader is None
    assert [(e.last_tick, e.skipped, e.task) for e in view.entries] == [(None, 0, None)] * 3


def test_the_table_shows_every_entry(run: Run) -> None:
    view_after_ticks()

    lines = run("schedule").stdout.splitlines()

    assert lines[0].startswith("Scheduler web.1 leads since ")
    assert re.split("  +", lines[2]) == list(HEAD)
    assert lines[3].startswith(f"nightly  at 04:02 on Monday and Friday  {ZONE}     -  ")
    assert lines[4].startswith("often    every 20 minutes               Europe/Berlin  ")
    assert re.search(r"\((in \d+ (min|s)|now)\) +queued$", lines[4])
    assert lines[5].split()[-2:] == ["disabled", "-"]
    assert lines[7:] == ["often: 2 ticks skipped, the last task was not over"]


def test_where_the_table_is_too_wide_an_entry_has_lines_of_its_own() -> None:
    view = view_after_ticks()

    narrow, fitting = list(draw(view, 80)), list(draw(view, 200))

    assert fitting == list(draw(view))
    assert max(map(len, narrow)) <= 80
    assert narrow[2:5] == [
        f"nightly: at 04:02 on Monday and Friday, {ZONE}",
        "  Last tick  -",
        narrow[4],
    ]
    assert all(line.startswith(" " * 13) for line in narrow[5:7])
    assert re.fullmatch(r"  Last tick  .{23}, last task: queued", narrow[8])
    assert re.fullmatch(r"  Next tick  .{23} \((in \d+ (min|s)|now)\)", narrow[9])
    assert narrow[12:15] == [
        "never: at 12:00 every day, Europe/Berlin",
        "  Last tick  -",
        "  Next tick  disabled",
    ]


def test_columns_stand_below_each_other_whatever_an_entry_is_called() -> None:
    entry = {"task": ACT, "schedule": run_every(hours=1)}
    with settings.override(SCHEDULE={"日本": entry, "ä": entry, "word": entry}):
        lines = list(draw(read_schedule()))

    assert lines[3].startswith("日本   every hour")
    assert lines[4].startswith("ä      every hour")
    assert lines[5].startswith("word   every hour")


def test_an_entry_with_a_long_name_is_broken_in_lines() -> None:
    with settings.override(SCHEDULE={"so " * 60: SCHEDULE["often"]}):
        lines = list(draw(read_schedule(), 80))

    assert max(map(len, lines)) <= 80
    assert lines[4].endswith("every 20 minutes, Europe/Berlin")


def test_the_next_ticks_are_listed(run: Run) -> None:
    lines = run("schedule", "--next", "4").stdout.splitlines()

    assert lines[0] == "No scheduler is running: ticks wait for one."
    assert [line for line in lines if line.startswith("    ")] == lines[4:8] + lines[9:13]
    assert all("04:02:00 (in " in line for line in lines[4:8])


def test_the_next_tick_is_in_the_time_of_the_clocks() -> None:
    schedule = {"summer": {"task": ACT, "schedule": crontab("0 12 1 7 *")}}
    with settings.override(SCHEDULE=schedule):
        view = read_schedule()

    assert any(" 12:00:00 (in " in line for line in draw(view))


def test_an_empty_schedule_is_said_to_be_so(run: Run) -> None:
    with settings.override(SCHEDULE={}):
        assert run("schedule").stdout.splitlines()[1] == "SCHEDULE is empty."


def test_a_wrong_schedule_is_told(run: Run) -> None:
    with settings.override(SCHEDULE={"x": {"task": ACT}}):
        result = run("schedule")

    assert (result.exit_code, result.stderr) == (2, "Error: SCHEDULE['x']: it needs 'schedule'\n")


def test_an_entry_is_run_by_hand(run: Run) -> None:
    result = run("schedule", "run", "often")

    [task] = Queue().get_tasks()
    assert result.stdout == f"Task {ACT}() [{task.id}] enqueued in default\n"
    assert not connection.exists(keys.entry("often"))


@pytest.mark.parametrize(
    ("name", "meant"), [("oftn", "did you mean 'often'"), ("x", "see redis_tasks schedule")]
)
def test_an_unknown_entry_is_not_run(run: Run, name: str, meant: str) -> None:
    result = run("schedule", "run", name)

    assert result.exit_code == 2
    assert f"SCHEDULE has no entry '{name}': {meant}" in result.stderr


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "now"),
        (1, "in 1 s"),
        (59.7, "in 1 min"),
        (179, "in 2 min"),
        (7200, "in 2 h"),
        (86_400, "in 1 day"),
        (300_000, "in 3 days"),
        (-5, "now"),
    ],
)
def test_how_far_away_a_moment_is(seconds: float, words: str) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)

    assert until(now + timedelta(seconds=seconds), now) == words


def test_moments_in_redis_are_whole_microseconds() -> None:
    assert to_us(datetime(2026, 11, 24, 0, 0, 0, 7, tzinfo=UTC)) == 1_795_478_400_000_007
