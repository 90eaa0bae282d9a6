"""Sentry hears of failed tasks, with SDK and transport as they are in production."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk

from redis_tasks import Queue, Task, TWorker, keys
from redis_tasks.clock import boottime
from redis_tasks.conf import connection
from redis_tasks.contrib import sentry
from redis_tasks.contrib.sentry_monitors import monitor_config, slug
from redis_tasks.schedules import crontab, run_every
from tests.conftest import StartWorker, UseSettings
from tests.support.actions import act, act_briefly, act_once
from tests.support.ledger import Ledger
from tests.support.sentry_server import SentryServer
from tests.support.sentry_setup import fail_openly, fail_with_secret
from tests.support.worker_process import WorkerProcess

MIDDLEWARE = ["redis_tasks.contrib.sentry.SentryMiddleware"]
ACT = "tests.support.actions.act"

StartReporting = Callable[..., WorkerProcess]


@pytest.fixture
def server() -> Iterator[SentryServer]:
    server = SentryServer()
    yield server
    server.close()


@pytest.fixture
def start_reporting(start_worker: StartWorker, server: SentryServer) -> StartReporting:
    """Start a worker that reports to the server."""

    def start(*arguments: str, **values: Any) -> WorkerProcess:
        given = {
            "MIDDLEWARE": MIDDLEWARE,
            "WORKER_PRELOAD_FUNCTION": "tests.support.sentry_setup.init",
        }
        environment = {"RT_SENTRY_DSN": server.dsn}
        if "SCHEDULE" in values:
            environment["RT_SETTINGS_MODULE"] = "tests.support.schedule_settings"
        return start_worker(*arguments, environment=environment, **{**given, **values})

    return start


@pytest.fixture
def sdk() -> Iterator[Callable[..., None]]:
    """Configure the SDK in this process: `sdk(server)`."""

    def init(server: SentryServer, **options: Any) -> None:
        given = {"traces_sample_rate": 1.0, "default_integrations": False, "http_proxy": ""}
        sentry_sdk.init(server.dsn, auto_enabling_integrations=False, **{**given, **options})

    yield init
    sentry_sdk.get_client().close(timeout=0.1)
    sentry_sdk.get_global_scope().set_client(None)


def test_a_failed_task_is_an_event_that_says_which_task_it_was(
    start_reporting: StartReporting, server: SentryServer, ledger: Ledger
) -> None:
    task = Queue("mail").enqueue_call(act_once, [["raise_error", "no such order"]])
    start_reporting("mail")

    event = server.wait_for("event")[0]

    error = event["exception"]["values"][-1]
    assert (error["type"], error["value"]) == ("ValueError", "no such order")
    assert error["mechanism"] == {"type": "redis_tasks", "handled": False}
    context = event["contexts"]["redis_tasks"]
    assert (context["task_id"], context["queue"], context["attempt"]) == (task.id, "mail", 1)
    assert context["function"] == event["tags"]["redis_tasks.function"] == f"{ACT}_once"
    assert context["call"] == f"{ACT}_once(['raise_error', 'no such order'])"
    assert event["transaction"] == f"{ACT}_once"


def test_a_run_is_a_transaction_within_the_trace_that_enqueued_it(
    start_reporting: StartReporting,
    server: SentryServer,
    sdk: Callable[..., None],
    ledger: Ledger,
) -> None:
    sdk(server)
    with sentry_sdk.start_transaction(op="http.server", name="/buy"):
        task = Queue().enqueue_call(act_once, [["raise_error", "no"]])
    sentry_sdk.flush()

    start_reporting()

    bought, ran = server.wait_for("transaction", 2)
    (published,) = bought["spans"]
    processed = ran["contexts"]["trace"]
    assert (published["op"], processed["op"]) == ("queue.publish", "queue.process")
    assert published["data"]["messaging.message.id"] == task.id
    assert processed["data"]["messaging.message.id"] == task.id
    assert processed["data"]["messaging.destination.name"] == "default"
    assert processed["data"]["messaging.message.receive.latency"] >= 0
    assert processed["trace_id"] == bought["contexts"]["trace"]["trace_id"]
    assert processed["parent_span_id"] == published["span_id"]
    assert processed["status"] == "internal_error"
    event = server.wait_for("event")[0]
    assert event["contexts"]["trace"]["span_id"] == processed["span_id"]


def test_the_shortest_task_reports_always(
    start_reporting: StartReporting, server: SentryServer, ledger: Ledger
) -> None:
    tasks = Queue().enqueue_many([{"func": act}] * 20)
    worker = start_reporting("--burst", WORKHORSE_MAX_TASKS=1)

    assert worker.wait_exit(60) == 0

    told = [sent["contexts"]["redis_tasks"]["task_id"] for sent in server.items("transaction")]
    assert sorted(told) == sorted(task.id for task in tasks)


def test_no_secret_is_sent_however_it_is_called(
    start_reporting: StartReporting,
    server: SentryServer,
    sdk: Callable[..., None],
    ledger: Ledger,
) -> None:
    sdk(server)
    with sentry_sdk.start_transaction(op="http.server", name="/buy"):
        Queue().enqueue_call(fail_with_secret, ["ann", "hunter2"])
        Queue().enqueue_call(fail_with_secret, ["ann"], {"token": "hunter2"})
    sentry_sdk.flush()
    start_reporting(WORKER_PRELOAD_FUNCTION="tests.support.sentry_setup.init_with_stacks")

    events = server.wait_for("event", 6)  # two failures, and two messages before each

    server.wait_for("transaction", 3)
    assert b"hunter2" not in server.raw
    assert b"is not allowed to use [redacted]" in server.raw
    assert b"GET https://x/?key=[redacted]" in server.raw
    assert "token='[redacted]'" in events[-1]["contexts"]["redis_tasks"]["call"]


def test_the_variables_of_a_task_without_secrets_are_sent(
    start_reporting: StartReporting, server: SentryServer, ledger: Ledger
) -> None:
    Queue().enqueue_call(fail_openly, ["ann"])
    start_reporting()

    event = server.wait_for("event")[0]

    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert {"user": "'ann'"} in [frame.get("vars") for frame in frames]


def test_a_task_that_could_not_begin_is_an_event(
    start_reporting: StartReporting, server: SentryServer, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act)
    connection.hset(keys.task(task.id), "fn", "tests.support.actions.gone")
    start_reporting()

    event = server.wait_for("event")[0]

    assert event["exception"]["values"][-1]["type"] == "Unimportable"
    assert event["contexts"]["redis_tasks"]["task_id"] == task.id


@pytest.mark.parametrize("func", [act, act_once], ids=["reentrant", "not reentrant"])
def test_an_interrupted_run_is_a_transaction_and_an_event_only_if_it_has_failed(
    func: Callable[..., None],
    start_reporting: StartReporting,
    server: SentryServer,
    ledger: Ledger,
) -> None:
    task = Queue().enqueue_call(func, [["sleep", 30]])
    worker = start_reporting()
    ledger.wait_for("start", task.id)

    worker.terminate_all()

    assert worker.wait_exit() == 0
    assert len(server.items("transaction")) == 1
    told = [event["exception"]["values"][-1]["type"] for event in server.items("event")]
    assert told == ([] if func is act else ["TaskAborted"])


def test_a_run_that_was_killed_is_an_event_of_the_trace_that_enqueued_it(
    start_reporting: StartReporting,
    server: SentryServer,
    sdk: Callable[..., None],
    ledger: Ledger,
) -> None:
    sdk(server)
    with sentry_sdk.start_transaction(op="http.server", name="/buy") as bought:
        task = Queue().enqueue_call(act_once, [["die"]])
    start_reporting()

    event = server.wait_for("event")[0]

    assert event["exception"]["values"][-1]["type"] == "TaskAborted"
    assert "killed by SIGSEGV" in event["exception"]["values"][-1]["value"]
    assert event["contexts"]["redis_tasks"]["task_id"] == task.id
    assert event["contexts"]["trace"]["trace_id"] == bought.trace_id


def test_a_task_that_was_killed_at_a_shutdown_is_reported_by_another_worker(
    start_reporting: StartReporting, server: SentryServer, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act_once, [["swallow", 60]])
    stopped = start_reporting(SHUTDOWN_TIMEOUT=2)
    ledger.wait_for("working", task.id)

    stopped.terminate_all()
    assert stopped.wait_exit() == 0
    told = server.items("event")
    start_reporting()

    event = server.wait_for("event")[0]
    assert told == []
    assert event["contexts"]["redis_tasks"]["task_id"] == task.id
    assert "the worker was shut down" in event["exception"]["values"][-1]["value"]


def test_a_workhorse_shares_no_connection_with_its_supervisor(
    start_reporting: StartReporting, server: SentryServer, ledger: Ledger
) -> None:
    Queue().enqueue_many([{"func": act, "args": [["sleep", 0.5]]}] * 2)
    preload = "tests.support.sentry_setup.init_and_report"

    start_reporting("--concurrency", "2", WORKER_PRELOAD_FUNCTION=preload)

    server.wait_for("event")
    server.wait_for("transaction", 2)
    assert len(server.ports("transaction")) == 2
    assert server.ports("event").isdisjoint(server.ports("transaction"))


def test_without_sentry_everything_goes_on_as_if_there_were_none(
    use_settings: UseSettings, ledger: Ledger
) -> None:
    use_settings(MIDDLEWARE=MIDDLEWARE)
    task = Queue().enqueue_call(act)

    worker = TWorker()
    worker.run()

    assert [done.id for done in worker.succeeded] == [task.id]
    assert connection.hget(keys.task(task.id), "meta") is None


def test_while_sentry_is_away_not_every_task_waits_for_it(sdk: Callable[..., None]) -> None:
    server = SentryServer(mute=True)
    sdk(server, shutdown_timeout=2)
    sentry_sdk.capture_message("lost")

    took = []
    for _ in range(2):
        began = boottime()
        sentry._flush(sentry_sdk.get_client())
        took.append(boottime() - began)
    sentry._patience.quiet_until = 0.0
    server.close()

    assert took[0] >= 2
    assert took[1] < 2


# ---- The schedule


def enqueue_tick(entry_id: str, func: Callable[..., None], *steps: list[Any]) -> Task:
    task = Task(func, steps)
    task.headers["schedule"] = entry_id
    Queue().push(task)
    return task


@pytest.mark.parametrize("steps", [[], [["raise_error", "no"]]], ids=["ok", "error"])
def test_a_tick_checks_in_with_a_monitor_made_from_the_schedule(
    steps: list[Any],
    use_settings: UseSettings,
    server: SentryServer,
    sdk: Callable[..., None],
    ledger: Ledger,
) -> None:
    entry = {"task": ACT, "schedule": crontab("5 4 * * mon"), "timezone": "Europe/Berlin"}
    use_settings(MIDDLEWARE=MIDDLEWARE, SCHEDULE={"Nightly report": entry})
    sdk(server)
    enqueue_tick("Nightly report", act, *steps)

    TWorker().run(raise_on_failure=False)

    began, ended = server.wait_for("check_in", 2)
    assert began["monitor_slug"] == ended["monitor_slug"] == "nightly-report"
    assert began["check_in_id"] == ended["check_in_id"]
    assert (began["status"], ended["status"]) == ("in_progress", "error" if steps else "ok")
    assert began["monitor_config"]["timezone"] == "Europe/Berlin"
    schedule = {"type": "crontab", "value": "5 4 * * mon"}
    assert ended["monitor_config"]["schedule"] == schedule
    assert ended["duration"] >= 0


def test_a_tick_that_took_too_long_checks_in_as_failed(
    start_reporting: StartReporting, server: SentryServer, ledger: Ledger
) -> None:
    start_reporting(SCHEDULE={"nightly": {"task": ACT, "every": 3600}})

    enqueue_tick("nightly", act_briefly, ["sleep", 60])

    began, ended = server.wait_for("check_in", 2)
    assert (began["status"], ended["status"]) == ("in_progress", "error")
    assert began["check_in_id"] == ended["check_in_id"]
    assert ended["monitor_config"]["max_runtime"] == 1


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (run_every(minutes=90), {"type": "interval", "value": 90, "unit": "minute"}),
        (run_every(hours=6), {"type": "interval", "value": 6, "unit": "hour"}),
        (run_every(hours=48), {"type": "interval", "value": 2, "unit": "day"}),
        (run_every(seconds=90), None),
        (crontab("@hourly"), {"type": "crontab", "value": "@hourly"}),
    ],
)
def test_a_schedule_is_told_in_sentrys_words_where_it_has_some(
    schedule: object, expected: object, settings_for_test: object
) -> None:
    config = monitor_config({"schedule": schedule}, 86_400)

    assert (config and config["schedule"]) == expected
    assert config is None or json.loads(json.dumps(config))["max_runtime"] == 1440


def test_a_monitor_has_a_name_that_sentry_takes() -> None:
    assert slug("Mail: daily/weekly") == "mail-daily-weekly"
    assert len(slug("x" * 80)) == 50
