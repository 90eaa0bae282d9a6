"""Let middleware hear of runs that were killed, in a workhorse for each.

Settling puts such a run on a list in Redis. A supervisor takes it from there for a while, and
strikes it off when its workhorse has ended, however. If the supervisor ends first, another one
takes it: each is reported at least once, as long as there is a worker.
"""

import logging
import random

from redis.exceptions import ResponseError

from redis_tasks.clock import boottime
from redis_tasks.conf import settings
from redis_tasks.exchange import Exchange
from redis_tasks.stable import NEVER, Stable
from redis_tasks.store import resolve, scripts
from redis_tasks.store.scripts import Settled

logger = logging.getLogger("redis_tasks.worker")

PAUSE = 0.1  # seconds until a look-up is over


class PostMortem:
    """What a supervisor does for it: one report at a time, none after a stop signal."""

    def __init__(self, exchange: Exchange, stable: Stable, *, wanted: bool) -> None:
        self.due_at = boottime() if wanted else NEVER
        self.busy = False
        self._exchange = exchange
        self._stable = stable
        self._wanted = wanted
        self._done = ""
        stable.on_reported = self._on_reported

    @property
    def pending(self) -> bool:
        """Whether something is being reported, or may be at once."""
        return self.busy or self.due_at <= 0.0

    def step(self, now: float) -> None:
        """Begin the next report; called when it is due, and no answer is outstanding."""
        if resolve.busy():  # no fork now
            self.due_at = now + PAUSE
            return
        call = scripts.report(self._done)
        replies = self._exchange.talk([call])
        if replies is None:
            return
        self._done = ""
        self.due_at = now + settings.WORKER_HEARTBEAT_FREQ * random.uniform(0.8, 1.2)
        if isinstance(replies[0], ResponseError):
            logger.error("Redis refused %s: %s", call.name, replies[0])
            return
        taken = call.read(replies[0])
        if taken is not None:
            self.busy = self._stable.report(taken)
            self.due_at = NEVER if self.busy else self.due_at

    def settled(self, settled: Settled) -> None:
        """Look at once for what was just put on the list."""
        if self._wanted and not self.busy and settled.reason in scripts.UNREPORTED:
            self.due_at = 0.0

    def _on_reported(self, taken: str, code: int) -> None:
        self.busy, self._done, self.due_at = False, taken, 0.0
        if code != 0:
            task_id = taken.partition(" ")[2]
            logger.warning("The report of task [%s] ended early: exit code %d", task_id, code)
