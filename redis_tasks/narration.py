"""Tell in the log what becomes of workers with their runs, one line an event."""

import logging

from redis_tasks.dispatch import Ended
from redis_tasks.lifecycle import FINISH, RELEASE, TaskOutcome
from redis_tasks.stable import Slot
from redis_tasks.store.graph_scripts import Advanced
from redis_tasks.store.scripts import Settled

logger = logging.getLogger("redis_tasks.task")
worker_logger = logging.getLogger("redis_tasks.worker")

LONGEST = 500  # characters of an error in the log
PUT_BACK = "put back"
WORDS = {"finished": "finished", "failed": "failed", "queued": "requeued"}
REFUSALS = {
    "lost": "the task had been given to somebody else",
    "gone": "the task is no longer in Redis",
}


def tells_of(outcome: TaskOutcome) -> bool:
    """Tell whether a line will say how long such a run took, and what it was."""
    return outcome.move is not FINISH or logger.isEnabledFor(logging.INFO)


def tell_settled(ended: Ended, settled: Settled) -> None:
    """Log what Redis said to an outcome; a failure's cause follows in a line of its own."""
    run = ended.run
    if settled.word == "finished" and not logger.isEnabledFor(logging.INFO):
        return
    extra = {**run.log_fields, "duration": round(ended.duration, 6)}
    if settled.word in WORDS:
        what = ended.description or run.func_name
        logger.info("Task %s [%s] %s", what, run.task_id, WORDS[settled.word], extra=extra)
        if ended.outcome.text:
            why, cause = _why(ended.outcome, settled), gist(ended.outcome.text)
            logger.warning(
                "Task %s [%s] %s: %s", run.func_name, run.task_id, why, cause, extra=extra
            )
    elif settled.word in REFUSALS:
        logger.warning(
            "Task [%s] run %d was refused (%s): %s",
            run.task_id,
            run.number,
            settled.word,
            REFUSALS[settled.word],
            extra=extra,
        )


def _why(outcome: TaskOutcome, settled: Settled) -> str:
    if outcome.move is RELEASE and settled.word == "queued":
        return PUT_BACK  # its reason is what it fails for, too often put back
    return settled.reason or outcome.reason


def tell_advanced(advanced: Advanced) -> None:
    """Log what could not be told to a graph, and why."""
    if advanced.trouble:
        logger.error("Graph could not go on after %s", advanced.trouble)


def tell_unsettled(ended: Ended) -> None:
    """Log a run whose outcome Redis could not be told before the end."""
    run, move = ended.run, ended.outcome.move.name
    worker_logger.error(
        "Task %s left to lease recovery, not settled: %s", run.label, move, extra=run.log_fields
    )


def tell_of_worker(slot: Slot, what: str) -> None:
    """Log that a worker has started, or shut down."""
    extra = {"worker": slot.worker_id}
    worker_logger.info("Worker %s [%s] %s", slot.description, slot.worker_id, what, extra=extra)


def gist(text: str) -> str:
    """Return what a traceback ends with, which names the error, with the place it came from."""
    lines = text.strip().rpartition("\nTraceback (most recent call last):")[2].split("\n")
    stack = [number for number, line in enumerate(lines) if line.startswith("  ")]
    error = "\n".join(lines[stack[-1] + 1 :] if stack else lines)[:LONGEST]
    places = [line.strip() for line in lines if line.startswith('  File "')]
    return f"{error} ({places[-1]})" if places else error
