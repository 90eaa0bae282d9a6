"""A stable whose workhorses have no process: what it does with them, step by step."""

import os
import socket
from collections.abc import Iterator

import pytest

from redis_tasks.page import Page
from redis_tasks.run import Run
from redis_tasks.shelf import Shelf
from redis_tasks.stable import Stable
from redis_tasks.workhorse_handle import Workhorse

NOBODY = 2**22  # no process has this number, which is above the system's highest
SLOTS = 3


def run(worker_id: str) -> Run:
    told = [worker_id.encode(), b"t", b"1", b"q", b"app.task"]
    return Run("t", worker_id, 1, True, 60.0, "app.task", "q", False, told, 0.0, 0.0)


@pytest.fixture
def stable() -> Iterator[Stable]:
    """A stable whose workhorses have no process, so that what they are given is never begun."""
    reading, writing = os.pipe()
    stable = Stable(SLOTS, (), reading)
    theirs = []
    for slot in stable.slots:
        ours, other = socket.socketpair()
        ours.setblocking(False)
        theirs.append(other)
        slot.worker_id = f"w#{slot.number}"
        slot.workhorse = Workhorse(NOBODY, ours, Page(), Shelf())
        slot.workhorse.ready = True
    yield stable
    for horse in stable.workhorses():
        horse.close()
    for other in theirs:
        other.close()
    stable.selector.close()
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("busy", "given", "yields"),
    [(0, 1, 1), (0, 2, 0), (1, 1, 0), (0, 0, 0)],
    ids=["nobody else works", "one of two", "others work", "nothing is given"],
)
def test_a_task_is_let_go_first_where_nobody_else_works(
    busy: int, given: int, yields: int, stable: Stable, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = stable.free_by_worker()
    names = list(homes)
    stable.hand_out([run(name) for name in names[:busy]], homes)
    counted = []
    monkeypatch.setattr(os, "sched_yield", lambda: counted.append(1))

    stable.hand_out([run(name) for name in names[busy : busy + given]], homes)

    assert len(counted) == yields
    assert len(stable.busy()) == busy + given


@pytest.mark.parametrize(
    ("dismissed", "reporting", "said"),
    [(True, "", 0), (False, "", 1), (True, "1 t", 1)],
    ids=["was let go", "died", "was to report"],
)
def test_a_workhorse_that_ends_early_is_a_trouble_unless_it_was_let_go(
    dismissed: bool, reporting: str, said: int, stable: Stable, caplog: pytest.LogCaptureFixture
) -> None:
    horse = next(stable.workhorses())
    stable.before_hearing = lambda: None
    stable.on_reported = lambda _name, _code: None
    horse.ready, horse.reporting = False, reporting
    if dismissed:
        stable.dismiss()

    stable._bury(horse, 0)

    assert caplog.text.count("A workhorse ended before it was ready") == said
