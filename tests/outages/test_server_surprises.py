"""The server forgets scripts or everything, refuses to write, or its clock jumps."""

import threading
from functools import partial
from pathlib import Path

import pytest

from redis_tasks import Queue, Task, keys
from redis_tasks.clock import boottime
from redis_tasks.conf import connection
from redis_tasks.worker import Worker
from tests.conftest import FAST, StartWorker
from tests.outages.watching import (
    lease_of,
    let_pass,
    seconds_since,
    starts,
    wait_for_beats,
    wait_for_status,
)
from tests.support import process_table
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

LEASE = FAST["WORKER_HEARTBEAT_TIMEOUT"]
HOUR = 3600 * 1000  # ms


def enqueue_waiting(go: Path) -> list[Task]:
    return [Queue().enqueue_call(kind, [["wait_for_file", str(go)]]) for kind in (act, act_once)]


def test_a_server_that_only_reads_for_a_second_is_waited_for(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker = start_worker("--concurrency", "3")
    running = enqueue_waiting(tmp_path / "go")
    for task in running:
        ledger.wait_for("start", task.id)

    with server.client() as client:
        client.replicaof("127.0.0.1", 1)
        worker.wait_line("Redis is out of reach.*(READONLY|read only|readonly)")
        (tmp_path / "go").touch()
        let_pass(1)
        client.replicaof("NO", "ONE")
    later = [Queue().enqueue_call(kind) for kind in (act, act_once)]

    wait_for_status("finished", *running, *later)
    assert starts(ledger, running + later) == [1] * 4


def test_an_enqueue_outlasts_a_server_that_only_reads_for_a_moment(
    server: RedisServer, ledger: Ledger
) -> None:
    first = Queue().enqueue_call(act)
    with server.client() as client:
        client.replicaof("127.0.0.1", 1)
        promotion = threading.Timer(0.5, partial(client.replicaof, "NO", "ONE"))
        promotion.start()

        second = Queue().enqueue_call(act)

        promotion.join()
    assert Queue().get_task_ids() == [first.id, second.id]


def test_scripts_are_sent_again_when_the_server_has_forgotten_them(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker("--concurrency", "2")
    tasks: list[Task] = []

    for number in range(10):
        connection.script_flush()
        tasks += [Queue().enqueue_call(kind, [["enqueue", "inner"]]) for kind in (act, act_once)]
        connection.script_flush()
        ledger.wait_for("end", count=2 * number + 1)

    wait_for_status("finished", *tasks)
    assert starts(ledger, tasks) == [1] * 20
    assert Queue("inner").count() == 20
    assert "WARN" not in worker.text()


def test_a_worker_carries_on_when_redis_was_emptied(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker = start_worker("--concurrency", "2")
    tasks = enqueue_waiting(tmp_path / "go")
    runs = [ledger.wait_for("start", task.id) for task in tasks]
    ids = {known.id for known in Worker.all()}

    with server.client() as client:
        client.flushall()

    for task, run in zip(tasks, runs, strict=True):
        worker.wait_line(rf"Task \S+ \[{task.id}\] is stopped: its run is gone")
        wait_until(partial(is_gone, run.pid), 5)
    wait_until(lambda: len(Worker.all()) == 2)
    assert "was refused" not in worker.text()
    assert ids.isdisjoint(known.id for known in Worker.all())
    later = Queue().enqueue_call(act)
    wait_for_status("finished", later)
    assert "end" not in [event.name for task in tasks for event in ledger.events(task_id=task.id)]


def is_gone(pid: int) -> bool:
    return not process_table.exists(pid)


def jump(milliseconds: int) -> None:
    """Move all that the server's clock has written, as if the clock had jumped the other way.

    (The real clock cannot be set here, and a preloaded library that fakes it is not at hand.)
    """
    back = -milliseconds
    with connection.pipeline(transaction=True) as pipeline:
        for key in (keys.leases("default"), keys.workers()):
            for member, score in connection.zrange(key, 0, -1, withscores=True):
                pipeline.zadd(key, {member: score + back})
        for queue, said in connection.hgetall(keys.guard()).items():
            last, ends = said.split()
            pipeline.hset(keys.guard(), queue, f"{int(last) + back} {int(ends) + back}")
        pipeline.execute()


@pytest.mark.parametrize("hours", [1, -1])
def test_a_jump_of_the_servers_clock_makes_nobody_lose_a_running_task(
    hours: int, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker, other = start_worker("--concurrency", "2"), start_worker()
    tasks = enqueue_waiting(tmp_path / "go")
    for task in tasks:
        ledger.wait_for("start", task.id)

    jump(hours * HOUR)
    for task in tasks:
        wait_for_beats(task, 3)
    (tmp_path / "go").touch()

    wait_for_status("finished", *tasks)
    assert starts(ledger, tasks) == [1, 1]
    assert len(Worker.all()) == 3
    assert "lost" not in worker.text() + other.text()


@pytest.mark.parametrize("hours", [1, -1])
def test_a_jump_of_the_servers_clock_delays_recovery_by_at_most_a_lease(
    hours: int, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    dying = start_worker("--concurrency", "2")
    reentrant, once = enqueue_waiting(tmp_path / "go")
    for task in (reentrant, once):
        ledger.wait_for("start", task.id)
    start_worker()
    dying.kill_all()
    wait_until(lambda: not dying.processes())
    dead_since = boottime()

    jump(hours * HOUR)

    ledger.wait_for("start", reentrant.id, count=2, timeout=3 * LEASE)
    assert seconds_since(dead_since) <= LEASE + 80 / 60 * LEASE + 1
    (tmp_path / "go").touch()
    wait_for_status("finished", reentrant)
    wait_for_status("failed", once)
    assert lease_of(reentrant) is None
