"""Keep hold of child processes with all that they leave behind.

On Linux a workhorse dies with its supervisor, and both adopt the orphans below them: what a
workhorse leaves when it ends becomes its supervisor's child and can be found and killed, even in
a session of its own. Elsewhere (macOS) a workhorse watches for its parent's end, and only its own
process group is killed.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Container
from pathlib import Path

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36
THREADS = Path("/proc/self/task")

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int) -> bool:
    """Have this process killed when its parent ends; False where the system cannot do it.

    *parent* is who it was before the fork: if it is gone already, this process ends here.
    """
    if _libc is None or _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        return False
    if os.getppid() != parent:
        os._exit(1)
    return True


def adopt_orphans() -> None:
    """Become the parent of whatever the processes below this one leave behind (Linux)."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """Return the ids of this process's children, as far as the system tells (Linux)."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in THREADS.iterdir():  # a pattern would take several times as long
            with contextlib.suppress(OSError):
                found += [int(pid) for pid in (thread / "children").read_bytes().split()]
    return found


def kill_group(pid: int) -> None:
    """Kill a child that was not waited for yet, and its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_adopted(own: Container[int]) -> bool:
    """Kill all children that are not in *own*; false when there was none left.

    To be repeated while it is true: a killed child's own children turn up only after it.
    """
    adopted = [pid for pid in children() if pid not in own]
    for pid in adopted:
        kill_group(pid)
        reap(pid)
    return bool(adopted)


def reap(pid: int) -> int | None:
    """Return a child's exit code if it has ended (negative: the signal), else None."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if ended else None


def bury(pid: int) -> int | None:
    """Reap a group leader that has ended, killing what is left of its group; see ``reap``.

    Its number stays taken until it is reaped, so the group killed is surely its own.
    """
    if hasattr(os, "waitid"):
        try:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
        except ChildProcessError:
            return 0
        kill_group(pid)
    return reap(pid)
