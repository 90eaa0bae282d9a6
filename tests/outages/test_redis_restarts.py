"""Redis ends, hangs or loads for a while: nothing is lost, nobody is stopped without need."""

from pathlib import Path

import pytest

from redis_tasks import Queue, Task, keys
from redis_tasks.clock import boottime
from redis_tasks.conf import connection
from tests.conftest import FAST, StartWorker
from tests.faults.conftest import Within
from tests.outages.watching import let_pass, seconds_since, starts, wait_for_status
from tests.support import process_table
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger
from tests.support.redis_server import RedisServer
from tests.support.slow_module import slowly_imported
from tests.support.waiting import wait_until

# Half a lease is what 30 s are of the default one, seven sixths are 70 s.
LONG_LEASE, LONG_BEAT = 6, 0.75
LEASE = FAST["WORKER_HEARTBEAT_TIMEOUT"]


def enqueue_waiting(go: Path, queue: str = "default") -> list[Task]:
    """Enqueue a reentrant and a non-reentrant task that end when *go* is there."""
    step = ["wait_for_file", str(go)]
    return [Queue(queue).enqueue_call(kind, [step]) for kind in (act, act_once)]


# What a task asks of Redis while it is away: an enqueue is answered within 2 s.
UNHURRIED = {"WORKER_HEARTBEAT_TIMEOUT": 30, "WORKER_HEARTBEAT_FREQ": 1}


