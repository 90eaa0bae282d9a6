"""A real PostgreSQL server on a Unix socket, where the machine has one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PLACES = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
PROGRAM_PATH = os.pathsep.join([*PLACES, os.environ.get("PATH", "")])
UNPRIVILEGED = "postgres"  # who runs it where we are root, whom it refuses


def is_installed() -> bool:
    return bool(shutil.which("initdb", path=PROGRAM_PATH))


class PostgresServer:
    """Keeps nothing: its folder goes with it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)

    def start(self) -> None:
        """Return when the server takes connections."""
        self._run("initdb", "-D", f"{self.folder}/data", "-A", "trust", "-U", "tests", "-N")
        options = f"-c listen_addresses= -c fsync=off -k {self.folder}"
        log = f"{self.folder}/log"
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", log, "-o", options, "start")

    def close(self) -> None:
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=PROGRAM_PATH)
        assert program is not None
        subprocess.run(
            [program, *arguments],
            user=self.user,
            cwd=self.folder,
            check=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
