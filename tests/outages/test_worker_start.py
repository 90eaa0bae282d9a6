"""How a worker starts, what it refuses, when it ends by itself."""

import signal
from collections.abc import Mapping
from typing import Any

import pytest

from redis_tasks import Queue
from tests.conftest import Command, StartWorker
from tests.outages.watching import starts, wait_for_status
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger
from tests.support.worker_process import MAIN

# As a shell does for nohup and for what it starts in the background.
IGNORING = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]"


def test_wrong_settings_are_listed_all_at_once(start_worker: StartWorker) -> None:
    worker = start_worker(
        wait=False,
        WORKER_HEARTBEAT_FREQ="10",
        SHUTDOWN_TIMEOUT=99,
        REDIS_URL="http://:secret@example.com",
        TASK_MODULES="shop.tasks",
        MAX_CRASHES=True,
        TIMEZONE="Middle/Earth",
        MIDDLEWARE=["not a path"],
    )

    assert worker.wait_exit() == 2

    assert all(line.startswith("Error: ") for line in worker.lines())
    wrong = [
        "REDIS_URL",
        "TASK_MODULES",
        "MIDDLEWARE",
        "MAX_CRASHES",
        "WORKER_HEARTBEAT_FREQ",
        "SHUTDOWN_TIMEOUT",
        "TIMEZONE",
    ]
    assert sorted(line.split()[1] for line in worker.lines()) == sorted(wrong)
    assert "secret" not in worker.text()


def test_a_misspelt_setting_warns_with_what_is_probably_meant(start_worker: StartWorker) -> None:
    worker = start_worker("--burst", wait=False, WORKER_HEARTBEAT_FRQ=3, MY_OWN_SETTING=1)

    assert worker.wait_exit() == 0

    worker.wait_line(
        "WARN .*WORKER_HEARTBEAT_FRQ is not a setting of redis_tasks: did you mean"
        " WORKER_HEARTBEAT_FREQ"
    )
    assert "MY_OWN_SETTING" not in worker.text()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"RT_SETTINGS_MODULE": ""}, "RT_SETTINGS_MODULE"),
        ({"RT_SETTINGS_MODULE": "no.such.settings"}, "no.such.settings"),
        ({"RT_TEST_SETTINGS": "not json"}, "tests.support.worker_settings"),
    ],
    ids=["none", "missing", "broken"],
)
def test_settings_that_do_not_load_are_one_line(
    environment: Mapping[str, str], said: str, start_worker: StartWorker
) -> None:
    worker = start_worker(wait=False, environment=environment)

    assert worker.wait_exit() == 2

    assert len(worker.lines()) == 1, worker.text()
    assert worker.text().startswith("Error: ")
    assert said in worker.text()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"MIDDLEWARE": ["tests.outages.middleware.Any"]}, r"RuntimeError: no such\nlicence"),
        ({"MIDDLEWARE": ["tests.outages.exiting.Any"]}, "SystemExit: usage: exiting.py FILE"),
        ({"MIDDLEWARE": ["tests.support.middleware.Missing"]}, "Missing"),
        ({"WORKER_PRELOAD_FUNCTION": "tests.no_such.module"}, "tests.no_such"),
        ({"WORKER_DESCRIPTION_FUNCTION": "tests.no_such.module"}, "tests.no_such"),
    ],
    ids=[
        "middleware that fails",
        "middleware that exits",
        "missing middleware",
        "missing preload",
        "missing description",
    ],
)
def test_user_code_that_does_not_import_is_one_line(
    values: dict[str, Any], said: str, start_worker: StartWorker
) -> None:
    worker = start_worker(wait=False, **values)

    assert worker.wait_exit() == 2

    assert len(worker.lines()) == 1, worker.text()
    assert worker.text().startswith(f"Error: {next(iter(values))}")
    assert said in worker.text()


def test_a_preload_function_that_fails_shows_where(start_worker: StartWorker) -> None:
    worker = start_worker(wait=False, WORKER_PRELOAD_FUNCTION="tests.outages.preloads.fail")

    assert worker.wait_exit() != 0

    worker.wait_line("RuntimeError: the database is away")
    worker.wait_line("preloads.py")


def test_a_thread_left_by_preload_is_warned_of(start_worker: StartWorker, ledger: Ledger) -> None:
    worker = start_worker(WORKER_PRELOAD_FUNCTION="tests.outages.preloads.start_a_thread")

    worker.wait_line(r"WARN .*Threads are running before the fork \(metrics\)")
    wait_for_status("finished", Queue().enqueue_call(act))


def test_a_burst_worker_does_everything_then_ends(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    outer = [Queue().enqueue_call(kind, [["sleep", 0.01]]) for kind in (act, act_once) * 10]
    outer.append(Queue().enqueue_call(act, [["sleep", 0.2], ["enqueue", "default"]]))

    worker = start_worker("--burst", "--concurrency", "3")

    assert worker.wait_exit() == 0
    assert starts(ledger, outer) == [1] * len(outer)
    assert len(ledger.events("end")) == len(outer) + 1
    assert Queue().count() == 0
    worker.wait_line("shut down", count=3)


def test_a_burst_worker_with_nothing_to_do_ends_at_once(start_worker: StartWorker) -> None:
    worker = start_worker("--burst")

    assert worker.wait_exit() == 0


def test_queues_are_served_in_the_order_in_which_they_are_named(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    made = {
        name: [Queue(name).enqueue_call(act) for _ in range(3)]
        for name in ("low", "high", "middle", "unserved")
    }

    worker = start_worker("high", "middle", "low", "high", "--burst")

    assert worker.wait_exit() == 0
    order = [event.task_id for event in ledger.events("start")]
    assert order == [task.id for name in ("high", "middle", "low") for task in made[name]]
    assert Queue("unserved").count() == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["key", "hang_up"])
def test_the_terminal_ends_a_worker_as_sigterm_does(
    number: signal.Signals, start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act, [["sleep", 60]])
    worker = start_worker()
    ledger.wait_for("start", task.id)

    worker.signal(number)

    assert worker.wait_exit() == 0
    wait_for_status("queued", task)


def test_a_worker_that_was_started_by_nohup_outlives_its_terminal_and_nothing_else(
    command: Command, ledger: Ledger
) -> None:
    worker = command("worker", how={"program": ("-c", f"{IGNORING}; {MAIN}")})
    worker.wait_line("Worker .* started", 20)

    worker.signal(signal.SIGHUP)
    task = Queue().enqueue_call(act)

    wait_for_status("finished", task)
    assert "asked to stop" not in worker.text()
    worker.signal(signal.SIGINT)
    assert worker.wait_exit() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--concurrency", "0"], "concurrency"),
        (["bad\nname"], "name"),
        (["-v", "-q"], "exclude"),
        (["--log-format", "xml"], "log-format"),
    ],
)
def test_wrong_usage_is_refused(
    arguments: list[str], said: str, start_worker: StartWorker
) -> None:
    worker = start_worker(*arguments, wait=False)

    assert worker.wait_exit() == 2

    assert said in worker.text()
    assert "Traceback" not in worker.text()


def test_a_worker_can_be_stopped_while_its_settings_load(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    slow = {"RT_SETTINGS_MODULE": "tests.support.slow_module", "RT_SLOW_IMPORT": "60"}
    worker = start_worker(wait=False, environment=slow)
    ledger.wait_for("importing")

    worker.terminate()

    assert worker.wait_exit() == 0
    assert "Traceback" not in worker.text()
