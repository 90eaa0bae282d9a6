"""The middleware Timing counts runs and their time."""

from pathlib import Path

import pytest

from redis_tasks import Queue, TWorker
from redis_tasks.conf import connection
from redis_tasks.contrib.timing import Timed, Timing, timings
from redis_tasks.store import client, scripts
from tests.conftest import StartWorker, UseSettings
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until

TIMING = ["redis_tasks.contrib.timing.Timing"]
ACT = "tests.support.actions.act"


def test_runs_are_counted_by_function_and_queue(use_settings: UseSettings, ledger: Ledger) -> None:
    use_settings(MIDDLEWARE=TIMING)
    Queue("mail").enqueue_many([{"func": act, "args": [["sleep", 0.05]]}] * 2)
    Queue("mail").enqueue_call(act, [["raise_error", "no"]])
    Queue("other").enqueue_call(act)

    TWorker(["mail", "other"]).run(raise_on_failure=False)

    mail, other = timings()
    assert (mail.func, mail.queue, mail.finished, mail.failed) == (ACT, "mail", 2, 1)
    assert (other.func, other.queue, other.finished, other.failed) == (ACT, "other", 1, 0)
    assert mail.seconds >= 0.1


def test_a_workhorse_counts_through_its_supervisor(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    Queue().enqueue_call(act)
    start_worker(MIDDLEWARE=TIMING)

    wait_until(timings, 10)

    assert [(timed.finished, timed.failed) for timed in timings()] == [(1, 0)]


def test_the_totals_of_very_many_functions_are_bounded(settings_for_test: object) -> None:
    for number in range(1001):
        client.run(scripts.count_run(f"f{number}", "q", "finished", 1.5))
    client.run(scripts.count_run("f7", "q", "failed", 0.25))

    totals = timings()

    assert len(totals) == 1001
    assert totals[0] == Timed("", "", 1, 0, 1.5)
    assert Timed("f7", "q", 1, 1, 1.75) in totals


def test_a_redis_that_is_away_fails_no_task(
    use_settings: UseSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use_settings(REDIS_URL=f"unix://{tmp_path}/nobody")

    Timing().observe("f", "q", "finished", 1.0)

    assert "A run of f was not counted: " in caplog.text


def test_the_totals_are_those_of_one_key(settings_for_test: object) -> None:
    client.run(scripts.count_run("f", "q", "finished", 1.5))

    keys = connection.keys("*:timing")

    assert len(keys) == 1
    connection.delete(*keys)
    assert timings() == []
