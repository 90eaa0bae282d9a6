"""What the log says of a run that was settled."""

import logging

import pytest

from redis_tasks import narration
from redis_tasks.dispatch import Ended
from redis_tasks.lifecycle import KILLED, TaskOutcome
from redis_tasks.run import Run
from redis_tasks.store.scripts import Settled

RUN = Run("t", "w", 1, True, 60.0, "app.task", "q", False, [], 0.0, 0.0)
NOT_BEGUN = TaskOutcome.release("No workhorse was free")
STOPPED = TaskOutcome.failure("It did not end", KILLED)


@pytest.mark.parametrize(
    ("outcome", "settled", "why"),
    [
        (NOT_BEGUN, Settled("queued"), "put back: No workhorse was free"),
        (NOT_BEGUN, Settled("failed", "unstartable"), "unstartable: No workhorse was free"),
        (STOPPED, Settled("failed", "killed"), "killed: It did not end"),
        (STOPPED, Settled("queued"), "killed: It did not end"),
    ],
)
def test_the_cause_is_told_in_the_word_for_what_happened(
    outcome: TaskOutcome, settled: Settled, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    narration.tell_settled(Ended(RUN, outcome, "", 0.0), settled)

    warned = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert [entry.getMessage() for entry in warned] == [f"Task app.task [t] {why}"]
