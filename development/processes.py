"""Runs the processes of a Procfile together, until one of them ends or a signal comes."""

import contextlib
import itertools
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_TIMEOUT = 30  # seconds from SIGTERM to SIGKILL, as on Heroku
COLOURS = (36, 33, 32, 35, 34)  # cyan, yellow, green, magenta, blue
LONGEST_LINE = 64 * 1024
VARIABLE = re.compile(r"\$(?:(?P<bare>\w+)|\{(?P<braced>\w+)(?::-(?P<default>[^}]*))?\})")


def read_procfile(path: Path) -> dict[str, str]:
    """Return the commands by name, without `release`, which is no process that stays."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    commands = {}
    for line in lines:
        name, colon, command = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9]+", name):
            raise ValueError(f"{path.name}: not a line of the form 'name: command': {line!r}")
        commands[name] = command.strip()
    commands.pop("release", None)
    return commands


def expanded(command: str, environment: Mapping[str, str]) -> str:
    """Return *command* as its shell will read it, for people: `${PORT:-5000}` as `5000`."""
    return VARIABLE.sub(
        lambda found: environment.get(found["bare"] or found["braced"]) or found["default"] or "",
        command,
    )


class Process:
    """One command in a session of its own, with its output in a pipe."""

    def __init__(self, name: str, command: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.popen = subprocess.Popen(
            tied_to_us(["/bin/sh", "-c", command]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
        assert self.popen.stdout is not None  # noqa: S101 - it is a pipe
        self.output = self.popen.stdout
        os.set_blocking(self.output.fileno(), False)
        self.rest = b""
        self.is_silent = False  # it closed its output, if it did not end

    def read_lines(self) -> list[bytes] | None:
        """Return the whole lines that have just arrived; None if nothing did."""
        data = self.output.read(LONGEST_LINE)
        if not data:
            self.is_silent = data == b""
            return None
        *lines, self.rest = (self.rest + data).split(b"\n")
        if len(self.rest) > LONGEST_LINE:
            lines.append(self.rest)
            self.rest = b""
        return lines

    def has_ended(self) -> bool:
        """Tell whether the process has ended, without forgetting its id."""
        ended = os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is not None

    def terminate(self) -> None:
        # Not Popen.terminate(), which reaps a process that has just ended.
        os.kill(self.popen.pid, signal.SIGTERM)

    def kill_group(self) -> None:
        """Kill the process with all that it left in its group; it must not be reaped yet."""
        with contextlib.suppress(PermissionError):  # macOS: nobody but the dead is left in it
            os.killpg(self.popen.pid, signal.SIGKILL)


class Runner:
    """Runs commands together; when one ends, or a stop signal comes, all end.

    Signals that come before `run` count: make the runner before anything slow.
    """

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._selector = selectors.DefaultSelector()
        self._alive: list[Process] = []
        self._prefixes: dict[str, bytes] = {}
        self._stopping = False
        self._failed = False
        self._deadline = float("inf")
        self._signals = self._watch_signals()

    def _watch_signals(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
        self._selector.register(ours, selectors.EVENT_READ)
        return ours

    def run(self, commands: Mapping[str, str], environment: Mapping[str, str]) -> int:
        """Run until all have ended; return 0 if a signal asked for that and nothing failed."""
        self._make_prefixes(commands)
        self._read_signals()
        for name, command in commands.items():
            if not self._stopping:
                self._start(name, command, environment)
        while self._alive:
            self._wait()
            for process in [process for process in self._alive if process.has_ended()]:
                self._bury(process)
            if time.monotonic() > self._deadline:
                self._kill_all()
        return 1 if self._failed else 0

    def _make_prefixes(self, commands: Mapping[str, str]) -> None:
        width = max(len(name) for name in ("bin/up", *commands))
        colours = itertools.cycle(COLOURS)
        for name in ("bin/up", *commands):
            text = f"{name:<{width}} | "
            if self._colour:
                text = f"\x1b[{next(colours)}m{text}\x1b[0m"
            self._prefixes[name] = text.encode()

    def _start(self, name: str, command: str, environment: Mapping[str, str]) -> None:
        process = Process(name, command, environment)
        self._alive.append(process)
        self._selector.register(process.output, selectors.EVENT_READ, process)

    def _wait(self) -> None:
        remaining = max(0.0, self._deadline - time.monotonic())
        for key, _ in self._selector.select(None if remaining == float("inf") else remaining):
            if key.data is None:
                self._read_signals()
            else:
                self._pass_on(key.data)

    def _read_signals(self) -> None:
        try:
            numbers = self._signals.recv(4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number in STOP_SIGNALS and self._stopping:
                self._say(
                    "still stopping: running tasks get up to 25 s to end or go back to their queue"
                )
            elif number in STOP_SIGNALS:
                self._stop(
                    "stopping: running tasks end or go back to their queue, Redis ends last"
                )

    def _pass_on(self, process: Process) -> None:
        for line in process.read_lines() or []:
            self._write(process.name, line)
        if process.is_silent:
            self._selector.unregister(process.output)

    def _bury(self, process: Process) -> None:
        process.kill_group()
        while (lines := process.read_lines()) is not None:
            for line in lines:
                self._write(process.name, line)
        if process.rest:
            self._write(process.name, process.rest)
        if process.output in self._selector.get_map():
            self._selector.unregister(process.output)
        process.output.close()
        code = process.popen.wait()
        self._alive.remove(process)
        ending = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._say(f"{process.name} {ending}")
        expected = self._stopping and code in (0, -signal.SIGTERM)
        self._failed = self._failed or not expected
        self._stop(f"stopping the others, because {process.name} has ended")

    def _stop(self, reason: str) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._deadline = time.monotonic() + STOP_TIMEOUT
        if self._alive:
            self._say(reason)
        for process in self._alive:
            process.terminate()

    def _kill_all(self) -> None:
        self._deadline = float("inf")
        for process in self._alive:
            self._say(f"{process.name} did not end within {STOP_TIMEOUT} s of SIGTERM: killing it")
            process.kill_group()

    def _say(self, text: str) -> None:
        self._write("bin/up", text.encode())

    def _write(self, name: str, line: bytes) -> None:
        try:
            sys.stdout.buffer.write(self._prefixes[name] + line + b"\n")
            sys.stdout.buffer.flush()
        except OSError:  # nobody reads any more (`bin/up | head`): end quietly
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._stop("")


def tied_to_us(command: list[str]) -> list[str]:
    """Return *command* so that it gets SIGTERM if we die without a word (Linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *command] if setpriv else command
