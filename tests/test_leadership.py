"""The lead among schedulers, moved by hand: who has it, and what one who lost it can do."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from redis_tasks import Queue, Task, keys, once_per_day, run_every
from redis_tasks.conf import connection, settings
from redis_tasks.store import client
from tests.support.altered_scripts import altered_scripts, hand_driven_clock
from tests.support.hand_scheduler import (
    BEGIN,
    Bench,
    enqueued,
    entry,
    ids_of,
    skip_while_under_way,
)
from tests.support.hand_worker import HandWorker

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def _in_test(settings_for_test: dict[str, Any]) -> Iterator[None]:
    with settings.override(WORKER_HEARTBEAT_FREQ=10, WORKER_HEARTBEAT_TIMEOUT=60):
        yield
    client.use(None)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with hand_driven_clock():
        yield Bench()


def test_one_leads_and_the_others_stand_by(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "redis_tasks.scheduler")
    first, second = bench.scheduler("web.1", {}), bench.scheduler("web.2", {})
    for _ in range(20):
        bench.settle(first, second)
        bench.pass_(seconds=0.6)

    assert [r.message for r in caplog.records] == [
        "Scheduler web.1 leads",
        "Scheduler web.2 stands by: web.1 leads",
    ]


def take_over_at_once(bench: Bench) -> None:
    first, second = bench.scheduler("web.1", {}), bench.scheduler("web.2", {})
    bench.settle(first, second)

    first.close()
    bench.pass_(seconds=0.5)
    bench.settle(second)

    assert second.leadership.term == 2


def test_a_standby_takes_over_at_once_from_one_that_was_stopped(bench: Bench) -> None:
    take_over_at_once(bench)


def test_a_standby_takes_over_when_the_lease_of_a_dead_one_runs_out(bench: Bench) -> None:
    first, second = bench.scheduler("web.1", {}), bench.scheduler("web.2", {})
    bench.settle(first, second)
    waited = 0.0

    while not second.leadership.term:
        bench.pass_(seconds=0.25)
        waited += 0.25
        bench.settle(second)

    assert 2.5 <= waited <= 3.5


def test_a_clock_that_goes_back_does_not_prolong_a_lease(bench: Bench) -> None:
    first, second = bench.scheduler("web.1", {}), bench.scheduler("web.2", {})
    bench.settle(first, second)
    first.leadership.exchange.close()

    bench.put_clock(BEGIN - HOUR)
    bench.pass_(seconds=1)
    bench.settle(second)

    assert second.leadership.term == 2


def wake_with_an_old_schedule(bench: Bench) -> None:
    """A frozen leader, which was taken over from by a new version of the app, comes back."""
    old = bench.scheduler("old", {"x": entry(run_every(minutes=1), singleton=False)})
    bench.settle(old)
    bench.pass_(seconds=10)
    new = bench.scheduler("new", {"x": entry(once_per_day("12:00"))})
    bench.settle(new)
    bench.pass_(minutes=2)
    bench.settle(new)

    # It goes on where it was: in the middle of a step, believing that it leads.
    old.leadership._ask_at = float("inf")
    bench.settle(old)

    assert enqueued() == []
    assert old.leadership.term == 0


def test_a_leader_that_was_frozen_can_do_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    wake_with_an_old_schedule(bench)

    assert "Scheduler old has lost the lead" in caplog.text


def repeat_a_tick_much_later(bench: Bench) -> None:
    """The answer to a batch was lost; it is sent again when nothing else reminds of its task."""
    scheduler = bench.scheduler("one", {"x": entry(run_every(hours=1), singleton=False)})
    bench.settle(scheduler)
    bench.pass_(hours=1)
    ticks = scheduler._agenda.due(bench.now, 10)
    scheduler._make(list(ticks))
    HandWorker().run()
    Task.delete_many([ticks[0].entry.task_id(ticks[0].moment)])
    bench.pass_(minutes=5)

    scheduler._make(list(ticks))

    assert Queue().count() == 0
    assert connection.hget(keys.totals(), "seq") == b"1"


def test_a_tick_that_was_made_is_never_made_again(bench: Bench) -> None:
    repeat_a_tick_much_later(bench)


def repeat_a_tick_without_its_state(bench: Bench) -> None:
    """What became of the entry was lost, its task runs."""
    scheduler = bench.scheduler("one", {"x": entry(run_every(hours=1), singleton=False)})
    bench.settle(scheduler)
    bench.pass_(hours=1)
    ticks = scheduler._agenda.due(bench.now, 10)
    scheduler._make(list(ticks))
    HandWorker().claim()
    connection.delete(keys.entry("x"))

    scheduler._make(list(ticks))

    assert Queue().count() == 0
    assert connection.hget(keys.totals(), "seq") == b"1"


def test_a_tick_whose_task_is_there_is_never_made_again(bench: Bench) -> None:
    repeat_a_tick_without_its_state(bench)


def test_a_redis_that_has_lost_its_last_second_gets_its_ticks_again(bench: Bench) -> None:
    given = entry(run_every(hours=1), singleton=False)
    scheduler = bench.scheduler("one", {"x": given})
    bench.settle(scheduler)
    bench.pass_(hours=1)
    kept = {key: connection.dump(key) for key in connection.keys("*")}
    bench.settle(scheduler)
    assert len(enqueued()) == 1

    connection.flushdb()
    for key, content in kept.items():
        connection.restore(key, 0, content)
    scheduler.leadership.was_cut_off = True  # as after any call without an answer
    bench.pass_(seconds=1)
    bench.settle(scheduler)

    assert enqueued() == ids_of("x", given, BEGIN, bench.now)


def test_a_clock_that_goes_back_repeats_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    given = entry(run_every(minutes=10), singleton=False)
    scheduler = bench.scheduler("one", {"x": given})
    bench.settle(scheduler)
    bench.run(scheduler, BEGIN + 3 * HOUR, 10 * MINUTE)

    bench.put_clock(BEGIN + 2 * HOUR)
    bench.pass_(seconds=1)
    other = bench.scheduler("two", {"x": given})
    bench.settle(scheduler, other)
    bench.run(other, BEGIN + 4 * HOUR, 10 * MINUTE)

    assert enqueued() == ids_of("x", given, BEGIN, BEGIN + 4 * HOUR)
    assert "Redis' clock has gone back 3600 s: no tick is made again" in caplog.text
    assert "Redis' clock has gone back, no ticks until 2026-11-23" in caplog.text


def test_an_emptied_redis_is_another_beginning(bench: Bench) -> None:
    given = entry(run_every(minutes=10), singleton=False)
    scheduler = bench.scheduler("one", {"x": given})
    bench.run(scheduler, BEGIN + HOUR, 10 * MINUTE)
    connection.flushdb()
    bench.set(BEGIN + HOUR)

    bench.pass_(seconds=1)
    bench.settle(scheduler)
    bench.run(scheduler, BEGIN + 2 * HOUR, 10 * MINUTE)

    assert enqueued() == ids_of("x", given, BEGIN + HOUR, BEGIN + 2 * HOUR)


@pytest.mark.parametrize("since", [0, 1], ids=["before it asks", "before a tick"])
def test_in_an_emptied_redis_a_take_over_misses_nothing(bench: Bench, since: float) -> None:
    given = entry(run_every(minutes=10), singleton=False)
    schedule = {"x": given, "rare": entry(once_per_day("12:00"))}
    first, second = bench.scheduler("one", schedule), bench.scheduler("two", schedule)
    bench.settle(first, second)
    connection.flushdb()
    bench.set(BEGIN + MINUTE)
    if since:  # it is refused, where otherwise it finds the lead free
        first.leadership._ask_at += 60
    bench.run(first, BEGIN + HOUR - MINUTE / 2, MINUTE / 2)

    tick = first._agenda.next_at
    assert tick is not None
    first.leadership.exchange.close()
    bench.set(tick + timedelta(seconds=3))
    bench.settle(second)

    assert enqueued() == ids_of("x", given, BEGIN + MINUTE, bench.now)
    assert all(connection.hexists(keys.entry(name), "fp") for name in schedule)


# ---- What the checks are for


FENCE = "if lead[1] ~= ARGV[2] or lead[2] ~= ARGV[3] then return false end"


@pytest.mark.parametrize(
    ("line", "instead", "scenario"),
    [
        pytest.param(FENCE, "", wake_with_an_old_schedule, id="fence removed"),
        pytest.param(
            "  if tonumber(at) <= (tonumber(state[1]) or 0) then",
            "  if false then",
            repeat_a_tick_much_later,
            id="last tick not looked at",
        ),
        pytest.param(
            "  if known(id, true, fn, arguments, now) then return end",
            "",
            repeat_a_tick_without_its_state,
            id="task of that id not looked for",
        ),
        pytest.param(
            "  if how == 'alone' and is_under_way(state[2]) then",
            "  if false then",
            skip_while_under_way,
            id="last task not looked at",
        ),
        pytest.param(
            "redis.call('HDEL', KEYS[1], 'id', 'desc', 'until', 'since')",
            "",
            take_over_at_once,
            id="lead not given up",
        ),
    ],
)
def test_a_planted_bug_is_found(line: str, instead: str, scenario: Any) -> None:
    with altered_scripts({line: instead}), hand_driven_clock(), pytest.raises(AssertionError):
        scenario(Bench())
