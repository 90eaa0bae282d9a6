"""A real process with all that it starts, however deep and in whatever session."""

import contextlib
import itertools
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.process_table import (
    MARK_VARIABLE,
    children,
    command_line,
    marked_processes,
    signal_process,
)
from tests.support.waiting import wait_until

NUMBERS = itertools.count(1)


class MarkedProcess:
    """A command in a session of its own, its output in `lines()`.

    It has just the *environment* that is given, and a mark in it by which all its processes are
    found. *stdout* replaces the pipe that is read for `lines()`.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        stdout: int | None = None,
    ) -> None:
        self.mark = f"{os.getpid()}-{next(NUMBERS)}"
        self._lines: list[str] = []
        self._arrived = threading.Condition()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**environment, MARK_VARIABLE: self.mark},
            start_new_session=True,
        )
        self._reader = threading.Thread(
            target=self._read, name=f"output of {self.mark}", daemon=True
        )
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id of the command itself."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it lives, -9 if it was killed."""
        return self._process.poll()

    def children(self) -> list[int]:
        """Return the process ids of its living children."""
        return children(self.pid)

    def processes(self) -> list[int]:
        """Return the ids of all processes that it has started, its own among them."""
        return marked_processes(self.mark)

    def signal(self, number: signal.Signals) -> None:
        signal_process(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM to the command alone."""
        self.signal(signal.SIGTERM)

    def terminate_all(self) -> None:
        """SIGTERM to every process, as the platform does it."""
        for pid in self.processes():
            signal_process(pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the command alone."""
        self.signal(signal.SIGKILL)

    def kill_all(self) -> None:
        """SIGKILL to every process, as a lost dyno."""
        for pid in self.processes():
            signal_process(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Freeze the command alone."""
        self.signal(signal.SIGSTOP)

    def cont(self) -> None:
        self.signal(signal.SIGCONT)

    def wait_exit(self, timeout: float = 10.0) -> int:
        """Return the exit code, once the command has ended."""
        wait_until(
            lambda: self.exit_code is not None,
            timeout,
            lambda: f"process {self.pid} has not ended; it said:\n{self.text()}",
        )
        return self._process.wait()

    def lines(self) -> list[str]:
        """Return what the processes have written up to now, line by line."""
        with self._arrived:
            return list(self._lines)

    def text(self) -> str:
        return "\n".join(self.lines())

    def wait_line(self, pattern: str, timeout: float = 10.0, count: int = 1) -> re.Match[str]:
        """Return the *count*th match of *pattern* in the lines, once it is there."""

        def matches() -> list[re.Match[str]]:
            return [match for line in self._lines if (match := re.search(pattern, line))]

        with self._arrived:
            found = self._arrived.wait_for(lambda: len(matches()) >= count, timeout)
            said = "\n".join(self._lines)
            assert found, f"no line like {pattern!r} within {timeout:g} s in:\n{said}"
            return matches()[count - 1]

    def close(self) -> list[str]:
        """Kill what is left; return the commands that outlived one which had ended by itself."""
        ended_itself = self.exit_code is not None and self.exit_code >= 0
        leaked = self._outliving() if ended_itself else []
        wait_until(self._kill_what_is_left, 10, lambda: f"still there: {self.processes()}")
        self._process.wait(10)
        self._reader.join(10)
        return leaked

    def _outliving(self) -> list[str]:
        # What it has killed in its last moment may need another to be gone.
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self.processes(), 1)
        return [command_line(pid) for pid in self.processes()]

    def _kill_what_is_left(self) -> bool:
        self.kill_all()
        return not self.processes()

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        with self._process.stdout as output:
            for line in output:
                with self._arrived:
                    self._lines.append(line.decode(errors="replace").rstrip("\n"))
                    self._arrived.notify_all()
