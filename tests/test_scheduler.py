"""The scheduler's loop, moved by hand: which ticks become tasks, whatever happens."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from redis_tasks import Queue, Task, crontab, keys, once_per_day, run_every
from redis_tasks.clock import to_ms
from redis_tasks.conf import connection, settings
from redis_tasks.schedules import Schedule
from redis_tasks.store import client
from tests.support.altered_scripts import hand_driven_clock
from tests.support.hand_scheduler import (
    ACT,
    BEGIN,
    Bench,
    enqueued,
    entry,
    ids_of,
    skip_while_under_way,
    state,
)
from tests.support.store_view import CLOCK

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _in_test(settings_for_test: dict[str, Any]) -> Iterator[None]:
    with settings.override(WORKER_HEARTBEAT_FREQ=10, WORKER_HEARTBEAT_TIMEOUT=60):
        yield
    client.use(None)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with hand_driven_clock():
        yield Bench()


def test_a_daily_entry_comes_three_times_in_three_days_of_restarts(bench: Bench) -> None:
    schedule = {"nightly": entry(run_every(hours=24), singleton=False)}
    expected = ids_of("nightly", schedule["nightly"], BEGIN, BEGIN + 72 * HOUR)

    for number in range(72 * 60 // 7):
        scheduler = bench.scheduler(f"one.{number}", schedule)
        bench.settle(scheduler)
        bench.run(scheduler, bench.now + 7 * MINUTE, 7 * MINUTE)
        if number % 2:
            scheduler.close()  # the others die
        else:
            scheduler.leadership.exchange.close()

    assert len(expected) == 3
    assert enqueued() == expected


@hypothesis_settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pass", "pass", "pass", "kill", "stop", "start", "old"]),
            st.integers(1, 400),
        ),
        min_size=5,
        max_size=40,
    )
)
def test_every_tick_is_enqueued_once_whoever_comes_and_goes(
    bench: Bench, story: list[tuple[str, int]]
) -> None:
    connection.flushdb()
    bench.set(BEGIN)
    schedule = {
        "crontab": entry(crontab("*/3 * * * *"), singleton=False),
        "interval": entry(run_every(seconds=47), singleton=False),
        "daily": entry(once_per_day("22:17"), singleton=False),
    }
    living = [bench.scheduler("first", schedule)]
    bench.settle(*living)

    for what, amount in story:
        if what == "pass":
            bench.pass_(seconds=amount)
            bench.settle(*living)
        elif what == "old":  # frozen ones wake in another order
            living.append(living.pop(0))
        elif what == "start" or len(living) == 1:
            living.append(bench.scheduler(f"number {amount}", schedule))
        else:
            gone = living.pop(amount % len(living))
            gone.close() if what == "stop" else gone.leadership.exchange.close()
    bench.pass_(minutes=5)
    bench.settle(*living)

    expected = [id_ for name in schedule for id_ in ids_of(name, schedule[name], BEGIN, bench.now)]
    assert sorted(enqueued()) == sorted(expected)
    for scheduler in living:
        scheduler.leadership.exchange.close()


def bench_now(bench: Bench) -> datetime:
    return bench.now


def test_a_task_is_logged_as_those_of_an_app(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    scheduler = bench.scheduler(
        schedule={"hourly": entry(run_every(hours=1), args=[["note", "x"]], queue="other")}
    )
    bench.settle(scheduler)

    bench.pass_(hours=1)
    bench.settle(scheduler)

    [task] = Queue("other").get_tasks()
    line = next(r for r in caplog.records if "enqueued" in r.message)
    assert line.name == "redis_tasks.task"
    assert line.message == f"Task {ACT}(['note', 'x']) [{task.id}] enqueued"
    assert (task.func_name, task.is_reentrant, task.args) == (ACT, True, (["note", "x"],))


# ---- Missed ticks


def test_what_was_missed_is_made_up_for_as_long_as_the_entry_says(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    given = entry(run_every(minutes=1), singleton=False, max_catchup=600)
    bench.settle(bench.scheduler("one", {"often": given}))

    bench.pass_(hours=3)
    bench.settle(bench.scheduler("two", {"often": given}))

    assert enqueued() == ids_of("often", given, bench.now - 10 * MINUTE, bench.now)
    assert [r.message for r in caplog.records if "missed" in r.message] == [
        "Entry often: missed ticks are skipped: 170"
    ]
    assert state("often")["miss"] == "170"


def test_a_singleton_makes_up_for_one_tick_only(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    given = entry(crontab("* * * * *"))
    bench.settle(bench.scheduler("one", {"often": given}))

    bench.pass_(minutes=40, seconds=1)
    bench.settle(bench.scheduler("two", {"often": given}))

    assert enqueued() == ids_of("often", given, bench.now - MINUTE, bench.now)
    assert "Entry often: missed ticks are skipped: 39" in caplog.text


def test_what_a_restart_has_skipped_is_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    given = entry(once_per_day("12:00"), max_catchup=600)
    bench.settle(bench.scheduler("one", {"daily": given}))

    bench.pass_(days=3)
    for name in ("two", "three", "four"):
        bench.settle(bench.scheduler(name, {"daily": given}))
        bench.pass_(seconds=10)

    assert enqueued() == []
    assert caplog.text.count("missed ticks are skipped: 3") == 1


def test_a_tick_that_is_a_little_late_was_not_missed(bench: Bench) -> None:
    given = entry(run_every(minutes=1, start_at="00:00"), max_catchup=0)
    bench.settle(bench.scheduler("one", {"often": given}))

    bench.set(BEGIN + MINUTE + timedelta(seconds=4))
    bench.settle(bench.scheduler("two", {"often": given}))

    assert len(enqueued()) == 1


def test_a_long_downtime_is_caught_up_with_in_order(bench: Bench) -> None:
    schedule = {
        name: entry(run_every(seconds=seconds), singleton=False)
        for name, seconds in (("a", 2), ("b", 3), ("c", 700))
    }
    bench.settle(bench.scheduler("one", schedule))

    bench.pass_(minutes=50)
    bench.settle(bench.scheduler("two", schedule))

    assert len(enqueued()) == 1500 + 1000 + len(ids_of("c", schedule["c"], BEGIN, bench.now))
    moments = [task.enqueued_at for task in Queue().get_tasks(0, 5)]
    assert len(moments) == 5


@pytest.mark.parametrize(
    ("schedule", "least"),
    [
        (run_every(minutes=1), 8 * DAY),
        (run_every(hours=300), 600 * HOUR),
        (crontab("0 4 * * mon"), 14 * DAY),
        (crontab("0 0 29 2 *"), 2 * 4 * 365 * DAY),
    ],
    ids=repr,
)
def test_the_state_of_an_entry_outlives_two_intervals(
    bench: Bench, schedule: Schedule, least: timedelta
) -> None:
    bench.settle(bench.scheduler("one", {"x": entry(schedule)}))

    assert connection.pttl(keys.entry("x")) > least / timedelta(milliseconds=1) - 60_000


def test_every_tick_prolongs_the_life_of_the_state(bench: Bench) -> None:
    scheduler = bench.scheduler("one", {"x": entry(run_every(minutes=1))})
    bench.settle(scheduler)
    connection.pexpire(keys.entry("x"), 60_000)

    bench.pass_(minutes=1)
    bench.settle(scheduler)

    assert connection.pttl(keys.entry("x")) > 8 * 86_000_000


def test_the_state_of_an_entry_outlives_its_catch_up(bench: Bench) -> None:
    given = entry(run_every(minutes=1), max_catchup=1_000_000)
    scheduler = bench.scheduler("one", {"x": given})
    bench.settle(scheduler)
    adopted = connection.pttl(keys.entry("x"))
    bench.pass_(minutes=1)
    bench.settle(scheduler)

    assert min(adopted, connection.pttl(keys.entry("x"))) > 4_990_000_000


def test_a_tick_soon_before_a_long_pause_does_not_shorten_the_life_of_the_state(
    bench: Bench,
) -> None:
    bench.set(datetime(2026, 12, 31, 12, tzinfo=UTC))
    scheduler = bench.scheduler("one", {"x": entry(crontab("0 12 1,2 1 *"))})
    bench.settle(scheduler)

    bench.pass_(days=1)
    bench.settle(scheduler)

    assert len(enqueued()) == 1
    assert connection.pttl(keys.entry("x")) > 2 * 363 * 86_400_000


# ---- Singletons


def test_a_singleton_is_skipped_while_its_task_is_not_over(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    skip_while_under_way(bench)

    told = [r.message for r in caplog.records if "tick skipped" in r.message]
    assert len(told) == 2
    assert told[0].startswith("Entry often: tick skipped, its task [")
    assert (state("often")["skip"], "skipped" in state("often")) == ("2", True)


def test_a_task_that_was_deleted_holds_up_nothing(bench: Bench) -> None:
    scheduler = bench.scheduler("one", {"often": entry(run_every(minutes=1))})
    for _ in range(3):
        bench.settle(scheduler)
        Task.delete_many(Queue().get_task_ids())
        bench.pass_(minutes=1)

    bench.settle(scheduler)

    assert int(connection.hget(keys.totals(), "seq") or 0) == 3


# ---- Changes


def test_a_changed_schedule_takes_effect_from_now(bench: Bench) -> None:
    bench.settle(bench.scheduler("one", {"x": entry(run_every(minutes=30))}))
    bench.pass_(hours=1)
    bench.settle(bench.scheduler("two", {"x": entry(run_every(minutes=20))}))
    assert enqueued() == []

    two = entry(run_every(minutes=20))
    bench.pass_(minutes=20)
    bench.settle(bench.scheduler("three", {"x": two}))

    assert enqueued() == ids_of("x", two, bench.now - 20 * MINUTE, bench.now)


def test_another_zone_is_another_schedule(bench: Bench) -> None:
    given = entry(once_per_day("12:00"))
    bench.settle(bench.scheduler("one", {"x": given}))
    bench.pass_(hours=14.5)  # 11:30 UTC

    bench.settle(bench.scheduler("two", {"x": {**given, "timezone": "UTC"}}))

    assert enqueued() == []


def test_another_argument_is_not(bench: Bench) -> None:
    given = entry(run_every(hours=1))
    bench.settle(bench.scheduler("one", {"x": given}))
    bench.pass_(hours=1)

    bench.settle(bench.scheduler("two", {"x": {**given, "args": [["note", "y"]]}}))

    assert [task.args for task in Queue().get_tasks()] == [(["note", "y"],)]


def test_what_was_disabled_counts_from_when_it_is_not_any_more(bench: Bench) -> None:
    given = entry(run_every(minutes=1), singleton=False)
    bench.settle(bench.scheduler("one", {"x": given}))
    bench.pass_(seconds=10)
    off = bench.scheduler("two", {"x": {**given, "enabled": False}})
    bench.settle(off)
    bench.pass_(minutes=10)
    bench.settle(off)
    assert enqueued() == []

    bench.pass_(seconds=10)
    again = bench.scheduler("three", {"x": given})
    bench.settle(again)
    bench.pass_(minutes=2)
    bench.settle(again)

    assert len(enqueued()) == 2


# ---- What Redis says


def test_large_arguments_go_in_several_calls(bench: Bench) -> None:
    text = "x" * 400_000
    schedule = {
        f"entry {number}": entry(run_every(minutes=1), args=[["note", text]])
        for number in range(7)
    }
    scheduler = bench.scheduler("one", schedule)
    bench.settle(scheduler)
    calls = int(connection.info("commandstats")["cmdstat_evalsha"]["calls"])

    bench.pass_(minutes=1)
    bench.settle(scheduler)

    assert len(enqueued()) == 7
    assert int(connection.info("commandstats")["cmdstat_evalsha"]["calls"]) >= calls + 4


def test_what_is_not_due_yet_by_redis_clock_is_asked_for_again(bench: Bench) -> None:
    given = entry(run_every(minutes=1), singleton=False)
    scheduler = bench.scheduler("one", {"x": given})
    bench.settle(scheduler)
    bench.pass_(minutes=1, seconds=1)
    begin = bench.now - MINUTE
    scheduler.leadership.begin_step(scheduler.leadership.ask_at)
    scheduler.leadership.claim()

    connection.set(CLOCK, to_ms(begin))  # it goes back between two calls
    scheduler._keep_schedule()
    assert enqueued() == []
    bench.pass_(seconds=1)
    bench.settle(scheduler)

    assert enqueued() == ids_of("x", given, BEGIN, bench.now)


def test_what_redis_refuses_is_told_once_and_tried_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    given = entry(run_every(minutes=1), singleton=False)
    scheduler = bench.scheduler("one", {"x": given})
    bench.settle(scheduler)
    connection.set(keys.queue("default"), "not a queue")

    for _ in range(3):
        bench.pass_(minutes=1)
        bench.settle(scheduler)
    refused = [r.message for r in caplog.records if "refused" in r.message]
    connection.delete(keys.queue("default"))
    bench.pass_(minutes=1)
    bench.settle(scheduler)

    assert len(refused) == 1
    assert refused[0].startswith("Redis refused tick: ")
