"""Hold the lead among the schedulers, by a lease on Redis' time.

Whoever leads says so again before a second is over; the lease runs out 3 seconds after the last
time. The others ask twice a second. What a leader does bears the term of its lead, so that one
that was frozen, and has lost it without knowing, can do nothing.
"""

import logging
from datetime import datetime, timedelta
from typing import TypeVar

from redis.exceptions import OutOfMemoryError, ResponseError

from redis_tasks.clock import boottime
from redis_tasks.conf import without_password
from redis_tasks.exchange import Exchange
from redis_tasks.names import new_id
from redis_tasks.store import schedule_scripts
from redis_tasks.store.client import Call
from redis_tasks.store.schedule_scripts import Lead

T = TypeVar("T")

logger = logging.getLogger("redis_tasks.scheduler")

RENEW = 0.75  # seconds after which the leader says that it goes on, a quarter of the lease
WATCH = 0.5  # seconds after which a standby asks for the lead again
PATIENCE = 1.0  # seconds that an answer of Redis may take: a stop must come through in time
RETRY = 1.0  # seconds until what Redis has refused is tried again
TOLERANCE = timedelta(minutes=1)  # by which Redis' clock may go back before that is told


class NotNow(Exception):
    """Redis did not answer, or refused, or the lead is lost: nothing more can be done just now."""


class Leadership:
    """What one scheduler says to Redis, and whether it leads."""

    def __init__(self, description: str) -> None:
        self.id = new_id()
        self.description = description
        self.exchange = Exchange("redis_tasks.scheduler", PATIENCE)
        self.term = 0  # of its lead, 0 while it does not lead
        self.beginnings = 0  # how often it began to lead; an emptied Redis counts terms anew
        self.was_cut_off = False  # from Redis, so that nothing that it has in mind is sure
        self.may_have_heard = False  # Redis, what it did not answer
        self._ask_at = 0.0
        self._pause_until = 0.0
        self._leader = (0, "")
        self._refused: set[str] = set()
        self._step = (0.0, 0.0)  # when it began: by who moves us, by our clock
        self._clock: tuple[datetime, float] | None = None  # Redis' time, and ours at that moment

    @property
    def ask_at(self) -> float:
        """When the lead is to be asked for, or confirmed (``boottime()``)."""
        return self._ask_at

    @property
    def rests_until(self) -> float:
        """Until when Redis is left alone, since it does not answer or has refused."""
        return max(self.exchange.next_try, self._pause_until)

    def begin_step(self, now: float) -> None:
        """Hear what time it is: what follows happens then, and as much later as it takes."""
        self._step = now, boottime()

    def redis_now(self) -> datetime:
        """Return Redis' time; it may be a little later there already. Raises ``NotNow``."""
        if self._clock is None:
            raise NotNow
        moment, heard_at = self._clock
        return moment + timedelta(seconds=self._now() - heard_at)

    def our_time(self, moment: datetime) -> float:
        """Return when it will be *moment* for Redis (``boottime()``)."""
        if self._clock is None:
            return 0.0
        heard, heard_at = self._clock
        return heard_at + (moment - heard).total_seconds()

    def hear_time(self, moment: datetime) -> None:
        """Take note of Redis' time in an answer that has just come."""
        if self._clock is not None and moment < self.redis_now() - TOLERANCE:
            back = (self.redis_now() - moment).total_seconds()
            logger.warning("Redis' clock has gone back %.0f s: no tick is made again", back)
        self._clock = moment, self._now()

    def _now(self) -> float:
        now, began = self._step
        return now + (boottime() - began)

    def ask(self, call: Call[T]) -> T:
        """Return what Redis says. Raises ``NotNow``."""
        replies = self.exchange.talk([call])
        self.may_have_heard = replies is None and self.exchange.wire.sent
        if replies is None:
            self.was_cut_off = True
            raise NotNow
        if isinstance(replies[0], ResponseError):
            self._pause_until = self._now() + RETRY
            self._note_refusal(call.name, replies[0])
            raise NotNow
        if call.name in self._refused:
            self._refused.discard(call.name)
            logger.info("Redis accepts %s again", call.name)
        return call.read(replies[0])

    def _note_refusal(self, name: str, error: ResponseError) -> None:
        if name in self._refused:
            return
        self._refused.add(name)
        if isinstance(error, OutOfMemoryError):
            logger.warning("Redis is full: ticks wait until there is room")
        else:
            logger.error("Redis refused %s: %s", name, without_password(str(error)))

    def claim(self) -> None:
        """Ask for the lead, or confirm it. Raises ``NotNow``."""
        said = self.ask(schedule_scripts.lead(self.id, self.description))
        self.hear_time(said.now)
        self._ask_at = self._now() + (RENEW if said.mine else WATCH)
        if said.mine:
            self._lead(said)
        else:
            self._stand_by(said)

    def _lead(self, said: Lead) -> None:
        if said.taken or said.term != self.term:
            self.beginnings += 1
            logger.info("Scheduler %s leads", self.description)
        self.term = said.term

    def _stand_by(self, said: Lead) -> None:
        if self.term:
            self.lose()
        if self._leader != (said.term, said.description):
            logger.info("Scheduler %s stands by: %s leads", self.description, said.description)
        self._leader = said.term, said.description

    def lose(self) -> None:
        """Take note that somebody else may lead."""
        logger.warning("Scheduler %s has lost the lead", self.description)
        self.term = 0
        self._ask_at = 0.0

    def close(self) -> None:
        """Give the lead up, if Redis can be told; end the connection."""
        if self.term and self.exchange.down_since is None:
            self.exchange.limit_at = boottime() + PATIENCE
            self.exchange.talk([schedule_scripts.resign(self.id, self.term)])
        self.term = 0
        self.exchange.close()
