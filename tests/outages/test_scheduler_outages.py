"""Redis is away, full, or its answers get lost: ticks are late, none is lost, none comes twice."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from redis_tasks import Queue, keys
from redis_tasks.clock import boottime
from redis_tasks.conf import connection
from redis_tasks.store.client import script
from tests.conftest import Command, StartProxy, StartWorker
from tests.outages.watching import let_pass
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.redis_server import RedisServer
from tests.support.scheduler_process import (
    count_enqueued,
    redis_now,
    short_intervals,
    start_scheduler,
    tick_ids,
    wait_adopted,
    wait_done,
)
from tests.support.waiting import wait_until


def test_a_scheduler_waits_for_redis_and_catches_up(server: RedisServer, command: Command) -> None:
    schedule = short_intervals(5, 0.5)
    process = start_scheduler(command, schedule)
    begin = wait_adopted(schedule)
    wait_until(lambda: count_enqueued() > 10)

    server.stop()
    process.wait_line("out of reach", 20)
    let_pass(4)
    server.start()
    connection.reset()

    process.wait_line("Redis is back", 20)
    end = redis_now()
    wait_done(schedule, end)
    assert tick_ids(schedule, begin, end) <= set(Queue().get_task_ids())
    assert count_enqueued() == Queue().count()
    process.terminate()
    assert process.wait_exit() == 0


def test_a_scheduler_that_starts_before_redis_waits(server: RedisServer, command: Command) -> None:
    server.stop()
    process = start_scheduler(command, short_intervals(1, 0.5))
    process.wait_line("out of reach", 20)

    server.start()
    connection.reset()

    process.wait_line(r"\] enqueued", 20)
    process.terminate()
    assert process.wait_exit() == 0


def test_a_scheduler_says_that_it_believes_every_server(command: Command) -> None:
    url: dict[str, Any] = {"REDIS_URL": "rediss://127.0.0.1:1", "REDIS_TLS_VERIFY": "none"}
    process = start_scheduler(command, {}, wait=False, **url)

    process.wait_line('WARN  redis_tasks.scheduler: REDIS_TLS_VERIFY is "none": ')


def test_lost_answers_repeat_no_tick(
    command: Command, start_proxy: StartProxy, settings_for_test: dict[str, Any]
) -> None:
    proxy = start_proxy()
    schedule = short_intervals(5, 0.5)
    process = start_scheduler(command, schedule, REDIS_URL=proxy.url)
    begin = wait_adopted(schedule)
    wait_until(lambda: count_enqueued() > 5)

    for name in ("tick", "lead", "tick"):
        proxy.lose_reply(script(name).sha, times=2).wait(30)

    end = redis_now()
    wait_done(schedule, end)
    assert tick_ids(schedule, begin, end) <= set(Queue().get_task_ids())
    assert count_enqueued() == Queue().count()
    for task_id in tick_ids(schedule, begin, end):
        process.wait_line(rf"\[{task_id}\] enqueued")
        assert process.text().count(task_id) == 1
    process.terminate()
    assert process.wait_exit() == 0


def test_in_an_emptied_redis_a_scheduler_begins_anew(
    server: RedisServer, command: Command
) -> None:
    schedule = short_intervals(5, 0.5)
    process = start_scheduler(command, schedule)
    wait_adopted(schedule)

    with server.client() as admin:
        admin.flushall()

    process.wait_line("leads", count=2)
    begin = wait_adopted(schedule)
    end = redis_now() + timedelta(seconds=1)
    wait_done(schedule, end)
    assert tick_ids(schedule, begin, end) <= set(Queue().get_task_ids())
    assert count_enqueued() == Queue().count()
    assert all(connection.hexists(keys.entry(name), "fp") for name in schedule)
    process.terminate()
    assert process.wait_exit() == 0


def test_in_a_full_redis_ticks_wait(server: RedisServer, command: Command) -> None:
    schedule = short_intervals(5, 0.5)
    process = start_scheduler(command, schedule)
    begin = wait_adopted(schedule)
    with server.client() as admin:
        admin.config_set("maxmemory-policy", "noeviction")
        admin.config_set("maxmemory", "1")
        process.wait_line("Redis is full: ticks wait until there is room", 20)
        before = count_enqueued()
        let_pass(4)  # longer than a lease
        assert count_enqueued() == before
        admin.config_set("maxmemory", "0")

    process.wait_line("Redis accepts tick again", 20)
    end = redis_now()
    wait_done(schedule, end)
    assert tick_ids(schedule, begin, end) <= set(Queue().get_task_ids())
    assert count_enqueued() == Queue().count()
    assert "leads" not in process.text().partition("leads")[2]
    process.terminate()
    assert process.wait_exit() == 0


def test_a_scheduler_without_a_schedule_recovers_the_tasks_of_dead_workers(
    command: Command, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker()
    task = Queue().enqueue_call(act, [["sleep", 60]])
    ledger.wait_for("start", task.id)
    process = start_scheduler(command, {})
    process.wait_line("SCHEDULE is empty")

    worker.kill()

    process.wait_line(rf"Task .*act \[{task.id}\] requeued: worker .* was lost", 30)
    assert process.exit_code is None


USUAL_BEATS: dict[str, Any] = {
    "WORKER_HEARTBEAT_FREQ": 10,
    "WORKER_HEARTBEAT_TIMEOUT": 60,
    "MAINTENANCE_FREQ": 60,
}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.timeout(120)
def test_ten_thousand_entries_start_quickly_and_cost_nothing_idle(
    command: Command, redis_client: Any
) -> None:
    process = start_scheduler(command, {}, wait=False, measured=False, DAILY=10_000, **USUAL_BEATS)
    process.wait_line("leads", 60)
    wait_until(lambda: connection.exists(keys.entry("daily-9999")), 30)
    # The last entries are on its agenda, too, when it has time to say that it leads on.
    renewed = connection.hget(keys.lead(), "until")
    wait_until(lambda: connection.hget(keys.lead(), "until") != renewed, 30)
    started = cpu_seconds(process.pid)

    began = boottime()
    let_pass(5)

    busy = (cpu_seconds(process.pid) - started) / (boottime() - began)
    assert started < 3, started
    assert busy < 0.01, busy
    clients = [each["name"] for each in redis_client.client_list()]
    assert clients.count("redis_tasks.scheduler") == 1
