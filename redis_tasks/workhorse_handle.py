"""Hold one workhorse from the supervisor's side: feed, hear, signal, bury it."""

import contextlib
import itertools
import os
import signal
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis_tasks import lifecycle, offspring, page, shutdown
from redis_tasks.channel import OUTCOME, READY, REPORT, RETURNED, TASK
from redis_tasks.clock import boottime
from redis_tasks.frames import MALFORMED, Unpacker, pack_command
from redis_tasks.lifecycle import MOVES, TaskOutcome
from redis_tasks.page import Page
from redis_tasks.run import Run
from redis_tasks.shelf import Shelf
from redis_tasks.store.scripts import Taken

PREPARE_LIMIT = 30.0  # seconds for import, decoding and middleware before the function
AFTER_LIMIT = 30.0  # seconds for middleware after the function
REPORT_LIMIT = 30.0  # seconds for middleware to hear of a run that was killed
START_LIMIT = 30.0  # seconds from the fork to the first word
EXIT_LIMIT = 5.0  # seconds from a workhorse's last outcome to its end
PATIENCE = 0.005  # seconds for what was handed over together, until others take the rest
CHUNK = 16384  # bytes read at once: more than almost any answer of a workhorse
RESEND_SOON, RESEND = 0.25, 2.0  # seconds between two interruptions


@dataclass(slots=True)
class Heard:
    """What a workhorse has said since it was last asked."""

    ready: bool = False
    outcomes: list[TaskOutcome] = field(default_factory=list)
    calls: list[list[bytes]] = field(default_factory=list)
    closed: bool = False
    garbled: bool = False  # it said what nobody understands


