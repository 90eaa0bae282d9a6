"""Redis did what it was asked, and the answer was lost: nothing is lost, nothing happens twice."""

from pathlib import Path

import pytest

from redis_tasks import EnqueueUncertain, Queue, Task
from redis_tasks.conf import connection, settings
from redis_tasks.store.client import script
from tests.conftest import StartProxy, StartWorker
from tests.outages.watching import starts, wait_for_beats, wait_for_status
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy

TIMES = 6  # replies of one kind that are lost in each test


@pytest.fixture
def proxy(start_proxy: StartProxy) -> Proxy:
    return start_proxy()


def enqueue_mixed(count: int, queue: str = "default") -> list[Task]:
    return [Queue(queue).enqueue_call(kind) for _ in range(count) for kind in (act, act_once)]


@pytest.mark.parametrize("name", ["claim", "settle"])
@pytest.mark.parametrize("known", [True, False], ids=["known script", "unknown script"])
def test_a_lost_reply_starts_no_task_twice_and_loses_none(
    name: str, known: bool, proxy: Proxy, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker("--concurrency", "2", REDIS_URL=proxy.url)
    wait_for_status("finished", *enqueue_mixed(1))
    if not known:
        connection.script_flush()
    fault = proxy.lose_reply(script(name).sha, times=TIMES)

    tasks = enqueue_mixed(20)

    wait_for_status("finished", *tasks, timeout=30)
    fault.wait()
    assert starts(ledger, tasks) == [1] * len(tasks)
    assert worker.exit_code is None


@pytest.mark.parametrize("after", [0, 1, 5, 40, 200])
def test_a_reply_that_is_cut_anywhere_starts_no_task_twice_and_loses_none(
    after: int, proxy: Proxy, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker("--concurrency", "2", REDIS_URL=proxy.url)
    faults = [proxy.cut_reply(after, script(name).sha, times=3) for name in ("claim", "settle")]

    tasks = enqueue_mixed(10)

    wait_for_status("finished", *tasks, timeout=30)
    for fault in faults:
        fault.wait()
    assert starts(ledger, tasks) == [1] * len(tasks)
    assert worker.exit_code is None


def test_lost_replies_to_beats_stop_nothing(
    proxy: Proxy, start_worker: StartWorker, ledger: Ledger, tmp_path: Path
) -> None:
    worker = start_worker("--concurrency", "2", REDIS_URL=proxy.url)
    go = tmp_path / "go"
    tasks = [Queue().enqueue_call(kind, [["wait_for_file", str(go)]]) for kind in (act, act_once)]
    for task in tasks:
        ledger.wait_for("start", task.id)

    # One at a time: the renewal itself was done, and its repetition is answered.
    for _ in range(TIMES):
        proxy.lose_reply(script("renew").sha).wait()
    wait_for_beats(tasks[0], 2)
    go.touch()

    wait_for_status("finished", *tasks)
    assert starts(ledger, tasks) == [1, 1]
    assert "is stopped" not in worker.text()


def test_an_enqueue_whose_reply_is_lost_is_repeated_without_making_a_second_task(
    proxy: Proxy, start_worker: StartWorker, ledger: Ledger
) -> None:
    # An idle worker: as a rule the task is running, or over, when the repetition comes.
    start_worker()
    wait_for_status("finished", *enqueue_mixed(1))
    tasks: list[Task] = []
    faults = []

    with settings.override(REDIS_URL=proxy.url):
        for kind in (act, act_once) * TIMES:
            faults.append(proxy.lose_reply(script("enqueue").sha))
            tasks.append(Queue().enqueue_call(kind))
            faults.append(proxy.lose_reply(script("enqueue").sha))
            tasks += Queue().enqueue_many([{"func": kind}] * 3)

    wait_for_status("finished", *tasks)
    assert [fault.hits for fault in faults] == [1] * len(faults)
    assert starts(ledger, tasks) == [1] * len(tasks)
    assert Queue().count() == 0


def test_an_enqueue_whose_script_was_unknown_and_whose_reply_is_lost_is_repeated(
    proxy: Proxy, settings_for_test: dict[str, object]
) -> None:
    with settings.override(REDIS_URL=proxy.url):
        for _ in range(TIMES):
            connection.script_flush()
            fault = proxy.lose_reply("\r\nEVAL\r\n")
            Queue().enqueue_call(act)
            assert fault.hits == 1

    assert Queue().count() == TIMES


def test_an_enqueue_that_is_never_answered_is_uncertain_and_can_be_repeated(
    proxy: Proxy, settings_for_test: dict[str, object]
) -> None:
    Queue("other").enqueue_call(act)  # Redis knows the script
    proxy.lose_reply(script("enqueue").sha, times=1000)

    with settings.override(REDIS_URL=proxy.url), pytest.raises(EnqueueUncertain) as caught:
        Queue().enqueue_call(act, task_id="order-17")
    again = Queue().enqueue_call(act, task_id=caught.value.task_id)

    assert again.id == "order-17"
    assert again.status == "queued"
    assert Queue().get_task_ids() == ["order-17"]


def test_a_task_that_enqueues_does_so_once_although_replies_are_lost(
    proxy: Proxy, start_worker: StartWorker, ledger: Ledger
) -> None:
    start_worker(REDIS_URL=proxy.url)
    warming_up = Queue().enqueue_call(act, [["enqueue", "warm"]])
    wait_for_status("finished", warming_up)
    fault = proxy.lose_reply(script("enqueue").sha, times=TIMES)

    outer = [
        Queue().enqueue_call(kind, [["enqueue", "inner"]] * 2) for kind in (act, act_once) * 2
    ]

    wait_for_status("finished", *outer, timeout=30)
    fault.wait()
    assert starts(ledger, outer) == [1] * 4
    inner = [event.extra for event in ledger.events("enqueued") if event.task_id != warming_up.id]
    assert sorted(Queue("inner").get_task_ids()) == sorted(inner)
    assert len(inner) == 8
