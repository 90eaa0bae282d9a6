"""Tasks that talk to Redis all the time are interrupted a hundred times, wherever they are."""

import contextlib
import random

import pytest

from redis_tasks import Queue, WorkerShutdown
from redis_tasks.store import client, scripts
from redis_tasks.store.server import Server
from tests.conftest import StartWorker
from tests.faults.tasks import converse, delete_slowly
from tests.support.ledger import Ledger

AT_A_TIME = 20
ROUNDS = 5


def test_a_reply_that_nobody_waited_for_is_not_taken_for_the_next_one(
    settings_for_test: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise WorkerShutdown

    with contextlib.closing(Server("test", 1).client()) as reader:
        with monkeypatch.context() as patch:
            patch.setattr(reader, "parse_response", interrupted)
            with pytest.raises(WorkerShutdown):
                reader.blpop(["nothing"], 0.2)  # it is sent; its reply takes a moment

        assert reader.echo("next") == b"next"


@pytest.mark.timeout(150)
def test_a_task_interrupted_within_a_call_still_hears_the_right_answers(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    chance = random.Random(20261123)
    tasks = [Queue().enqueue_call(converse) for _ in range(AT_A_TIME)]

    for number in range(1, ROUNDS + 1):
        worker = start_worker("--concurrency", str(AT_A_TIME), SHUTDOWN_TIMEOUT=20)
        ledger.wait_for("start", count=number * AT_A_TIME, timeout=30)
        # Some conversations later: at a moment that nobody has chosen.
        spoken = len(ledger.events("enqueued")) + chance.randrange(1, 30)
        ledger.wait_for("enqueued", count=spoken, timeout=30)
        worker.terminate()
        assert worker.wait_exit(20) == 0
        assert Queue().get_task_ids() == [task.id for task in tasks]

    assert ledger.events("exc") == []
    assert len(ledger.events("interrupted")) == ROUNDS * AT_A_TIME
    assert len(ledger.events("in_step")) == ROUNDS * AT_A_TIME
    for task in tasks:
        task.refresh()
        assert (task.status, task.run, task.attempt) == ("queued", ROUNDS, 0)
    enqueued = {event.extra for event in ledger.events("enqueued")}
    waiting = set(Queue("sink").get_task_ids())
    # What was sent when the interruption came is there, though the task did not note it.
    assert enqueued <= waiting
    assert len(waiting) - len(enqueued) <= ROUNDS * AT_A_TIME
    assert client.run(scripts.drain("sink")) == min(scripts.BATCH, len(waiting))


def test_an_interruption_in_a_finalizer_is_raised_after_it(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    Queue().enqueue_call(delete_slowly)
    worker = start_worker(SHUTDOWN_TIMEOUT=20)
    ledger.wait_for("deleting")

    worker.terminate()

    assert worker.wait_exit(20) == 0
    assert len(ledger.events("interrupted")) == 1