class Workhorse:
    """One child process. It has few runs at a time, one after the other, none after ``retiring``.

    The first of ``runs`` is the one it works on, as far as it was heard or looked at; the others
    lie on its shelf, but for those that it has taken meanwhile.
    """

    def __init__(self, pid: int, sock: socket.socket, memory: Page, shelf: Shelf) -> None:
        self.pid = pid
        self.runs: deque[Run] = deque()
        self.ready = False
        self.retiring = False
        self.killed_for = ""  # why the supervisor killed it; empty: it did not
        self.reporting = ""  # the killed run that it reports; it has no run of its own
        self.limit_at = boottime() + START_LIMIT
        self.patience_ends_at = float("inf")  # then others should take what lies on the shelf
        self.interrupted_at: float | None = None
        self.interruptions = 0
        self._page = memory
        self._shelf = shelf
        self._sock = sock
        self._unpacker = Unpacker()
        self._unsent = b""
        self._places = itertools.count(1)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def run(self) -> Run | None:
        """The run that it works on, or is about to."""
        return self.runs[0] if self.runs else None

    @property
    def free(self) -> bool:
        return self.ready and not self.runs and not self.retiring

    @property
    def moment(self) -> float:
        """Return when it has to be looked at."""
        return min(self.limit_at, self.patience_ends_at)

    @property
    def wants_to_write(self) -> bool:
        return bool(self._unsent)

    def give(self, runs: Sequence[Run]) -> list[Run]:
        """Hand it runs, in their order; returns those for which there is no room.

        What was told of them goes over undecoded.
        """
        first, *others = runs
        self._assign(first)
        laid_out = [run for run in others if self._lay_out(run)]
        self.runs = deque((first, *laid_out))
        self.interrupted_at, self.interruptions = None, 0
        self.say(*_frame(first, len(laid_out)))  # first of all: it may work meanwhile
        self.carry_on()
        first.told = []  # only what lies on the shelf may be given once more
        return [run for run in others if run.line is None]

    def _assign(self, run: Run) -> None:
        run.place = next(self._places)
        run.line = self._page.line(run.place)
        run.line.clear()

    def _lay_out(self, run: Run) -> bool:
        self._assign(run)
        if not self._shelf.lay(pack_command(_frame(run, 0))):
            run.line = None
        return run.line is not None

    def carry_on(self) -> None:
        """Have the limits count for its next run, now that the ones before are over."""
        now = boottime()
        self.wait_for_others(now)
        if self.retiring:
            self.limit_at = now + EXIT_LIMIT
        elif not self.runs:
            self.limit_at = float("inf")
        else:
            run = self.runs[0]
            run.given_at = now
            begun = run.phase >= page.STARTED  # its limit counts from then
            self.limit_at = now if begun else now + min(PREPARE_LIMIT, run.timeout)

    def wait_for_others(self, now: float) -> None:
        """Leave it the rest of its runs for a moment, if there is any."""
        self.patience_ends_at = now + PATIENCE if len(self.runs) > 1 else float("inf")

    def take_back(self) -> list[Run]:
        """Take back what lies on its shelf: it has not begun, and never will here."""
        places = {_place(task) for task in iter(self._shelf.take, None)}
        taken = [run for run in self.runs if run.place in places]
        for run in taken:
            self.runs.remove(run)
            run.line = None
        return taken

    @property
    def went_on(self) -> bool:
        """Tell whether it has succeeded with its run, and is at the next one already."""
        return len(self.runs) > 1 and self.runs[0].phase == page.SUCCEEDED

    def give_report(self, taken: Taken) -> None:
        """Have it tell middleware of a killed run, after which it ends."""
        self.reporting, self.retiring = taken.name, True
        self.limit_at = boottime() + REPORT_LIMIT
        self.say(REPORT, taken.task_id.encode(), *taken.record)

    def say(self, *parts: bytes) -> None:
        """Send a frame, as much of it now as goes without waiting."""
        self._unsent += pack_command(parts)
        self.flush()

    def flush(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = b""  # it is dead; its end is noticed elsewhere

    def hear(self) -> Heard:
        """Read what it has said, without waiting."""
        heard = Heard()
        try:
            while True:
                data = self._sock.recv(CHUNK)
                for frame in self._unpacker.feed(data):
                    self._take(frame, heard)
                if len(data) < CHUNK:
                    heard.closed = not data
                    break
        except BlockingIOError:
            pass
        except OSError:
            heard.closed = True
        except (*MALFORMED, *NOT_OURS):
            heard.garbled = True
        return heard

    def _take(self, frame: list[bytes], heard: Heard) -> None:
        if frame[0] == READY:
            self.ready = heard.ready = True
            self.limit_at = self.limit_at if self.reporting else float("inf")
        elif frame[0] == RETURNED:
            for run in self.runs:
                if run.place == int(frame[1]):
                    run.returned = _outcome(frame)
                    self.limit_at = min(self.limit_at, boottime() + AFTER_LIMIT)
        elif frame[0] == OUTCOME:
            self.retiring = self.retiring or frame[5] == b"retire"
            self._take_outcome(frame, heard)
        else:
            heard.calls.append(frame[1:])

    def _take_outcome(self, frame: list[bytes], heard: Heard) -> None:
        place, outcome = int(frame[1]), _outcome(frame)
        left = [run.place for run in self.runs][len(heard.outcomes) :]
        if left and place == left[0]:
            heard.outcomes.append(outcome)
        elif place in left:
            raise ValueError("An outcome out of turn")
        # Else it was read from the page before.

    def overdue(self, now: float) -> str:
        """Tell which limit has run out: "", "start", "prepare", "timeout", "after" or "exit"."""
        if now < self.limit_at:
            return ""
        if self.run is None:
            return "exit" if self.retiring else "start"
        phase, line = self.run.phase, self.run.line
        if line is None or phase < page.STARTED:
            ready_by = self.run.given_at + PREPARE_LIMIT
            # The function's own time begins when it is called, which may be in a moment.
            self.limit_at = min(ready_by, now + max(0.05, self.run.timeout))
            return "prepare" if now >= ready_by else ""
        if phase == page.STARTED:
            self.limit_at, limit = line.started_at + self.run.timeout, "timeout"
        else:
            self.limit_at, limit = line.returned_at + AFTER_LIMIT, "after"
        return limit if now >= self.limit_at else ""

    def interrupt(self, now: float) -> None:
        """Ask the task to stop, again from time to time until it says that it was told."""
        line = self.run.line if self.run is not None else None
        if line is not None and line.interruption != shutdown.NOTHING and self.interruptions:
            return
        pause = RESEND_SOON if self.interruptions < 2 else RESEND
        if self.interrupted_at is None or now - self.interrupted_at >= pause:
            self.interrupted_at, self.interruptions = now, self.interruptions + 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR1)

    def kill(self, reason: str) -> None:
        """Kill it with all of its process group; *reason* says how its run is to be settled."""
        self.killed_for = self.killed_for or reason
        self.limit_at = float("inf")
        offspring.kill_group(self.pid)

    def post_mortem(self, code: int) -> TaskOutcome | None:
        """Tell how its run ended, now that it is dead without an outcome; None: say nothing."""
        run = self.run
        if run is None or run.is_lost:
            return None
        if (known := _known_outcome(run, self.killed_for)) is not None:
            return known
        if run.phase < page.STARTED:
            return TaskOutcome.release(
                f"The run ended before it began: {_death(self.killed_for, code)}"
            )
        if self.killed_for == "timeout":
            text = f"Task timeout ({run.timeout:g} s) reached"
            return TaskOutcome.failure(text, lifecycle.TIMEOUT)
        if self.killed_for in ("shutdown", "fence"):
            text = f"Killed: {_death(self.killed_for, code)}"
            return TaskOutcome(lifecycle.INTERRUPT, lifecycle.KILLED, text)
        return TaskOutcome(
            lifecycle.CRASH, lifecycle.DIED, f"Workhorse died: {_death(self.killed_for, code)}"
        )

    def let_go(self) -> None:
        """Close the pipe: it ends as soon as it has no task."""
        self._sock.close()
        self._shelf.close()

    def close(self) -> None:
        """Let go of its pipe and its page; it has been reaped."""
        self.let_go()
        self._page.close()


