"""Hold one workhorse from the supervisor's side: start, feed, hear, signal, bury it."""

import contextlib
import errno
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis_tasks import hooks, lifecycle, offspring, page, shutdown, workhorse
from redis_tasks.channel import OUTCOME, READY, REPORT, RETURNED, TASK
from redis_tasks.clock import boottime
from redis_tasks.frames import MALFORMED, Unpacker, pack_command
from redis_tasks.lifecycle import MOVES, TaskOutcome
from redis_tasks.page import Page
from redis_tasks.store.scripts import Claimed, Settlement, Taken

PREPARE_LIMIT = 30.0  # seconds for import, decoding and middleware before the function
AFTER_LIMIT = 30.0  # seconds for middleware after the function
REPORT_LIMIT = 30.0  # seconds for middleware to hear of a run that was killed
START_LIMIT = 30.0  # seconds from the fork to the first word
EXIT_LIMIT = 5.0  # seconds from a workhorse's last outcome to its end
SPARE_FILES = 16  # descriptors that are left for Redis and for the workhorses' own use
CHUNK = 16384  # bytes read at once: more than almost any answer of a workhorse
RESEND_SOON, RESEND = 0.25, 2.0  # seconds between two interruptions


@dataclass(slots=True, eq=False)
class Run:
    """One run of a task in a workhorse of this supervisor; moments are ``boottime()``."""

    task_id: str
    worker_id: str
    number: int
    reentrant: bool
    timeout: float
    func_name: str
    queue: str
    in_graph: bool
    given_at: float
    renewed_at: float
    returned: TaskOutcome | None = None
    is_late: bool = False  # failed as lost, but it goes on: nobody else may start it
    killed_for: str = ""  # why the supervisor killed its workhorse; empty: it did not

    @classmethod
    def of(cls, claimed: Claimed, asked_at: float) -> "Run":
        return cls(
            task_id=claimed.task_id,
            worker_id=claimed.worker_id,
            number=claimed.run,
            reentrant=claimed.reentrant,
            timeout=_seconds(claimed.timeout),
            func_name=claimed.func_name or "?",
            queue=claimed.queue,
            in_graph=claimed.in_graph,
            given_at=boottime(),
            renewed_at=asked_at,
        )

    @property
    def label(self) -> str:
        """What the log calls it."""
        return f"{self.func_name} [{self.task_id}]"

    @property
    def log_fields(self) -> dict[str, object]:
        """What a log line in JSON says beside the message."""
        return {
            "task_id": self.task_id,
            "func": self.func_name,
            "queue": self.queue,
            "worker": self.worker_id,
        }

    def settlement(self, outcome: TaskOutcome) -> Settlement:
        move = outcome.move.name
        return Settlement(
            self.task_id, self.worker_id, self.number, move, outcome.reason, outcome.text
        )


def _seconds(raw: bytes) -> float:
    try:
        return max(0.0, float(raw))
    except ValueError:
        return 86400.0


@dataclass(slots=True)
class Heard:
    """What a workhorse has said since it was last asked."""

    ready: bool = False
    outcome: TaskOutcome | None = None
    calls: list[list[bytes]] = field(default_factory=list)
    closed: bool = False


