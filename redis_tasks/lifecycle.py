"""Define the life of a task: its states, the moves between them, the outcome of a run.

::

               claim                 finish
    queued ─────────────► running ───────────► finished
      ▲  │                │  │  ▲ │  fail
      │  │ cancel         │  │  │ └───────────► failed
      │  ▼                │  │  │ finish, fail    │
      │ (gone)            │  │  └─────────────────┘  a late result: only after "lost", only if
      │                   │  │                       nobody else may start the task
      └───────────────────┘  └─ crash: as interrupt, but counted; too many are poison
        release: the function had not begun, any task goes back
        interrupt: a reentrant task goes back, another one fails

A task that goes back is ranked before everything else in its queue. A worker that is gone cannot
move its tasks; recovery then does what crash does. Every move is one script, guarded by the run.
"""

from dataclasses import dataclass

QUEUED = "queued"
RUNNING = "running"
FINISHED = "finished"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Move:
    """One arrow of the drawing, as settle.lua knows it; *ends* lists where it may lead."""

    name: str
    ends: tuple[str, ...]


FINISH = Move("finish", (FINISHED,))
FAIL = Move("fail", (FAILED,))
INTERRUPT = Move("interrupt", (QUEUED, FAILED))
CRASH = Move("crash", (QUEUED, FAILED))
RELEASE = Move("release", (QUEUED, FAILED))

# Why a task failed, in one word: the field ``why`` of its record.
EXCEPTION = "exception"  # its function or its middleware raised
TIMEOUT = "timeout"  # its function took too long
INTERRUPTED = "interrupted"  # stopped by a shutdown, and not reentrant
KILLED = "killed"  # the same, and it did not stop when it was asked to
DIED = "crash"  # its workhorse died
LOST = "lost"  # its worker was lost; it may not even have begun
POISON = "poison"  # its workhorse died too often
UNSTARTABLE = "unstartable"  # put back too often before it could begin
UNIMPORTABLE = "unimportable"  # its function cannot be imported
UNDECODABLE = "undecodable"  # its arguments cannot be read
NOT_ALLOWED = "not-allowed"  # its function is not one that may be run

ERROR_BYTES = 16 * 1024  # of an error's text that are kept


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """How one run of a task ended, as the process that ran it saw it."""

    move: Move
    reason: str = ""
    text: str = ""

    @classmethod
    def success(cls) -> "TaskOutcome":
        return SUCCESS

    @classmethod
    def failure(cls, text: str, reason: str = EXCEPTION) -> "TaskOutcome":
        return cls(FAIL, reason, shorten(text))

    @classmethod
    def requeue(cls) -> "TaskOutcome":
        return cls(INTERRUPT, INTERRUPTED)

    @classmethod
    def release(cls, text: str) -> "TaskOutcome":
        return cls(RELEASE, UNSTARTABLE, text)


SUCCESS = TaskOutcome(FINISH)
MOVES = {move.name: move for move in (FINISH, FAIL, INTERRUPT, CRASH, RELEASE)}


def shorten(text: str) -> str:
    """Cut the middle out of a text of more than ``ERROR_BYTES``: its ends say most."""
    raw = text.encode(errors="backslashreplace")
    if len(raw) <= ERROR_BYTES:
        return raw.decode()
    half = ERROR_BYTES // 2 - 40
    start, end = raw[:half].decode(errors="ignore"), raw[-half:].decode(errors="ignore")
    return f"{start}\n... {len(raw) - 2 * half} bytes cut ...\n{end}"
