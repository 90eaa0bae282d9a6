"""Looks into /proc: which processes belong to a worker, and which are there still."""

import contextlib
import os
import re
import signal
from pathlib import Path

MARK_VARIABLE = "RT_RUN_ID"


def marked_processes(mark: str) -> list[int]:
    """Return the ids of all living processes that were started with RT_RUN_ID=*mark*.

    Children inherit the mark, in other process groups and sessions too.
    """
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    return sorted(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and wanted in _read(entry / "environ").split(b"\0")
    )


def children(pid: int) -> list[int]:
    """Return the ids of the living child processes of *pid*."""
    return [int(word) for word in _read(Path(f"/proc/{pid}/task/{pid}/children")).split()]


def exists(pid: int) -> bool:
    """Tell whether the process runs or sleeps; a zombie does not."""
    return state(pid) not in ("", "Z", "X")


def state(pid: int) -> str:
    """Return the process's state as one letter: R, S, T (stopped), Z; "" if it is gone."""
    _, _, rest = _read(Path(f"/proc/{pid}/stat")).rpartition(b") ")
    return rest[:1].decode()


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Tell whether the signal was sent to the process and not yet taken by it."""
    pending = re.search(rb"^ShdPnd:\s*(\w+)$", _read(Path(f"/proc/{pid}/status")), re.MULTILINE)
    return pending is not None and bool(int(pending[1], 16) >> (number - 1) & 1)


def command_line(pid: int) -> str:
    return _read(Path(f"/proc/{pid}/cmdline")).replace(b"\0", b" ").decode(errors="replace")


def signal_process(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just ended
        return b""
