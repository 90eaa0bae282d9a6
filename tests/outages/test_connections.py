"""Connections are cut, refused, or lead nowhere."""

import contextlib
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import redis

from redis_tasks import Queue, Task, keys
from redis_tasks.clock import boottime
from redis_tasks.conf import connection
from tests.conftest import FAST, StartProxy, StartWorker
from tests.outages.watching import let_pass, seconds_since, starts, wait_for_beats, wait_for_status
from tests.support import process_table
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

LEASE = FAST["WORKER_HEARTBEAT_TIMEOUT"]
RECOVERY = 1.2 * FAST["WORKER_HEARTBEAT_FREQ"]


@pytest.mark.parametrize("how", ["CLIENT KILL", "cut by the network"])
def test_connections_that_are_reset_again_and_again_lose_nothing(
    how: str,
    server: RedisServer,
    start_proxy: StartProxy,
    start_worker: StartWorker,
    ledger: Ledger,
) -> None:
    proxy = start_proxy(server.socket)
    worker = start_worker("--concurrency", "3", REDIS_URL=proxy.url)
    tasks = [
        Queue().enqueue_call(kind, [["sleep", 0.02]])
        for _ in range(40)
        for kind in (act, act_once)
    ]
    seen, resets = 0, 0
    with server.client() as client:
        resetting: dict[str, Callable[[], object]] = {
            "CLIENT KILL": partial(client.client_kill_filter, _type="normal", skipme=True),
            "cut by the network": proxy.cut_all,
        }

        def ended() -> bool:
            # At each event of any task, so at any moment of the worker's talk with Redis.
            nonlocal seen, resets
            if len(ledger.events()) > seen:
                seen = len(ledger.events())
                resets += 1
                resetting[how]()
            return seen >= 2 * len(tasks)

        wait_until(ended, 40)

    wait_for_status("finished", *tasks)
    assert resets >= 20
    assert starts(ledger, tasks) == [1] * len(tasks)
    assert worker.exit_code is None


