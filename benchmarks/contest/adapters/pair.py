"""Run a worker as two processes, for libraries that have no option for it."""

import shlex
from collections.abc import Sequence


def pair(command: Sequence[str]) -> list[str]:
    """Return a command that runs *command* twice and ends both when it is told to."""
    one = shlex.join(command)
    # The shell passes its signal on to both, then waits for them.
    return ["/bin/sh", "-c", f"trap 'trap : TERM; kill 0' TERM; {one} & {one} & wait; wait"]
