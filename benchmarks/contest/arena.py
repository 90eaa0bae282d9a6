"""Start what a measurement needs: Redis on a core of its own, a contestant's worker, its marks."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.contest.contestants import ADAPTERS, Contestant

END_LIMIT = 20.0  # seconds between SIGTERM and SIGKILL of a worker
POLL = 0.002  # seconds between two looks at the marks
PAGE_TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def on_cores(cores: Sequence[int]) -> Iterator[None]:
    """Have the processes started within run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores) & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Arena:
    """One contestant before an empty Redis."""

    contestant: Contestant
    url: str
    ledger: Path

    @property
    def environment(self) -> dict[str, str]:
        return self.contestant.environment(self.url, self.ledger)

    def clear(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            client.config_resetstat()
        self.ledger.write_bytes(b"")

    def marks(self) -> int:
        return self.ledger.stat().st_size

    def drive(self, *words: str) -> str:
        return self.contestant.drive(self.environment, *words)

    def server(self, section: str) -> dict[str, object]:
        with redis.Redis.from_url(self.url) as client:
            found: dict[str, object] = client.info(section)
            return found

    def connections(self) -> int:
        """Return how many clients the server has, but for the one that asks."""
        return int(str(self.server("clients")["connected_clients"])) - 1

    @contextlib.contextmanager
    def worker(self, slots: int) -> Iterator[subprocess.Popen[bytes]]:
        """Run its worker with so many slots; afterwards all of its processes are gone."""
        command = json.loads(self.drive("worker", str(slots)))
        process = subprocess.Popen(
            command,
            env=self.environment,
            cwd=ADAPTERS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            family = [process.pid, *descendants(process.pid)]
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_LIMIT)
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()

    def wait_marks(self, count: int, limit: float, tick: Callable[[], None] | None = None) -> bool:
        """Wait until so many marks are there; false if the time is over before."""
        deadline = time.monotonic() + limit
        while self.marks() < count:
            if time.monotonic() > deadline:
                return False
            if tick is not None:
                tick()
            time.sleep(POLL)
        return True


def descendants(pid: int) -> list[int]:
    """Return the processes below *pid*, wherever they are in its tree."""
    parents: Mapping[int, int] = {
        int(path.name): parent
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and (parent := _parent(path)) is not None
    }
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _stat(path: Path) -> list[str] | None:
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _parent(path: Path) -> int | None:
    fields = _stat(path)
    return None if fields is None else int(fields[1])


def memory(pid: int) -> float:
    """Return the proportional set size of a process and of all below it, in MB."""
    total = 0
    for one in [pid, *descendants(pid)]:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def processor_time(pid: int) -> float:
    """Return the seconds that a process, all below it, and those that ended have used."""
    total = 0
    for one in [pid, *descendants(pid)]:
        fields = _stat(Path(f"/proc/{one}"))
        if fields is not None:
            total += sum(int(ticks) for ticks in fields[11:15])
    return total / PAGE_TICKS
