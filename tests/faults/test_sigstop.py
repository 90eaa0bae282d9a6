"""Processes that freeze and wake up again, later than anybody waited for them."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_tasks import Queue, keys
from redis_tasks.conf import connection, settings
from redis_tasks.worker import Worker
from tests.conftest import StartWorker
from tests.faults.conftest import Arrive, Within, clock
from tests.faults.moments import ACT, BEFORE_ACK, IMPORT, KINDS, LONG
from tests.faults.outcomes import becomes, state
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.process_table import exists
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

SHORT_LEASE = {"WORKER_HEARTBEAT_FREQ": 0.5, "WORKER_HEARTBEAT_TIMEOUT": 3}
REFUSED = r"run 1 was refused \(lost\)"
REBORN = "had been given up for dead"
STARTED = re.compile(r"Worker .* \[(.*)\] started")


@pytest.fixture(autouse=True)
def _short_lease(settings_for_test: dict[str, object]) -> Iterator[None]:
    settings_for_test.update(SHORT_LEASE)
    with settings.override(**SHORT_LEASE):
        yield


def wait_for_beats(worker: WorkerProcess) -> None:
    """Return once the worker has given two signs of life more."""
    seen = {beat_of(worker)}

    def beaten() -> bool:
        seen.add(beat_of(worker))
        return len(seen) > 2

    wait_until(beaten, message=worker.text)


def beat_of(worker: WorkerProcess) -> float | None:
    ids = [line[1] for line in map(STARTED.search, worker.lines()) if line]
    beat: float | None = connection.zscore(keys.workers(), ids[-1])
    return beat


def lines_like(worker: WorkerProcess, part: str) -> list[str]:
    return [line for line in worker.lines() if part in line]


def test_the_outcome_of_a_worker_that_froze_past_its_lease_is_refused_once(
    start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    task = Queue().enqueue_call(act, [["wait_for_file", str(tmp_path / "go")]])
    frozen = start_worker()
    ledger.wait_for("start", task.id)
    rescuer = start_worker()

    frozen.stop()
    second = ledger.wait_for("start", task.id, count=2)
    (tmp_path / "go").touch()
    ledger.wait_for("end", task.id, count=2)
    becomes(task, "finished")
    frozen.cont()

    frozen.wait_line(REFUSED)
    frozen.wait_line(REBORN)
    assert second.pid in rescuer.workhorses()
    task.refresh()
    assert (task.status, task.run) == ("finished", 2)
    assert len(lines_like(frozen, "was refused")) == 1
    assert len(lines_like(frozen, REBORN)) == 1


def test_a_reentrant_run_that_was_lost_is_killed_when_its_supervisor_wakes_up(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act, [["sleep", LONG]])
    frozen = start_worker()
    superseded = ledger.wait_for("start", task.id)
    rescuer = start_worker()

    frozen.stop()
    second = ledger.wait_for("start", task.id, count=2)
    frozen.cont()

    wait_until(lambda: not exists(superseded.pid), message=frozen.text)
    frozen.wait_line("is stopped: its run is lost")
    assert "out of reach" not in frozen.text()
    assert exists(second.pid)
    task.refresh()
    assert (task.status, task.run) == ("running", 2)
    assert rescuer.exit_code is None


def test_a_worker_given_up_for_dead_registers_anew(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    frozen = start_worker()
    before = frozen.wait_line(r"Worker .* \[(.*)\] started")[1]
    watcher = start_worker("other")

    frozen.stop()
    watcher.wait_line(rf"\[{before}\] died")
    frozen.cont()
    after = frozen.wait_line(r"Worker .* \[(.*)\] started", count=2)[1]
    task = Queue().enqueue_call(act)

    ledger.wait_for("end", task.id)
    assert after != before
    assert Worker.fetch(before).state == "dead"
    assert Worker.fetch(after).state in ("idle", "busy")
    assert len(lines_like(frozen, REBORN)) == 1


@pytest.mark.parametrize("is_over_before", [True, False], ids=["over_before", "over_after"])
def test_the_late_result_of_a_task_for_once_is_accepted(
    is_over_before: bool, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    task = Queue().enqueue_call(ACT["once"], [["wait_for_file", str(tmp_path / "go")]])
    frozen = start_worker()
    ledger.wait_for("start", task.id)
    start_worker("other", wait=False)

    frozen.stop()
    becomes(task, "failed")
    reason = task.failure_reason
    if is_over_before:
        (tmp_path / "go").touch()
        ledger.wait_for("end", task.id)
        frozen.cont()
    else:
        frozen.cont()
        frozen.wait_line(r"Worker .* started", count=2)
        frozen.wait_line(rf"\[{task.id}\] was given up as lost, but goes on")
        wait_for_beats(frozen)
        (tmp_path / "go").touch()

    becomes(task, "finished")
    assert reason == "lost"
    assert len(lines_like(frozen, "but goes on")) <= 1
    assert (task.failure_reason, task.error_message) == (None, None)
    assert ledger.names(task.id).count("start") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_run_that_has_not_begun_never_begins(
    kind: str, arrive: Arrive, start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker("other", wait=False)
    scene = arrive(IMPORT, kind)

    scene.worker.stop()
    ended = becomes(scene.task, "queued", "failed")
    Queue().empty()
    scene.worker.cont()

    wait_until(lambda: not exists(scene.event.pid), message=scene.worker.text)
    scene.worker.wait_line("is stopped: its run is (late|gone)")
    assert ended == (("queued", None) if kind == "reentrant" else ("failed", "lost"))
    assert not ledger.events("start")


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_that_freezes_past_the_lease_counts_for_once_tasks_only(
    kind: str, arrive: Arrive, start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker("other", wait=False)
    scene = arrive(BEFORE_ACK, kind)

    ended = becomes(scene.task, "queued", "failed")
    scene.thaw()

    if kind == "once":
        assert ended == ("failed", "lost")
        assert becomes(scene.task, "finished") == ("finished", None)
    else:
        scene.worker.wait_line(REFUSED)
        ledger.wait_for("end", scene.task.id, count=2)
        assert becomes(scene.task, "finished") == ("finished", None)
        assert scene.task.run == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_supervisor_within_its_lease_loses_nothing(
    kind: str, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    task = Queue().enqueue_call(ACT[kind], [["wait_for_file", str(tmp_path / "go")]])
    frozen = start_worker()
    ledger.wait_for("start", task.id)

    frozen.stop()
    (tmp_path / "go").touch()
    ledger.wait_for("end", task.id)
    frozen.cont()

    becomes(task, "finished")
    assert task.run == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_workhorse_is_killed_at_its_time_limit(
    kind: str, start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    start_worker()
    with settings.override(DEFAULT_TASK_TIMEOUT=1):
        task = Queue().enqueue_call(ACT[kind], [["sleep", LONG]])
    workhorse = ledger.wait_for("start", task.id)

    os.kill(workhorse.pid, signal.SIGSTOP)

    becomes(task, "failed")
    within("start to time-out", clock() - workhorse.at, 1)
    assert task.failure_reason == "timeout"
    assert not exists(workhorse.pid)


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_with_a_frozen_workhorse_ends_in_time(
    kind: str, start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    worker = start_worker(SHUTDOWN_TIMEOUT=2.5)
    task = Queue().enqueue_call(ACT[kind], [["sleep", LONG]])
    os.kill(ledger.wait_for("start", task.id).pid, signal.SIGSTOP)
    asked_at = clock()

    worker.terminate()

    assert worker.wait_exit() == 0
    within("signal to exit, frozen workhorse", clock() - asked_at, 2.5)
    assert state(task) == (("queued", None) if kind == "reentrant" else ("failed", "killed"))


def test_an_idle_workhorse_that_is_frozen_does_not_delay_the_end(
    start_worker: StartWorker, ledger: Ledger, within: Within
) -> None:
    worker = start_worker()
    task = Queue().enqueue_call(act)
    workhorse = ledger.wait_for("end").pid
    # Only then it is idle: what it has said by now was its outcome.
    wait_until(lambda: state(task) == ("finished", None))
    os.kill(workhorse, signal.SIGSTOP)
    asked_at = clock()

    worker.terminate()

    assert worker.wait_exit() == 0
    within("signal to exit, idle", clock() - asked_at, 2)
