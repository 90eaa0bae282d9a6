"""Divide the time between a stop signal and the end of the worker."""

from redis_tasks.clock import boottime
from redis_tasks.conf import settings

KILL_SHARE = 0.8  # of SHUTDOWN_TIMEOUT: what still runs then is killed
LAST_WORD_SHARE = 0.96  # what Redis was not told by then is left to lease recovery


class Stopping:
    """The timetable of one shutdown; *asked_at* and all other moments are ``boottime()``."""

    def __init__(self, asked_at: float) -> None:
        limit = float(settings.SHUTDOWN_TIMEOUT)
        self.asked_at = asked_at
        self.kill_at = asked_at + KILL_SHARE * limit
        self.last_word_at = asked_at + LAST_WORD_SHARE * limit
        self.over_at = asked_at + limit
        # Well before that: the settings' rules bound the grace by a share of the limit.
        self.interrupt_at = asked_at + settings.SHUTDOWN_GRACE

    def patience(self) -> float:
        """Return for how many seconds the last children may be waited for."""
        return min(0.3, max(0.01, (self.over_at - boottime()) / 5))
