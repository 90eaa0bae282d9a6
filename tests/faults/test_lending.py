"""Tasks that were given to a workhorse together: what becomes of each of them."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from redis_tasks import Queue, Task
from tests.conftest import StartWorker
from tests.faults.conftest import Within, clock
from tests.faults.moments import LONG, MIDDLEWARE
from tests.faults.outcomes import State, over, state
from tests.faults.tasks import say_to_supervisor
from tests.support.actions import act, act_briefly, act_once
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

StartLender = Callable[..., WorkerProcess]

SOON = 0.005  # seconds until others take over
NEVER = 3600.0
FUNCTIONS = {"act": act, "briefly": act_briefly, "once": act_once}


@pytest.fixture
def start_lender(start_worker: StartWorker, ledger: Ledger) -> StartLender:
    """Start a worker of four, idle, of which one workhorse is given all that comes together."""

    def start(patience: float, pause: float = 0, **values: Any) -> WorkerProcess:
        worker = start_worker(
            *("--concurrency", "4"),
            environment={"RT_PATIENCE": str(patience), "RT_PAUSE": str(pause)},
            WORKER_PRELOAD_FUNCTION="tests.faults.preload.lend",
            **values,
        )
        ledger.wait_for("ready", count=4)
        # What they said before is heard, too, once this one is over.
        assert over(enqueue(("act", None))[0]) == ("finished", None)
        return worker

    return start


def enqueue(*calls: tuple[str, Any]) -> list[Task]:
    """Enqueue together: `enqueue(("act", ["sleep", 1]), ("once", ["raise_error", "no"]))`."""
    return Queue().enqueue_many(
        [{"func": FUNCTIONS[name], "args": [step] if step else []} for name, step in calls]
    )


def starts(ledger: Ledger, task: Task) -> list[int]:
    return [event.pid for event in ledger.events("start", task.id)]


def test_what_is_claimed_together_one_workhorse_does_in_order(
    start_lender: StartLender, ledger: Ledger
) -> None:
    start_lender(NEVER)

    tasks = enqueue(("act", None), ("once", None), ("act", ["raise_error", "no"]), ("once", None))

    assert [over(task)[0] for task in tasks] == ["finished", "finished", "failed", "finished"]
    events = ledger.events("start")[1:]
    assert [event.task_id for event in events] == [task.id for task in tasks]
    assert len({event.pid for event in events}) == 1
    assert "no" in str(tasks[2].error_message)


def test_each_run_is_its_own_workers(start_lender: StartLender, ledger: Ledger) -> None:
    start_lender(NEVER)

    tasks = enqueue(*[("act", ["save_meta", "seen", 1])] * 4)

    assert [over(task)[0] for task in tasks] == ["finished"] * 4
    assert len({task.worker_id for task in tasks}) == 4
    assert [task.meta for task in tasks] == [{"seen": 1}] * 4
    assert [task.attempt for task in tasks] == [1] * 4


@pytest.mark.parametrize("slow", [0, 1, 2])
def test_nothing_waits_for_a_task_that_takes_longer_than_was_expected(
    slow: int, start_lender: StartLender, ledger: Ledger, within: Within
) -> None:
    worker = start_lender(SOON)
    calls: list[tuple[str, Any]] = [("act", None)] * 4
    calls[slow] = ("act", ["sleep", LONG])

    begin = clock()
    tasks = enqueue(*calls)
    others = [task for number, task in enumerate(tasks) if number != slow]

    assert [over(task)[0] for task in others] == ["finished"] * 3
    within("enqueue to the last end", ledger.events("end")[-1].at - begin, SOON)
    ledger.wait_for("start", tasks[slow].id)
    assert all(len(starts(ledger, task)) == 1 for task in tasks)
    behind = {pid for task in tasks[slow + 1 :] for pid in starts(ledger, task)}
    assert behind
    assert not behind & set(starts(ledger, tasks[slow]))
    assert state(tasks[slow]) == ("running", None)
    worker.terminate()
    assert worker.wait_exit() == 0
    tasks[slow].refresh()
    assert (tasks[slow].status, tasks[slow].attempt) == ("queued", 0)


@pytest.mark.parametrize("kind", ["act", "once"])
def test_sigkill_of_the_workhorse_hits_only_the_task_at_work(
    kind: str, start_lender: StartLender, ledger: Ledger
) -> None:
    start_lender(NEVER)
    tasks = enqueue(("once", None), (kind, ["die_at_first"]), ("once", None), ("once", None))

    ends = [over(task) for task in tasks]

    assert [end[0] for end in ends] == [
        "finished",
        "finished" if kind == "act" else "failed",
        "finished",
        "finished",
    ]
    if kind == "once":
        assert ends[1] == ("failed", "crash")
    counts = [len(starts(ledger, task)) for task in tasks]
    assert counts == [1, 2 if kind == "act" else 1, 1, 1]


def test_a_workhorse_killed_from_outside_has_finished_what_it_had_finished(
    start_lender: StartLender, ledger: Ledger
) -> None:
    worker = start_lender(NEVER)
    tasks = enqueue(("once", None), ("once", ["sleep", LONG]), ("once", None), ("act", None))
    at_work = ledger.wait_for("start", tasks[1].id)
    assert state(tasks[0]) == (
        "running",
        None,
    )  # it has not said so yet: it will with the next outcome

    os.kill(at_work.pid, signal.SIGKILL)

    assert [over(task) for task in tasks] == [
        ("finished", None),
        ("failed", "crash"),
        ("finished", None),
        ("finished", None),
    ]
    assert [len(starts(ledger, task)) for task in tasks] == [1] * 4
    assert worker.exit_code is None


@pytest.mark.parametrize("kind", ["act", "once"])
@pytest.mark.parametrize("patience", [SOON, NEVER])
def test_sigterm_puts_back_what_has_not_begun(
    patience: float, kind: str, start_lender: StartLender, ledger: Ledger
) -> None:
    worker = start_lender(patience)
    tasks = enqueue(("once", None), *[(kind, ["sleep", LONG])] * 3)
    began = 1 if patience == NEVER else 3
    for task in tasks[: 1 + began]:
        ledger.wait_for("start", task.id)

    worker.terminate()

    assert worker.wait_exit() == 0
    for task in tasks:
        task.refresh()
    interrupted, put_back = tasks[1 : 1 + began], tasks[1 + began :]
    assert over(tasks[0])[0] == "finished"
    assert {task.status for task in put_back} <= {"queued"}
    assert {task.status for task in interrupted} == {"queued" if kind == "act" else "failed"}
    waiting = [task.id for task in tasks if task.status == "queued"]
    assert Queue().get_task_ids() == waiting
    assert all(task.attempt == 0 for task in put_back)
    assert [len(starts(ledger, task)) for task in put_back] == [0] * len(put_back)


def test_the_time_limit_counts_for_the_task_at_work(
    start_lender: StartLender, ledger: Ledger, within: Within
) -> None:
    start_lender(SOON)

    tasks = enqueue(("act", None), ("briefly", ["sleep", LONG]), ("act", None))

    begin = ledger.wait_for("start", tasks[1].id).at
    assert [over(task) for task in tasks] == [
        ("finished", None),
        ("failed", "timeout"),
        ("finished", None),
    ]
    within("start to failed", clock() - begin, 1)
    assert len(starts(ledger, tasks[1])) == 1


def test_a_retiring_workhorse_leaves_the_rest_to_others(
    start_lender: StartLender, ledger: Ledger
) -> None:
    start_lender(NEVER, WORKHORSE_MAX_TASKS=3)

    tasks = enqueue(*[("once", None)] * 4)

    assert [over(task)[0] for task in tasks] == ["finished"] * 4
    pids = [starts(ledger, task) for task in tasks]
    assert [len(those) for those in pids] == [1] * 4
    assert pids[0] == pids[1]
    assert pids[0][0] not in (pids[2][0], pids[3][0])


def test_a_large_task_has_its_own_workhorse(start_lender: StartLender, ledger: Ledger) -> None:
    start_lender(NEVER)

    tasks = enqueue(("act", None), ("act", ["write", "x" * 10_000]), ("act", None))

    assert [over(task)[0] for task in tasks] == ["finished"] * 3
    pids = [starts(ledger, task)[0] for task in tasks]
    assert pids[0] == pids[2] != pids[1]


def test_middleware_sees_each_of_them(start_lender: StartLender, ledger: Ledger) -> None:
    start_lender(NEVER, MIDDLEWARE=[MIDDLEWARE])

    tasks = enqueue(("act", None), ("once", ["raise_error", "no"]), ("act", None))

    assert [over(task)[0] for task in tasks] == ["finished", "failed", "finished"]
    assert len({pid for task in tasks for pid in starts(ledger, task)}) == 1


def test_a_frozen_workhorse_keeps_only_the_task_at_work(
    start_lender: StartLender, ledger: Ledger
) -> None:
    start_lender(0.5)
    tasks = enqueue(("act", ["sleep", 0.1]), *[("once", None)] * 3)
    at_work = ledger.wait_for("start", tasks[0].id)

    os.kill(at_work.pid, signal.SIGSTOP)

    assert [over(task)[0] for task in tasks[1:]] == ["finished"] * 3
    assert state(tasks[0]) == ("running", None)
    os.kill(at_work.pid, signal.SIGCONT)
    assert over(tasks[0]) == ("finished", None)
    assert [len(starts(ledger, task)) for task in tasks] == [1] * 4


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [
        (None, ["raise_error", "no"], [("finished", None), ("failed", "exception")]),
        (["die"], None, [("failed", "crash"), ("finished", None)]),
        (None, ["sleep", LONG], [("finished", None), ("failed", "timeout")]),
    ],
)
def test_a_workhorse_that_is_slow_to_go_on_mixes_nothing_up(
    first: Any, second: Any, ends: list[State], start_lender: StartLender, ledger: Ledger
) -> None:
    start_lender(0.3, pause=0.2)
    # One that was taken back was announced to it; it must not take another one for that.
    calls = [["sleep", 0.6], ["raise_error", "no"]]
    before = Queue().enqueue_many([{"func": act_once, "args": calls}, {"func": act_once}])
    assert [over(task)[0] for task in before] == ["failed", "finished"]

    tasks = enqueue(("once", first), ("briefly", second), ("once", None), ("once", None))

    assert [over(task) for task in tasks] == [*ends, ("finished", None), ("finished", None)]
    assert len(starts(ledger, tasks[0])) == 1


def test_nothing_is_begun_by_a_workhorse_that_was_told_to_stop(
    start_lender: StartLender, ledger: Ledger
) -> None:
    worker = start_lender(NEVER)
    tasks = enqueue(("once", ["sleep", 0.5]), *[("once", ["sleep", LONG])] * 3)
    at_work = ledger.wait_for("start", tasks[0].id)
    worker.stop()  # it will notice a little later

    os.kill(at_work.pid, signal.SIGTERM)
    worker.terminate()
    ledger.wait_for("end", tasks[0].id)
    worker.cont()

    assert worker.wait_exit() == 0
    assert [state(task) for task in tasks] == [("finished", None)] + [("queued", None)] * 3
    assert [len(starts(ledger, task)) for task in tasks] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    "frame",
    [
        ("odd",),
        ("outcome", "1", "finish"),
        ("outcome", "1", "vanish", "", "", ""),
        ("outcome", "no", "finish", "", "", ""),
        ("returned",),
        ("call", "1", "2.0", "../claim", "0"),
        ("call", "1", "never", "claim", "no"),
    ],
)
def test_a_workhorse_that_says_what_nobody_understands_is_replaced(
    frame: tuple[str, ...], start_lender: StartLender, ledger: Ledger
) -> None:
    worker = start_lender(SOON)
    tasks = Queue().enqueue_many(
        [{"func": act_once}, {"func": say_to_supervisor, "args": frame}, {"func": act_once}]
    )

    assert [over(task) for task in tasks] == [
        ("finished", None),
        ("failed", "crash"),
        ("finished", None),
    ]
    assert worker.exit_code is None
    worker.wait_line(r"ERROR +redis_tasks.worker: Workhorse \d+ said what nobody understands")


def test_what_others_have_taken_over_meanwhile_is_not_begun(
    start_lender: StartLender, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_lender(1.0)
    tasks = enqueue(("act", ["sleep", LONG]), *[("act", None)] * 3)
    ledger.wait_for("start", tasks[0].id)
    worker.stop()  # for longer than its lease, with three tasks on the shelf

    start_worker("--concurrency", "4")
    for task in tasks[1:]:
        ledger.wait_for("end", task.id, timeout=20)
    worker.cont()

    worker.wait_line(r"was refused \(lost\)", 10, count=3)
    assert [over(task) for task in tasks[1:]] == [("finished", None)] * 3
    assert [len(starts(ledger, task)) for task in tasks[1:]] == [1] * 3


def test_short_tasks_are_neither_lost_nor_repeated_while_workhorses_are_killed(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    chance = random.Random(7)
    worker = start_worker("--concurrency", "6", WORKHORSE_MAX_TASKS=40)
    steps = [[], [], [], [["raise_error", "no"]]]
    tasks = Queue().enqueue_many(
        [{"func": act_once, "args": steps[number % 4]} for number in range(1500)]
    )

    killed_at = 1500

    def kill_now_and_then() -> bool:
        nonlocal killed_at
        left = Queue().count()
        if killed_at - left >= 50:
            killed_at = left
            os.kill(chance.choice(worker.workhorses()), signal.SIGKILL)
        return left == 0

    wait_until(kill_now_and_then, 60)
    wait_until(lambda: all(task.status in ("finished", "failed") for task in fresh(tasks)), 30)

    begun = Counter(event.task_id for event in ledger.events("start"))
    assert set(begun.values()) == {1}
    ended = fresh(tasks)
    assert len(ended) == len(tasks)
    for number, task in enumerate(ended):
        expected = ("failed", "exception") if number % 4 == 3 else ("finished", None)
        is_crash = (task.status, task.failure_reason) == ("failed", "crash")
        assert is_crash or (task.status, task.failure_reason) == expected
        assert is_crash or begun[task.id] == 1


def fresh(tasks: list[Task]) -> list[Task]:
    return Task.fetch_many([task.id for task in tasks])