def test_a_task_that_saves_its_meta_waits_for_redis(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker = start_worker(**UNHURRIED)
    steps = [["wait_for_file", str(tmp_path / "go")], ["note", "saving"], ["save_meta", "page", 7]]
    task = Queue().enqueue_call(act, steps)
    ledger.wait_for("start", task.id)

    server.stop()
    (tmp_path / "go").touch()
    asked_at = ledger.wait_for("saving", task.id).at
    wait_until(lambda: boottime() > asked_at + 3)  # longer than an enqueue would wait
    server.start()

    wait_for_status("finished", task)
    assert Task.fetch(task.id).meta == {"page": 7}
    assert worker.exit_code is None


def test_a_task_that_enqueues_hears_that_redis_is_away(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    start_worker(**UNHURRIED)
    steps = [["wait_for_file", str(tmp_path / "go")], ["enqueue", "sink"]]
    task = Queue().enqueue_call(act, steps)
    ledger.wait_for("start", task.id)

    server.stop()
    (tmp_path / "go").touch()
    said = ledger.wait_for("exc", task.id).extra
    server.start()

    assert said == "EnqueueFailed"
    wait_for_status("failed", task)
    assert Queue("sink").count() == 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_of_redis_loses_nothing_and_stops_nothing(
    end: str, server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker = start_worker("--concurrency", "2")
    running = enqueue_waiting(tmp_path / "go")
    waiting = [Queue().enqueue_call(kind) for kind in (act, act_once) for _ in range(10)]
    for task in running:
        ledger.wait_for("start", task.id)

    getattr(server, end)()
    worker.wait_line("Redis is out of reach")
    (tmp_path / "go").touch()
    for task in running:
        ledger.wait_for("end", task.id)
    server.start()

    tasks = running + waiting
    wait_for_status("finished", *tasks)
    assert starts(ledger, tasks) == [1] * len(tasks)
    worker.wait_line("Redis is back")
    assert worker.exit_code is None


def test_a_worker_waits_while_redis_loads_its_data(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act)
    with server.client() as client, client.pipeline(transaction=False) as pipeline:
        for number in range(12000):
            pipeline.set(f"ballast {number}", "x" * 64)
        pipeline.execute()
    server.stop()
    # Microseconds a key, so that a worker is up long before the end, on a busy machine too.
    server.options["key-load-delay"] = "300"

    # A server that is loading looks only every 1024 commands whether somebody asks.
    worker = start_worker(wait=False, **UNHURRIED)
    server.start()

    worker.wait_line("Redis is out of reach.*loading", 1)
    worker.wait_line("Worker .* started")
    wait_for_status("finished", task)
    assert starts(ledger, [task]) == [1]


def test_a_hang_of_half_a_lease_interrupts_nothing(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    times = {"WORKER_HEARTBEAT_TIMEOUT": LONG_LEASE, "WORKER_HEARTBEAT_FREQ": LONG_BEAT}
    worker = start_worker("--concurrency", "4", **times)
    running = enqueue_waiting(tmp_path / "go")
    ending = enqueue_waiting(tmp_path / "end")
    for task in running + ending:
        ledger.wait_for("start", task.id)

    server.pause()
    (tmp_path / "end").touch()
    let_pass(LONG_LEASE / 2)
    server.resume()

    wait_for_status("finished", *ending)
    worker.wait_line("Redis is back")
    (tmp_path / "go").touch()
    wait_for_status("finished", *running)
    assert starts(ledger, running + ending) == [1] * 4
    assert "is stopped" not in worker.text()


def test_a_hang_of_more_than_a_lease_stops_reentrant_runs_only_and_recovers_nothing(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    lease = {"WORKER_HEARTBEAT_TIMEOUT": LONG_LEASE}
    worker = start_worker("--concurrency", "2", **lease)
    other = start_worker("others", "--concurrency", "3", **lease)
    wait_for_status("finished", Queue().enqueue_call(act))  # Redis knows the scripts
    reentrant, once = enqueue_waiting(tmp_path / "go")
    ending = enqueue_waiting(tmp_path / "end", "others")
    others = Queue("others").enqueue_call(act_once, [["wait_for_file", str(tmp_path / "go")]])
    first_run = ledger.wait_for("start", reentrant.id)
    for task in (once, *ending, others):
        ledger.wait_for("start", task.id)
    later = [Queue().enqueue_call(act) for _ in range(3)]

    server.pause()
    paused_at = boottime()
    (tmp_path / "end").touch()
    wait_until(lambda: not process_table.exists(first_run.pid), LONG_LEASE)
    stopped_after = seconds_since(paused_at)
    let_pass(LONG_LEASE * 7 / 6 - stopped_after)
    returned_at = server_time_soon(server)

    wait_until(lambda: grace_ends("default") > returned_at and grace_ends("others") > returned_at)
    ledger.wait_for("start", reentrant.id, count=2)
    (tmp_path / "go").touch()
    wait_for_status("finished", reentrant, once, others, *ending, *later)
    assert stopped_after < LONG_LEASE
    order = [event.task_id for event in ledger.events("start")]
    assert order[6] == reentrant.id, "it was not put to the front"
    assert starts(ledger, [reentrant, once, others, *ending, *later]) == [2] + [1] * 7
    reentrant.refresh()
    assert (reentrant.attempt, len(reentrant.aborted_runs)) == (1, 1)
    for wrong in ("was lost", "died", "given up for dead"):
        assert wrong not in worker.text() + other.text()


def test_a_reentrant_task_that_had_not_begun_in_a_long_hang_is_put_back_when_redis_returns(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker(environment={"RT_SLOW_IMPORT": "60"})
    task = Queue().enqueue_call(slowly_imported)
    importing = ledger.wait_for("importing")

    server.pause()
    wait_until(lambda: not process_table.exists(importing.pid), LEASE, worker.text)
    server.resume()

    ledger.wait_for("importing", count=2)
    task.refresh()
    # As any run that never began: neither an attempt nor an interruption.
    assert (task.status, task.run, task.attempt, task.aborted_runs) == ("running", 2, 1, [])


def server_time_soon(server: RedisServer) -> int:
    """Let the server go on; return its time (ms) of then."""
    server.resume()
    with server.client() as client:
        seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def grace_ends(queue: str) -> int:
    """Return when (ms) the grace period of a queue's recovery ends or has ended."""
    said = connection.hget(keys.guard(), queue) or b"0 0"
    return int(said.split()[1])


def test_a_worker_started_while_redis_is_away_works_when_it_comes(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act_once)
    server.stop()

    worker = start_worker(wait=False)
    worker.wait_line("Redis is out of reach")
    assert worker.exit_code is None
    server.start()

    worker.wait_line("Worker .* started")
    wait_for_status("finished", task)
    assert starts(ledger, [task]) == [1]


@pytest.mark.parametrize("end", ["stop", "pause"])
def test_a_worker_that_cannot_reach_redis_still_ends_in_time_when_told_to(
    end: str,
    server: RedisServer,
    start_worker: StartWorker,
    ledger: Ledger,
    within: Within,
) -> None:
    # After the last word to Redis 4 % of that are left to end, too little of a few seconds.
    worker = start_worker("--concurrency", "2", SHUTDOWN_TIMEOUT=12)
    tasks = [Queue().enqueue_call(kind, [["sleep", 60]]) for kind in (act, act_once)]
    for task in tasks:
        ledger.wait_for("start", task.id)

    getattr(server, end)()
    worker.terminate()
    asked_at = boottime()

    assert worker.wait_exit(15) == 0, worker.text()
    within("signal to exit, no Redis", seconds_since(asked_at), 12)
    for task in tasks:
        assert ledger.names(task.id) == ["start", "interrupted"]
        worker.wait_line(rf"Task \S+ \[{task.id}\] left to lease recovery, not settled")
    worker.wait_line("Worker .* shut down")


def test_tasks_of_a_worker_that_died_while_redis_was_away_are_recovered_by_the_next(
    server: RedisServer, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker = start_worker("--concurrency", "2")
    reentrant, once = enqueue_waiting(tmp_path / "go")
    for task in (reentrant, once):
        ledger.wait_for("start", task.id)
    server.stop()
    worker.kill_all()
    server.start()

    start_worker()
    started_at = boottime()

    ledger.wait_for("start", reentrant.id, count=2)
    # Of a lease of 60 s, 40 s are promised where no worker lived meanwhile.
    assert seconds_since(started_at) <= LEASE * 40 / 60 + 2
    (tmp_path / "go").touch()
    wait_for_status("finished", reentrant)
    wait_for_status("failed", once)
    once.refresh()
    assert once.failure_reason == "lost"
