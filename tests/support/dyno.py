"""A line of a Procfile, run and stopped as the platform does it."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from development.ports import free_port
from development.processes import tied_to_us
from redis_tasks.clock import boottime
from tests.support.marked_process import MarkedProcess
from tests.support.waiting import wait_until

LIMIT = 30.0  # seconds from the first SIGTERM to SIGKILL
AGAIN = 0.5  # seconds until the next SIGTERM: the platform may send several
PROGRAMS = Path(sys.executable).parent  # where the requirements are installed

# What the classic generation of the platform sets for gunicorn; the newer one sets none of it.
FOR_GUNICORN = {
    "WEB_CONCURRENCY": "2",
    "FORWARDED_ALLOW_IPS": "*",
    "GUNICORN_CMD_ARGS": "--access-logfile -",
}


@dataclass(frozen=True)
class Ending:
    """How a dyno ended; *code* is its main process's, *outlived* are commands that did not."""

    name: str
    code: int
    seconds: float
    was_killed: bool  # the platform would log R12
    outlived: tuple[str, ...]


class Dyno(MarkedProcess):
    """One dyno; *name* is like `worker.1`, *config* the app's config vars.

    The environment holds nothing else but what the platform sets. What it writes goes to *log*.
    """

    def __init__(
        self, name: str, line: str, config: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        self.name = name
        self.port = free_port()
        self.log = log
        self.ending: Ending | None = None
        self._asked_at: float | None = None
        self._next_at = 0.0
        self._was_killed = False
        environment = {
            "PATH": f"{PROGRAMS}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(folder),
            "DYNO": name,
            "PORT": str(self.port),
            **config,
        }
        # Not without us: a test run that is killed leaves no dynos behind.
        command = tied_to_us(["/bin/bash", "-c", line])
        with log.open("wb") as output:
            super().__init__(command, environment, folder, output.fileno())

    @property
    def kind(self) -> str:
        return self.name.partition(".")[0]

    def lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    def wait_line(self, pattern: str, timeout: float = 10.0, count: int = 1) -> re.Match[str]:
        def match() -> re.Match[str] | None:
            found = [hit for line in self.lines() if (hit := re.search(pattern, line))]
            return found[count - 1] if len(found) >= count else None

        said = wait_until(match, timeout, lambda: f"{pattern!r} in the log of {self.name}")
        assert said is not None
        return said

    def push(self) -> bool:
        """Do what is due to end it; true once it has ended, see `ending`."""
        if self.ending is not None:
            return True
        now = boottime()
        if self._asked_at is None:
            self._asked_at = now
        if self.exit_code is not None:
            # Whatever the main process leaves behind ends with it.
            took, outlived = now - self._asked_at, tuple(self.close())
            self.ending = Ending(self.name, self.exit_code, took, self._was_killed, outlived)
        elif now - self._asked_at >= LIMIT:
            self._was_killed = True
            self.kill_all()
        elif now >= self._next_at:
            self._next_at = now + AGAIN
            self.terminate_all()
        return self.ending is not None


def stop(dynos: Sequence[Dyno]) -> list[Ending]:
    """Stop dynos, all at the same time; return how each of them has ended."""
    wait_until(lambda: all([dyno.push() for dyno in dynos]), LIMIT + 10)  # noqa: C419 - push all
    return [dyno.ending for dyno in dynos if dyno.ending is not None]