def test_a_worker_cut_off_for_more_than_a_lease_overlaps_with_nobody(
    start_proxy: StartProxy, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    proxy = start_proxy()
    cut_off = start_worker("--concurrency", "2", REDIS_URL=proxy.url)
    go = ["wait_for_file", str(tmp_path / "go")]
    reentrant, once = (Queue().enqueue_call(kind, [go]) for kind in (act, act_once))
    first_run = ledger.wait_for("start", reentrant.id)
    ledger.wait_for("start", once.id)
    other = start_worker("--concurrency", "2")
    wait_for_beats(once, 1)

    with proxy.partition():
        partition_at = boottime()
        wait_until(lambda: not process_table.exists(first_run.pid), LEASE)
        killed_at = boottime()
        second_run = ledger.wait_for("start", reentrant.id, count=2)
        wait_for_status("failed", once)
        lost_after = seconds_since(partition_at)
        reason = Task.fetch(once.id).failure_reason
        (tmp_path / "go").touch()
        let_pass(LEASE * 7 / 6 - seconds_since(partition_at))

    wait_for_status("finished", reentrant, once)
    assert killed_at < second_run.at, "two runs overlapped"
    assert reason == "lost"
    # Kill, then recovery: in seconds of a lease of 60 at most 80 after the last beat.
    assert lost_after <= LEASE + RECOVERY + 1
    assert starts(ledger, [reentrant, once]) == [2, 1]
    other.wait_line(rf"\[{reentrant.id}\] requeued: worker .* was lost")
    other.wait_line(rf"\[{once.id}\] failed \(lost\): worker .* was lost")
    once.refresh()
    assert (once.failure_reason, once.error_message) == (None, None)
    cut_off.wait_line(rf"\[{once.id}\] finished")
    cut_off.wait_line("had been given up for dead")


def test_a_result_that_comes_late_while_the_task_is_lost_for_good_counts_once(
    start_proxy: StartProxy, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    proxy = start_proxy()
    cut_off = start_worker(REDIS_URL=proxy.url)
    once = Queue().enqueue_call(
        act_once, [["wait_for_file", str(tmp_path / "go")], ["raise_error", "late but true"]]
    )
    ledger.wait_for("start", once.id)
    start_worker("others")

    with proxy.partition():
        wait_for_status("failed", once)
    proxy.cut_all()
    (tmp_path / "go").touch()

    cut_off.wait_line(rf"\[{once.id}\] failed")
    once.refresh()
    assert once.failure_reason == "exception"
    assert "late but true" in str(once.error_message)
    assert starts(ledger, [once]) == [1]


def test_a_worker_waits_for_a_connection_while_redis_has_none_left(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act)
    with server.client() as client, contextlib.ExitStack() as others:
        client.config_set("maxclients", 12)
        with contextlib.suppress(redis.ConnectionError):
            for _ in range(12):
                others.enter_context(server.client(single_connection_client=True))

        worker = start_worker(wait=False)
        worker.wait_line("Redis is out of reach")
        assert worker.exit_code is None
        others.close()

        worker.wait_line("Worker .* started")
        wait_for_status("finished", task)


def listens() -> bool:
    """Tell whether some worker waits to be woken."""
    return any("b" in client["flags"] for client in connection.client_list())


def test_a_task_whose_wake_up_was_lost_is_picked_up_within_seconds(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker()
    wait_until(listens)

    # In one step, so that the token is gone before it wakes anybody.
    with connection.pipeline(transaction=True) as pipeline:
        task = Queue().enqueue_call(act, pipeline=pipeline)
        pipeline.delete(keys.wake("default"))
        pipeline.execute()
    lost_at = boottime()

    started = ledger.wait_for("start", task.id)
    assert started.at - lost_at <= 5


def test_a_worker_without_room_gives_back_a_wake_up_it_cannot_use(
    start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    # With this lease it listens 2.4 s at a time: long enough to get busy while it listens.
    worker = start_worker(WORKER_HEARTBEAT_TIMEOUT=30, WORKER_HEARTBEAT_FREQ=5)
    wait_until(listens)
    with connection.pipeline(transaction=True) as pipeline:
        first = Queue().enqueue_call(
            act, [["wait_for_file", str(tmp_path / "go")]], pipeline=pipeline
        )
        pipeline.delete(keys.wake("default"))
        pipeline.execute()
    # A new workhorse looks for a task at once, while its supervisor still listens.
    process_table.signal_process(worker.workhorses()[0], signal.SIGKILL)
    ledger.wait_for("start", first.id)
    assert listens(), "it does not listen any more"

    second = Queue().enqueue_call(act)

    wait_until(lambda: not listens(), 1)
    wait_until(lambda: connection.llen(keys.wake("default")) == 1, 1)
    (tmp_path / "go").touch()
    wait_for_status("finished", first, second)


def test_a_worker_uses_two_connections_and_a_task_that_reads_one_more(
    start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    go = ["wait_for_file", str(tmp_path / "go")]
    worker = start_worker("--concurrency", "4")
    wait_until(lambda: len(worker.workhorses()) == 4)
    horses = set(worker.workhorses())
    tasks = [
        Queue().enqueue_call(act, [["save_meta", "k", 1], ["enqueue", "later"], go])
        for _ in range(3)
    ]
    tasks.append(Queue().enqueue_call(act, [["count_queue", "later"], go]))
    wait_until(lambda: len(ledger.events("enqueued")) == 3 and ledger.events("counted"))

    def named(name: str) -> int:
        return sum(client["name"] == name for client in connection.client_list())

    assert 1 <= named("redis_tasks.worker") <= 2
    assert named("redis_tasks.reader") == 2, "this process has one, too"
    (tmp_path / "go").touch()
    wait_for_status("finished", *tasks)
    wait_until(lambda: named("redis_tasks.reader") == 1)
    assert set(worker.workhorses()) == horses, "its workhorse stayed, and closed it"


def test_a_worker_that_stops_gives_back_the_connection_that_it_needs_no_more(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker("--concurrency", "2")
    task = Queue().enqueue_call(act, [["postpone", 2]])
    ledger.wait_for("postponed", task.id)
    wait_until(listens)

    worker.terminate()
    worker.wait_line("is asked to stop")

    wait_until(lambda: not listens(), 1)
    assert worker.exit_code is None
    wait_for_status("queued", task)
    assert worker.wait_exit() == 0
