"""A real redis-server that a test may stop, kill, freeze or start again."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from development.ports import free_port
from development.processes import tied_to_us
from development.redis_server import find_server
from tests.support.waiting import wait_until


class RedisServer:
    """A server on a Unix socket, or with *tcp* on a port of 127.0.0.1.

    Keeps nothing on disk, unless *aof* is set: then `kill` and `restart` lose nothing.
    *options* are redis.conf's, by their names there.
    """

    def __init__(
        self, *, tcp: bool = False, aof: bool = False, options: Mapping[str, str] | None = None
    ) -> None:
        # Not pytest's folder: the path of a Unix socket is limited to about a hundred bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.port = free_port() if tcp else 0
        self.socket = self.folder / "redis.sock"
        self.options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            "logfile": str(self.folder / "redis.log"),
            "save": "",
            "appendonly": "yes" if aof else "no",
            "appendfsync": "everysec",
            **(options or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for settings; without a password, even where `requirepass` is set."""
        return f"redis://127.0.0.1:{self.port}" if self.port else f"unix://{self.socket}"

    def client(self, **options: Any) -> "redis.Redis":
        """Return a new client of bytes, which the caller closes and which never repeats a call."""
        how = {"socket_timeout": 5, "retry": Retry(NoBackoff(), 0), **options}
        password = self.options.get("requirepass")
        return redis.Redis(unix_socket_path=str(self.socket), password=password, **how)

    def start(self) -> None:
        """Return when the server takes commands."""
        words = [word for item in self.options.items() for word in (f"--{item[0]}", item[1])]
        self.process = subprocess.Popen(
            tied_to_us([str(find_server()), *words]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self.answers, 20, self._last_words)

    def answers(self) -> bool:
        """Tell whether the server takes commands now."""
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def stop(self) -> None:
        """End the server as its operator would: it writes what it has to."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server without a warning."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, then start; without *aof* the new server is empty."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server: connections stay, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill the server with all that it stored."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)
        self.process.wait(20)
        self.process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None, "the server is not running"
        os.kill(self.process.pid, number)

    def _last_words(self) -> str:
        log = self.folder / "redis.log"
        return log.read_text()[-1000:] if log.exists() else "redis-server wrote no log"
