"""Tell how much memory processes take."""

import re
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

_SHARE = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


def own() -> int:
    """Return the resident memory of this process in bytes."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()


def together(pids: Iterable[int]) -> int:
    """Return the bytes that processes take together, what they share counted once (Linux).

    0 where the system does not tell.
    """
    return sum(map(_share, pids))


def _share(pid: int) -> int:
    try:
        found = _SHARE.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
    except OSError:  # it has just ended
        return 0
    return int(found[1]) * 1024 if found else 0
