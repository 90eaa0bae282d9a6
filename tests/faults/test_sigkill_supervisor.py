"""A supervisor dies, alone or with all of its processes; another worker takes its tasks back."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_tasks import Queue, conf, keys
from redis_tasks.conf import connection, settings
from redis_tasks.worker import Worker
from tests.conftest import StartWorker
from tests.faults.conftest import Arrive, Within, clock
from tests.faults.moments import (
    ACT,
    BEFORE_ACK,
    CLAIM,
    IMPORT,
    KINDS,
    LONG,
    MIDDLEWARE_AFTER,
    MIDDLEWARE_BEFORE,
    POSTPONED,
    USER_CODE,
    Moment,
    Scene,
)
from tests.faults.outcomes import becomes, state
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.process_table import exists
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

SHORT_LEASE = {"WORKER_HEARTBEAT_FREQ": 0.5, "WORKER_HEARTBEAT_TIMEOUT": 3}

WAYS = {"sigkill": WorkerProcess.kill, "sigkill_to_all": WorkerProcess.kill_all}

both_ways = pytest.mark.parametrize("way", WAYS)
at_every_moment = pytest.mark.parametrize(
    "moment",
    [CLAIM, IMPORT, MIDDLEWARE_BEFORE, USER_CODE, POSTPONED, MIDDLEWARE_AFTER, BEFORE_ACK],
    ids=lambda moment: moment.name,
)


@pytest.fixture(autouse=True)
def _short_lease(settings_for_test: dict[str, object]) -> Iterator[None]:
    settings_for_test.update(SHORT_LEASE)
    with settings.override(**SHORT_LEASE):
        yield


def promise() -> float:
    """Seconds from the kill to the recovery: a lease, and 20 s as long as a beat is 10 s."""
    return SHORT_LEASE["WORKER_HEARTBEAT_TIMEOUT"] + 2 * SHORT_LEASE["WORKER_HEARTBEAT_FREQ"]


def kill(way: str, scene: Scene, within: Within) -> float:
    """Kill and return when; the workhorses are gone at once, too."""
    workhorses = scene.worker.workhorses()
    killed_at = clock()
    WAYS[way](scene.worker)
    wait_until(lambda: not any(map(exists, workhorses)))
    within("kill to the workhorses' end", clock() - killed_at, 1)
    return killed_at


@both_ways
@at_every_moment
def test_a_lost_reentrant_task_goes_to_the_front(
    moment: Moment, way: str, arrive: Arrive, start_worker: StartWorker, within: Within
) -> None:
    start_worker("other", wait=False)
    scene = arrive(moment, "reentrant")

    killed_at = kill(way, scene, within)

    wait_until(lambda: scene.task_now().status == "queued", message=scene.worker.text)
    within("kill to recovery", clock() - killed_at, promise())
    task = scene.task_now()
    assert (task.run, task.attempt, len(task.aborted_runs)) == (1, 1, 1)
    assert scene.line() == ["task", "behind"]


@both_ways
@at_every_moment
def test_a_lost_task_for_once_has_failed(
    moment: Moment, way: str, arrive: Arrive, start_worker: StartWorker, within: Within
) -> None:
    start_worker("other", wait=False)
    scene = arrive(moment, "once")

    killed_at = kill(way, scene, within)

    wait_until(lambda: scene.task_now().status == "failed", message=scene.worker.text)
    within("kill to recovery", clock() - killed_at, promise())
    task = scene.task_now()
    assert task.failure_reason == "lost"
    assert "may or may not have begun" in str(task.error_message)
    assert scene.line() == ["behind"]


def test_a_busy_worker_recovers_what_another_lost_by_sigkill(
    start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    first = Queue().enqueue_call(act, [["sleep", LONG]])
    lost = start_worker()
    ledger.wait_for("start", first.id)
    Queue().enqueue_call(act, [["wait_for_file", str(tmp_path / "go")]])
    busy = start_worker()
    ledger.wait_for("start", count=2)

    lost.kill_all()
    becomes(first, "queued")
    (tmp_path / "go").touch()

    again = ledger.wait_for("start", first.id, count=2)
    assert again.pid in busy.workhorses()
    busy.wait_line(rf"\[{first.id}\] requeued: worker .* was lost")


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_worker_that_starts_recovers_after_a_sigkill_of_all(
    kind: str, start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    lost = start_worker()
    task = Queue().enqueue_call(ACT[kind], [["sleep", LONG]])
    ledger.wait_for("start")
    lost.kill_all()
    wait_until(lambda: is_overdue(task.id))

    start_worker()
    started_at = clock()

    if kind == "reentrant":
        ledger.wait_for("start", task.id, count=2)
    else:
        assert becomes(task, "failed") == ("failed", "lost")
    # 40 s, as long as a beat is 10 s.
    within("start to recovery", clock() - started_at, 4 * SHORT_LEASE["WORKER_HEARTBEAT_FREQ"])


def is_overdue(task_id: str) -> bool:
    """Tell whether the guard, too, is over: nobody has recovered for that long."""
    seconds, microseconds = connection.time()
    expiry = connection.zscore(keys.leases("default"), task_id)
    now = seconds + microseconds / 1e6
    return expiry is not None and now - expiry / 1000 > conf.guard()


def test_a_task_whose_workers_die_again_and_again_is_poison(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    rescuer = start_worker("other", MAX_CRASHES=2)
    task = Queue().enqueue_call(act, [["sleep", LONG]])

    for number in (1, 2):
        lost = start_worker(MAX_CRASHES=2)
        ledger.wait_for("start", count=number)
        lost.kill_all()
        rescuer.wait_line(r"worker .* was lost", count=number)

    assert state(task) == ("failed", "poison")
    assert ledger.names(task.id) == ["start", "start"]


def test_a_worker_lost_by_sigkill_is_marked_dead(start_worker: StartWorker) -> None:
    watcher = start_worker()
    watching = watcher.wait_line(r"Worker .* \[(.*)\] started")[1]
    lost = start_worker()
    worker_id = lost.wait_line(r"Worker .* \[(.*)\] started")[1]
    assert Worker.fetch(worker_id).state == "idle"

    lost.kill_all()

    watcher.wait_line(rf"Worker .* \[{worker_id}\] died")
    dead = Worker.fetch(worker_id)
    assert dead.state == "dead"
    assert dead.shutdown_at is not None
    assert [worker.id for worker in Worker.all()] == [watching]


def test_a_frozen_workhorse_does_not_outlive_its_supervisor(
    arrive: Arrive, within: Within
) -> None:
    scene = arrive(USER_CODE, "reentrant")
    os.kill(scene.workhorse, signal.SIGSTOP)

    kill("sigkill", scene, within)

    assert not scene.worker.processes()
