"""A real sentinel, which watches a master with its replica and makes one into the other."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import redis

from development.ports import free_port
from development.processes import tied_to_us
from development.redis_server import find_server
from tests.support.waiting import wait_until

SERVICE = "tasks"


class Sentinel:
    """Watches the master that listens on *master_port*; ends by `close()`."""

    def __init__(self, master_port: int, *, password: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sentinel-"))
        self.port = free_port()
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"logfile {self.folder / 'sentinel.log'}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {master_port} 1",
            f"sentinel down-after-milliseconds {SERVICE} 2000",
            f"sentinel failover-timeout {SERVICE} 5000",
        ]
        lines += [f"requirepass {password}"] if password else []
        (self.folder / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def client(self) -> "redis.Redis":
        """Return a new client of texts, which the caller closes."""
        return redis.Redis(
            port=self.port, password=self.password or None, decode_responses=True, protocol=2
        )

    def start(self) -> None:
        """Return when the sentinel answers."""
        self._process = subprocess.Popen(
            tied_to_us([str(find_server()), str(self.folder / "sentinel.conf"), "--sentinel"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self.answers, 20)

    def answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def master_port(self) -> int:
        with self.client() as client:
            answer = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(answer[1])

    def fail_over(self) -> None:
        """Make the replica the master, as soon as the sentinel thinks that it can.

        Returns when the old master, too, knows of it, some ten seconds later: until then it takes
        writes that will be lost.
        """
        before = self.master_port()
        wait_until(self._accepts_fail_over, 30, "the sentinel sees no replica that could follow")
        wait_until(lambda: self.master_port() != before, 30, "no new master")
        with redis.Redis(port=before, protocol=2) as old:
            wait_until(lambda: old.info("replication")["role"] == "slave", 30)

    def _accepts_fail_over(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.execute_command("SENTINEL FAILOVER", SERVICE))
            except redis.ResponseError as error:
                if "NOGOODSLAVE" not in str(error):
                    raise
                return False

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)
