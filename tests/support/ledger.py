"""What tasks really did, written where no Redis can lose it: one file, one line an event."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import wait_until

PATH_VARIABLE = "RT_LEDGER"
LONGEST = 500  # bytes: a line is one write of less than 512, so lines never mix


@dataclass(frozen=True)
class Event:
    at: float  # seconds, CLOCK_BOOTTIME
    pid: int
    name: str
    task_id: str
    extra: str


def record(name: str, task_id: str = "-", extra: object = "") -> None:
    """Append an event to the ledger that the environment names, from any process."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    text = str(extra).replace("\n", " ")
    line = f"{now:.6f} {os.getpid()} {name} {task_id} {text}"
    data = line.encode("utf-8", "backslashreplace")[:LONGEST] + b"\n"
    ledger = os.open(os.environ[PATH_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(ledger, data)
    finally:
        os.close(ledger)


class Ledger:
    """Reads what `record` wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def events(self, name: str | None = None, task_id: str | None = None) -> list[Event]:
        """Return the events in the order in which they were written, filtered by what is given."""
        if not self.path.exists():
            return []
        written = [_parse(line) for line in self.path.read_text(errors="replace").splitlines()]
        return [
            event
            for event in written
            if name in (None, event.name) and task_id in (None, event.task_id)
        ]

    def names(self, task_id: str | None = None) -> list[str]:
        """Return only the names of the events, e.g. ["start", "interrupted", "start", "end"]."""
        return [event.name for event in self.events(task_id=task_id)]

    def wait_for(
        self, name: str, task_id: str | None = None, count: int = 1, timeout: float = 10.0
    ) -> Event:
        """Return the *count*th event of this name, once it is there."""
        wait_until(
            lambda: len(self.events(name, task_id)) >= count,
            timeout,
            lambda: f"event {name!r} no. {count} of task {task_id}; there are {self.events()}",
        )
        return self.events(name, task_id)[count - 1]


def _parse(line: str) -> Event:
    at, pid, name, task_id, extra = line.split(" ", 4)
    return Event(float(at), int(pid), name, task_id, extra)
