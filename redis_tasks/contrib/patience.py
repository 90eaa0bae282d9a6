"""Limit how long runs wait for a server that is told about them."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis_tasks.clock import boottime

HURRY = 0.1  # seconds that a run waits while the server answers nobody
QUIET = 60.0  # seconds for which it is then not waited for any longer


class Patience:
    """Remembers for a while that a server did not answer, so that not every run waits for it."""

    def __init__(self) -> None:
        self.quiet_until = 0.0

    @contextmanager
    def waiting(self, limit: float) -> Iterator[float]:
        """Give the seconds to wait within the block: *limit*, or hardly any."""
        began = boottime()
        limit = HURRY if began < self.quiet_until else limit
        yield limit
        if boottime() - began >= limit:
            self.quiet_until = boottime() + QUIET
