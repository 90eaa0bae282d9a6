"""A stable whose workhorses have no process: what it does with them, step by step."""

import os
import socket
from collections.abc import Iterator

import pytest

from redis_tasks.page import Page
from redis_tasks.shelf import Shelf
from redis_tasks.stable import Stable
from redis_tasks.workhorse_handle import Workhorse

NOBODY = 2**22  # no process has this number, which is above the system's highest
SLOTS = 3


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
