"""A dyno is stopped by SIGTERM to all its processes, several times, by SIGKILL after 30 s."""

import http.client
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from redis_tasks import Queue, Task
from redis_tasks.clock import boottime
from tests.dynos.conftest import StartApp
from tests.support.actions import act, act_async, act_once
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until

FOR_EVER = 100.0  # seconds
STUBBORN = {
    "swallows the interruption": ["swallow", FOR_EVER],
    "postpones the shutdown": ["postpone", FOR_EVER],
    "cleans up": ["clean_up", FOR_EVER, FOR_EVER],
    "waits for a child": ["run_child", FOR_EVER],
    "waits for a child that ignores SIGTERM": ["run_stubborn_child", FOR_EVER],
}


@pytest.mark.timeout(180)
def test_no_dyno_has_to_be_killed_whatever_its_tasks_do(
    start_app: StartApp, ledger: Ledger
) -> None:
    app = start_app()
    app.config["WORKER_CONCURRENCY"] = str(2 * len(STUBBORN) + 1)
    app.scale(web=1, worker=1, scheduler=1)
    reentrant = [Queue().enqueue_call(act, [step]) for step in STUBBORN.values()]
    once = [Queue().enqueue_call(act_once, [step]) for step in STUBBORN.values()]
    coroutine = Queue().enqueue_call(act_async, [FOR_EVER])
    for task in (*reentrant, *once, coroutine):
        ledger.wait_for("start", task.id, timeout=40)
    app.wait_up()
    idle = http.client.HTTPConnection("127.0.0.1", app.of("web")[0].port)
    idle.request("GET", "/health")
    idle.getresponse().read()  # and the connection is kept, as the router does

    endings = app.scale()

    idle.close()
    assert [(ending.code, ending.was_killed) for ending in endings] == [(0, False)] * 3
    assert [ending.outlived for ending in endings] == [()] * 3
    seconds = {ending.name: ending.seconds for ending in endings}
    assert seconds["worker.1"] <= 25
    assert seconds["scheduler.1"] <= 3
    assert seconds["web.1"] <= 5
    assert [Task.fetch(task.id).status for task in (*reentrant, coroutine)] == ["queued"] * 6
    reasons = [Task.fetch(task.id).failure_reason for task in once]
    # What would not end by itself was killed by its worker, in time.
    assert set(reasons) == {"interrupted", "killed"}


@pytest.mark.timeout(120)
def test_what_a_deploy_interrupts_is_the_first_to_run_on_the_new_dyno(
    start_app: StartApp, ledger: Ledger, tmp_path: Path
) -> None:
    app = start_app()
    app.scale(worker=1)
    go = ["wait_for_file", str(tmp_path / "go")]
    interrupted = [Queue().enqueue_call(act, [go]) for _ in range(2)]
    for task in interrupted:
        ledger.wait_for("start", task.id, timeout=20)
    waiting = [Queue().enqueue_call(act) for _ in range(20)]

    (ending,) = app.deploy()

    # The new dyno runs as many as were interrupted at a time: they come first, or others would.
    for task in interrupted:
        ledger.wait_for("start", task.id, count=2, timeout=20)
    assert len(ledger.events("start")) == 4
    assert [Task.fetch(task.id).aborted_runs != [] for task in interrupted] == [True] * 2
    assert (ending.code, ending.was_killed) == (0, False)
    (tmp_path / "go").touch()
    for task in (*interrupted, *waiting):
        ledger.wait_for("end", task.id)


@pytest.mark.timeout(120)
def test_a_dyno_that_is_stopped_while_it_boots_takes_nothing_along(
    start_app: StartApp, ledger: Ledger
) -> None:
    app = start_app()
    tasks = [Queue().enqueue_call(act_once, [["sleep", 0.05]]) for _ in range(40)]
    moments = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)  # seconds
    dynos = [app.start(f"worker.{number}") for number in range(len(moments))]
    began = boottime()

    def over() -> bool:
        # Each goes its way, whether the others are over or not.
        due = [dyno for dyno, at in zip(dynos, moments, strict=True) if boottime() - began >= at]
        return sum([dyno.push() for dyno in due]) == len(dynos)

    wait_until(over, 30)

    endings = [dyno.ending for dyno in dynos if dyno.ending is not None]
    assert {ending.code for ending in endings} <= {0, -signal.SIGTERM}
    assert [ending.was_killed or ending.outlived for ending in endings] == [()] * len(dynos)
    assert max(ending.seconds for ending in endings) <= 10
    app.scale(worker=1)
    wait_until(lambda: {fetched.status for fetched in fetch(tasks)} <= {"finished", "failed"}, 30)
    assert {fetched.failure_reason for fetched in fetch(tasks)} <= {None, "interrupted"}
    assert max(len(ledger.events("start", task.id)) for task in tasks) == 1


def fetch(tasks: Sequence[Task]) -> list[Task]:
    return Task.fetch_many([task.id for task in tasks])