def _known_outcome(run: Run, killed_for: str) -> TaskOutcome | None:
    if run.phase == page.SUCCEEDED:
        return TaskOutcome.success()
    # Not over, though it has returned, if middleware has called it again.
    is_over = run.phase == page.RETURNED and killed_for in AFTERWARDS
    return run.returned if is_over else None


# What a frame raises that is not one of ours.
NOT_OURS = (IndexError, KeyError, ValueError, TypeError, AttributeError)
AFTERWARDS = ("after", "shutdown", "fence")
SUCCEEDED = [lifecycle.FINISH.name.encode(), b"", b""]


def _frame(run: Run, laid_out: int) -> tuple[bytes, ...]:
    return TASK, b"%d" % run.place, b"%d" % laid_out, *run.told


def _place(task: bytes) -> int:
    (frame,) = Unpacker().feed(task)
    return int(frame[1])


def _outcome(frame: list[bytes]) -> TaskOutcome:
    if frame[2:5] == SUCCEEDED:
        return TaskOutcome.success()
    move, reason, text = (part.decode(errors="replace") for part in frame[2:5])
    return TaskOutcome(MOVES[move], reason, text)


DEATHS = {
    "start": "it did not become ready in time",
    "prepare": "importing or preparing the task took too long",
    "shutdown": "the worker was shut down, and the task did not stop in time",
    "fence": "Redis was out of reach for so long that another worker may start the task",
}


def _death(killed_for: str, code: int) -> str:
    if killed_for in DEATHS:
        return DEATHS[killed_for]
    if code >= 0:
        return f"it exited with code {code}"
    try:
        return f"it was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was killed by signal {-code}"
