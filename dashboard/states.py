"""Name every state that the pages and the API show: a new one is a line here.

A state has a word in Redis and the API, a label on the pages, and a look: the shape of its icon
(``templates/parts.html``) and its colours (``static/style.css``). Of words that are not listed the
pages make a label themselves, and show them in the look ``other``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class State:
    """How one state is shown; *meaning* says it in a sentence, where a task has it."""

    label: str
    look: str
    meaning: str = ""


STATES = {
    # Of tasks
    "queued": State("Waiting", "waiting", "Waits for a worker"),
    "running": State("Running", "running", "Runs"),
    "finished": State("Finished", "finished", "Finished"),
    "failed": State("Failed", "failed", "Failed"),
    # Of tasks, from a later release on
    "scheduled": State("Scheduled", "waiting", "Waits for its time"),
    "retrying": State("Retrying", "interrupted", "Waits for its next attempt"),
    "parked": State("Parked", "idle", "Is put aside"),
    # Of parts of a task's life
    "waiting": State("Waiting", "waiting"),
    "interrupted": State("Interrupted", "interrupted"),
    # Of workers
    "idle": State("Idle", "idle"),
    "busy": State("Busy", "running"),
    "late": State("Late", "interrupted"),
    "dead": State("Dead", "failed"),
    # Of graphs and their nodes
    "cancelled": State("Cancelled", "other"),
    "blocked": State("Blocked", "waiting"),
    "skipped": State("Skipped", "other"),
    "stopped": State("Stopped", "interrupted"),
}

# Why a task failed, from the word that its record has.
REASONS = {
    "exception": "Its function raised an error",
    "timeout": "It ran longer than its timeout",
    "interrupted": "Its worker was shut down, and it may not be started again",
    "killed": "Its worker was shut down, and it did not stop when it was asked to",
    "crash": "The process that ran it died",
    "lost": "Its worker was lost: nobody knows how far it got",
    "poison": "The process that ran it died too often",
    "unstartable": "It was put back too often before it could begin",
    "unimportable": "Its function cannot be imported",
    "undecodable": "Its arguments cannot be read",
    "not-allowed": "Its function is not one that may be run",
}
OTHER = "other"


def label(word: str) -> str:
    """Return what a state is called on the pages, also one that came later than they."""
    known = STATES.get(word)
    return (
        known.label
        if known
        else word.replace("-", " ").replace("_", " ").capitalize() or "Unknown"
    )


def look(word: str) -> str:
    """Return which look a state has: never text from data."""
    known = STATES.get(word)
    return known.look if known else OTHER


def meaning(word: str) -> str:
    """Say a task's state in words."""
    known = STATES.get(word)
    return (known.meaning if known else "") or f"Its state is {word}"
