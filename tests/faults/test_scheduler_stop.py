"""SIGTERM to a scheduler: it has ended within two seconds, whatever keeps it."""

import random
from collections.abc import Callable

import pytest

from redis_tasks import Queue
from tests.conftest import Command, StartServer
from tests.faults.conftest import Within, clock
from tests.support.ledger import Ledger
from tests.support.redis_server import RedisServer
from tests.support.scheduler_process import (
    Schedule,
    count_enqueued,
    short_intervals,
    start_scheduler,
)
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.usefixtures("settings_for_test")

LIMIT = 2  # seconds from SIGTERM to the end
SLOWLY = {"RT_SLOW_IMPORT": "60"}
SLOW: Schedule = {"x": {"task": "tests.support.slow_module.slowly_imported", "every": 1}}


def check_stop(process: WorkerProcess, within: Within, what: str) -> None:
    began = clock()
    process.terminate()

    assert process.wait_exit() == 0
    within(f"signal to exit: {what}", clock() - began, LIMIT)
    assert "Traceback" not in process.text()


@pytest.mark.parametrize("what", ["settings", "tasks"])
def test_a_scheduler_is_stopped_while_it_imports(
    what: str, command: Command, ledger: Ledger, within: Within
) -> None:
    module = {"RT_SETTINGS_MODULE": "tests.support.slow_module"} if what == "settings" else {}
    process = start_scheduler(command, SLOW, wait=False, environment={**SLOWLY, **module})
    ledger.wait_for("importing")

    check_stop(process, within, f"importing {what}")


def test_a_standby_is_stopped(command: Command, within: Within) -> None:
    start_scheduler(command, {}).wait_line("leads")
    process = start_scheduler(command, {})
    process.wait_line("stands by")

    check_stop(process, within, "standing by")


def hang_at_once(server: RedisServer, process: WorkerProcess) -> None:
    server.pause()


def hang_for_a_while(server: RedisServer, process: WorkerProcess) -> None:
    server.pause()
    process.wait_line("out of reach")


def go(server: RedisServer, process: WorkerProcess) -> None:
    server.stop()
    process.wait_line("out of reach")


@pytest.mark.parametrize("happens", [hang_at_once, hang_for_a_while, go])
def test_a_scheduler_is_stopped_while_redis_does_not_answer(
    happens: Callable[[RedisServer, WorkerProcess], None],
    command: Command,
    start_redis: StartServer,
    within: Within,
) -> None:
    server = start_redis()
    process = start_scheduler(command, {}, REDIS_URL=server.url)
    process.wait_line("leads")
    happens(server, process)

    check_stop(process, within, happens.__name__)


def test_a_scheduler_is_stopped_while_the_look_up_of_a_name_hangs(
    command: Command, within: Within
) -> None:
    names = {"RT_NAMES_HANG": "1"}
    process = start_scheduler(
        command, {}, environment=names, REDIS_URL="redis://redis.example:6379"
    )
    process.wait_line("takes longer than")

    check_stop(process, within, "looking a name up")


def test_a_scheduler_is_stopped_in_the_middle_of_a_script(
    command: Command, start_redis: StartServer, within: Within
) -> None:
    server = start_redis()
    process = start_scheduler(command, {}, REDIS_URL=server.url)
    process.wait_line("leads")
    with server.client() as busy, server.client() as admin:
        occupied = busy.connection_pool.get_connection()
        occupied.send_command("EVAL", "while true do end", 0)

        check_stop(process, within, "behind a script")

        admin.script_kill()


def wait_more(count: int) -> None:
    wait_until(lambda: count_enqueued() >= count, 20)


def test_a_scheduler_is_stopped_at_any_moment_among_its_ticks(
    command: Command, within: Within
) -> None:
    """Each next one takes the lead over, and catches up while it is stopped."""
    schedule = short_intervals(200, 0.5)
    draw = random.Random(0)
    for _ in range(3):
        before = count_enqueued()
        process = start_scheduler(command, schedule)
        wait_more(before + draw.randrange(1, 900))

        check_stop(process, within, "among ticks")

        assert process.lines()[-1].endswith("redis_tasks scheduler shut down")
    assert count_enqueued() == Queue().count()
