"""Redis is full, or cannot write to its disk: only enqueueing fails, the rest goes on."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_tasks import EnqueueFailed, Queue, RedisFull, Task
from redis_tasks.conf import connection, settings
from redis_tasks.contrib.graph import TaskGraph, chain
from redis_tasks.registries import finished_task_registry
from tests.conftest import StartServer, StartWorker
from tests.outages.tasks import take
from tests.outages.watching import starts, wait_for_beats, wait_for_status
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until


@contextlib.contextmanager
def full(server: RedisServer) -> Iterator[None]:
    """Have no memory left in the server, for the time of a ``with`` block."""
    with server.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            client.config_set("maxmemory", "0")


def test_in_a_full_redis_tasks_are_claimed_renewed_settled_and_cancelled(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    # Else they are too many at once: of a server's memory 15 % are for tasks that are over.
    worker = start_worker("--concurrency", "2", REGISTRIES_MAX_BYTES=1_000_000)
    go = ["wait_for_file", str(tmp_path / "go")]
    reentrant, once = (Queue().enqueue_call(kind, [go]) for kind in (act, act_once))
    for task in (reentrant, once):
        ledger.wait_for("start", task.id)
    waiting = [Queue().enqueue_call(act) for _ in range(5)]
    unwanted = Queue().enqueue_call(act)

    with full(server):
        with pytest.raises(RedisFull) as caught:
            Queue().enqueue_call(act)
        wait_for_beats(reentrant, 3)
        unwanted.cancel()
        (tmp_path / "go").touch()
        wait_for_status("finished", reentrant, once, *waiting)
    Queue().enqueue_call(act)

    assert isinstance(caught.value, EnqueueFailed)
    assert starts(ledger, [reentrant, once, *waiting, unwanted]) == [1] * 7 + [0]
    assert worker.exit_code is None


def test_in_a_full_redis_an_interrupted_task_goes_back_and_its_worker_ends(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker("--concurrency", "2", REGISTRIES_MAX_BYTES=1_000_000)
    reentrant, once = (Queue().enqueue_call(kind, [["sleep", 60]]) for kind in (act, act_once))
    for task in (reentrant, once):
        ledger.wait_for("start", task.id)

    with full(server):
        worker.terminate()
        assert worker.wait_exit() == 0

    wait_for_status("queued", reentrant)
    wait_for_status("failed", once)


def test_a_worker_may_start_while_redis_is_full(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act)

    with full(server):
        start_worker(REGISTRIES_MAX_BYTES=1_000_000)
        wait_for_status("finished", task)


def test_a_task_that_enqueues_into_a_full_redis_is_told_so(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    start_worker(REGISTRIES_MAX_BYTES=1_000_000)
    go = ["wait_for_file", str(tmp_path / "go")]
    task = Queue().enqueue_call(act, [go, ["enqueue", "inner"]])
    ledger.wait_for("start", task.id)

    with full(server):
        (tmp_path / "go").touch()
        wait_for_status("failed", task)

    assert ledger.events("exc", task.id)[0].extra == "RedisFull"
    assert Queue("inner").count() == 0


def test_a_full_redis_drains_itself_and_takes_tasks_again(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger
) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        # What the server itself takes, 2.5 MB of tasks, and 1.5 for what it adds when it is used:
        # scripts, their garbage, a histogram of 25 kB for each command.
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + 4_000_000)
    calls = [{"func": take, "args": ["x" * 2000]}] * 50
    tasks: list[Task] = []
    with contextlib.suppress(RedisFull):
        while len(tasks) < 2000:
            tasks += Queue().enqueue_many(calls)

    worker = start_worker("--burst", "--concurrency", "2", FINISHED_TASKS_MAX=50)

    assert worker.wait_exit(30) == 0
    assert Queue().count() == 0
    assert 100 <= len(tasks) < 2000
    assert starts(ledger, tasks) == [1] * len(tasks)
    assert finished_task_registry.count() <= 50
    assert Queue().enqueue_call(act).status == "queued"


def test_new_tasks_leave_memory_to_those_that_are_queued(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "6000000")
        with contextlib.suppress(RedisFull):
            for _ in range(1000):
                Queue().enqueue_many([{"func": take, "args": ["x" * 100]}] * 100)
        filled = int(client.info("memory")["used_memory"])
        # A single task might still find the room that a hundred did not, or that a buffer leaves.
        client.config_set("maxmemory", "5900000")
        with pytest.raises(RedisFull) as refused:
            Queue().enqueue_call(take, ["x"])
        with pytest.raises(RedisFull) as graph:
            chain([{"func": act}]).enqueue()
        client.set("something of the app's", "still fits")
        client.config_set("maxmemory", "12000000")
        Queue().enqueue_call(take, ["x"])

    assert 0.9 * 6_000_000 < filled < 0.95 * 6_000_000
    assert "for the tasks that are queued" in str(refused.value)
    assert "is full" in str(graph.value)


def test_a_redis_that_evicts_takes_tasks_to_the_last(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", "volatile-lru")
        client.config_set("maxmemory", "6000000")
        with contextlib.suppress(RedisFull):
            for _ in range(1000):
                Queue().enqueue_many([{"func": take, "args": ["x" * 100]}] * 100)
        filled = int(client.info("memory")["used_memory"])

    assert filled > 0.97 * 6_000_000


def test_who_may_not_ask_for_the_memory_may_enqueue(server: RedisServer) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "poor", "on", ">poor", "~*", "+@all", "-info")
    with settings.override(REDIS_URL=f"unix://poor:poor@{server.socket}"):
        tasks = Queue().enqueue_many([{"func": act}] * 100)

    assert [task.status for task in tasks] == ["queued"] * 100


def test_a_redis_that_cannot_save_is_waited_for(
    start_redis: StartServer,
    start_worker: StartWorker,
    ledger: Ledger,
    settings_for_test: dict[str, object],
    tmp_path: Path,
) -> None:
    server = start_redis(options={"save": "3600 1"})
    settings_for_test["REDIS_URL"] = server.url
    with settings.override(REDIS_URL=server.url), server.client() as client:
        connection.reset()
        worker = start_worker()
        task = Queue().enqueue_call(act, [["wait_for_file", str(tmp_path / "go")]])
        ledger.wait_for("start", task.id)
        obstacle = server.folder / "dump.rdb" / "in the way"
        obstacle.mkdir(parents=True)
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")

        worker.wait_line("Redis is out of reach.*MISCONF")
        (tmp_path / "go").touch()
        ledger.wait_for("end", task.id)
        shutil.rmtree(obstacle.parent)
        client.bgsave()

        wait_for_status("finished", task)
        assert starts(ledger, [task]) == [1]


def test_in_a_full_redis_a_graph_waits_and_goes_on_when_there_is_room(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker = start_worker(REGISTRIES_MAX_BYTES=1_000_000)
    graph = chain(
        [{"func": act, "args": [["wait_for_file", str(tmp_path / "go")]]}, {"func": act}]
    )
    graph.enqueue()
    ledger.wait_for("start", graph.nodes[0].task_id)

    with full(server):
        (tmp_path / "go").touch()
        worker.wait_line("Redis is full: the next tasks of graphs have to wait")
        full_states = [node.state for node in TaskGraph.fetch(graph.id).nodes]
        with pytest.raises(RedisFull):
            chain([{"func": act}]).enqueue()
    ledger.wait_for("end", graph.nodes[1].task_id)

    assert full_states == ["finished", "waiting"]