class Workhorse:
    """One child process. It has at most one run, and no more after ``retiring``."""

    def __init__(self, pid: int, sock: socket.socket, memory: Page) -> None:
        self.pid = pid
        self.page = memory
        self.run: Run | None = None
        self.ready = False
        self.retiring = False
        self.reporting = ""  # the killed run that it reports; it has no run of its own
        self.limit_at = boottime() + START_LIMIT
        self.interrupted_at: float | None = None
        self.interruptions = 0
        self._sock = sock
        self._unpacker = Unpacker()
        self._unsent = b""

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def free(self) -> bool:
        return self.ready and self.run is None and not self.retiring

    @property
    def wants_to_write(self) -> bool:
        return bool(self._unsent)

    def give(self, claimed: Claimed, run: Run) -> None:
        """Hand it a task. What was told of it goes over undecoded."""
        self.run = run
        self.page.clear()
        self.interrupted_at, self.interruptions = None, 0
        self.limit_at = run.given_at + min(PREPARE_LIMIT, run.timeout)
        self.say(TASK, *claimed.told)

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
        except (OSError, *MALFORMED):
            heard.closed = True
        return heard

    def _take(self, frame: list[bytes], heard: Heard) -> None:
        if frame[0] == READY:
            self.ready = heard.ready = True
            self.limit_at = self.limit_at if self.reporting else float("inf")
        elif frame[0] == RETURNED and self.run is not None:
            self.run.returned = _outcome(frame)
            self.limit_at = boottime() + AFTER_LIMIT
        elif frame[0] == OUTCOME:
            heard.outcome = _outcome(frame)
            self.retiring = self.retiring or frame[4] == b"retire"
            self.limit_at = boottime() + EXIT_LIMIT if self.retiring else float("inf")
        else:
            heard.calls.append(frame[1:])

    def overdue(self, now: float) -> str:
        """Tell which limit has run out: "", "start", "prepare", "timeout", "after" or "exit"."""
        if now < self.limit_at:
            return ""
        if self.run is None:
            return "exit" if self.retiring else "start"
        phase = self.page.phase
        if phase < page.STARTED:
            ready_by = self.run.given_at + PREPARE_LIMIT
            # The function's own time begins when it is called, which may be in a moment.
            self.limit_at = min(ready_by, now + max(0.05, self.run.timeout))
            return "prepare" if now >= ready_by else ""
        if phase == page.STARTED:
            self.limit_at, limit = self.page.started_at + self.run.timeout, "timeout"
        else:
            self.limit_at, limit = self.page.returned_at + AFTER_LIMIT, "after"
        return limit if now >= self.limit_at else ""

    def interrupt(self, now: float) -> None:
        """Ask the task to stop, again from time to time until it says that it was told."""
        if self.page.interruption != shutdown.NOTHING and self.interruptions:
            return
        pause = RESEND_SOON if self.interruptions < 2 else RESEND
        if self.interrupted_at is None or now - self.interrupted_at >= pause:
            self.interrupted_at, self.interruptions = now, self.interruptions + 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR1)

    def kill(self, reason: str) -> None:
        """Kill it with all of its process group; *reason* says how its run is to be settled."""
        if self.run is not None and not self.run.killed_for:
            self.run.killed_for = reason
        self.limit_at = float("inf")
        offspring.kill_group(self.pid)

    def post_mortem(self, code: int) -> TaskOutcome | None:
        """Tell how its run ended, now that it is dead without an outcome; None: say nothing."""
        run = self.run
        if run is None or run.killed_for == "lost":
            return None
        began = self.page.phase >= page.STARTED
        is_over = self.page.phase >= page.RETURNED  # not so if middleware has called it again
        if run.returned is not None and is_over and run.killed_for in AFTERWARDS:
            return run.returned
        if not began:
            return TaskOutcome.release(f"The run ended before it began: {_death(run, code)}")
        if run.killed_for == "timeout":
            text = f"Task timeout ({run.timeout:g} s) reached"
            return TaskOutcome.failure(text, lifecycle.TIMEOUT)
        if run.killed_for in ("shutdown", "fence"):
            text = f"Killed: {_death(run, code)}"
            return TaskOutcome(lifecycle.INTERRUPT, lifecycle.KILLED, text)
        return TaskOutcome(lifecycle.CRASH, lifecycle.DIED, f"Workhorse died: {_death(run, code)}")

    def let_go(self) -> None:
        """Close the pipe: it ends as soon as it has no task."""
        self._sock.close()

    def close(self) -> None:
        """Let go of its pipe and its page; it has been reaped."""
        self._sock.close()
        self.page.close()


AFTERWARDS = ("after", "shutdown", "fence")
SUCCEEDED = [lifecycle.FINISH.name.encode(), b"", b""]


def _outcome(frame: list[bytes]) -> TaskOutcome:
    if frame[1:4] == SUCCEEDED:
        return TaskOutcome.success()
    move, reason, text = (part.decode(errors="replace") for part in frame[1:4])
    return TaskOutcome(MOVES[move], reason, text)


DEATHS = {
    "start": "it did not become ready in time",
    "prepare": "importing or preparing the task took too long",
    "shutdown": "the worker was shut down, and the task did not stop in time",
    "fence": "Redis was out of reach for so long that another worker may start the task",
}


def _death(run: Run, code: int) -> str:
    if run.killed_for in DEATHS:
        return DEATHS[run.killed_for]
    if code >= 0:
        return f"it exited with code {code}"
    try:
        return f"it was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was killed by signal {-code}"


def _pipe() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and theirs.fileno() + SPARE_FILES >= limit:
        ours.close()
        theirs.close()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return ours, theirs


def spawn(
    classes: Sequence[Callable[[], Any]], inherited: Iterable[Callable[[], None]]
) -> Workhorse:
    """Fork a workhorse; the child first calls all of *inherited* to let go of what is not its own.

    Raises ``OSError`` if the system has no room for one more process.
    """
    ours, theirs = _pipe()
    memory = Page()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    for let_go in hooks.before_fork:
        let_go()
    supervisor = os.getpid()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, workhorse.STOP_SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            workhorse.main(theirs, memory, supervisor, classes, [ours.close, *inherited])
    except OSError:
        ours.close()
        memory.close()
        raise
    finally:
        theirs.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    ours.setblocking(False)
    return Workhorse(pid, ours, memory)
