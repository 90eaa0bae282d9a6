"""Keep a supervisor's two connections: one that works, one that waits to be woken."""

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_tasks import conf, keys
from redis_tasks.clock import boottime
from redis_tasks.store.client import Argument, Call, Reply, Wire, backoff
from redis_tasks.store.server import TLS_HINT, Server

TROUBLE = (RedisConnectionError, RedisTimeoutError, ResponseError, OSError)


def _waits() -> Iterator[float]:
    # At most 2 s, less where the lease is short: in a grace period there is time for several.
    return backoff(longest=conf.socket_timeout() * 2 / 3)


class Exchange:
    """The working connection. Each attempt is short; after a failure the next one waits.

    A wrong password or a refused certificate is raised as long as nothing has worked yet: waiting
    would not mend the settings. *name* is the connection's, and its logger's. *patience* tells for
    how many seconds to wait for an answer, where that is less than by the settings.
    """

    def __init__(self, name: str, patience: float = math.inf) -> None:
        self._most_patience = min(patience, conf.socket_timeout())
        self._logger = logging.getLogger(name)
        self.server = Server(name, self._most_patience)
        self.wire = Wire(self.server)
        self.next_try = 0.0
        self.down_since: float | None = None
        self.trouble: BaseException | None = None
        self.limit_at = math.inf  # no attempt lasts beyond it
        self.due_at = 0.0  # when the replies to what was posted are late
        self._has_worked = False
        self._waits = _waits()

    def ready(self, now: float) -> bool:
        return now >= self.next_try

    def talk(self, calls: Sequence[Call[Any]]) -> list[Reply] | None:
        """Return the raw replies, or None if Redis did not answer; ``wire.sent`` tells more."""
        try:
            replies = self.wire.exchange(calls, self._patience())
        except TROUBLE as error:
            self._failed(error)
            return None
        self._worked()
        return replies

    def post(self, calls: Sequence[Call[Any]]) -> bool:
        """Send *calls*; the replies come with ``collect()``. False if Redis is out of reach."""
        patience = self._patience()
        try:
            self.wire.post(calls, patience)
        except TROUBLE as error:
            self._failed(error)
            return False
        self.due_at = boottime() + patience
        return True

    def collect(self) -> list[Reply] | None:
        """Return the replies to what was posted; None if none came by ``due_at``."""
        if boottime() >= self.due_at and not self.wire.readable:
            self._failed(RedisTimeoutError("Redis did not answer in time"))
            return None
        try:
            replies = self.wire.collect(self._patience())
        except TROUBLE as error:
            self._failed(error)
            return None
        self._worked()
        return replies

    def command(self, *words: Argument) -> Reply | None:
        """Return the reply to one plain command, or None if Redis did not answer."""
        try:
            reply = self.wire.command(*words, timeout=self._patience())
        except TROUBLE as error:
            self._failed(error)
            return None
        self._worked()
        return reply

    def _patience(self) -> float:
        # Half of what is left: an attempt may have to connect first.
        left = (self.limit_at - boottime()) / 2
        return max(0.02, min(self._most_patience, left))

    def _failed(self, error: BaseException) -> None:
        self.wire.close()
        is_setting = isinstance(error, AuthenticationError) or TLS_HINT in str(error)
        if is_setting and not self._has_worked:
            raise error
        now = boottime()
        self.trouble = error
        if self.down_since is None:
            self.down_since = now
            text = conf.without_password(str(error))
            self._logger.warning("Redis is out of reach, trying on: %s", text)
        self.next_try = now + next(self._waits)

    def _worked(self) -> None:
        if self.down_since is not None:
            self._logger.warning("Redis is back after %.1f s", boottime() - self.down_since)
            self._waits = _waits()
        self.down_since = None
        self.trouble = None
        self._has_worked = True

    def close(self) -> None:
        self.wire.close()

    def abandon(self) -> None:
        self.wire.abandon()


class Bell:
    """The waiting connection: rings when a task was put into one of the queues.

    A ring may get lost or come for nothing; so it also rings when nothing came for some seconds.
    """

    def __init__(self, server: Server, queues: Sequence[str]) -> None:
        self.wire = Wire(server)
        self.armed_until: float | None = None
        self._token_of = b""
        self._keys = [keys.wake(queue) for queue in queues]
        self._waits = _waits()
        self._next_try = 0.0

    @property
    def armed(self) -> bool:
        return self.armed_until is not None

    @property
    def moment(self) -> float:
        """Return when it has waited too long, or may next be armed."""
        return self._next_try if self.armed_until is None else self.armed_until

    def arm(self, now: float) -> None:
        """Begin to wait, unless it does or Redis is out of reach just now."""
        if self.armed or now < self._next_try:
            return
        patience = conf.socket_timeout()
        try:
            self.wire.send("BLPOP", *self._keys, f"{0.8 * patience:.3f}", timeout=patience)
        except TROUBLE:
            self._broken(now)
        else:
            self.armed_until = now + 2 * patience

    def listen(self, now: float) -> bool | None:
        """Read what came: true for a token, false for nothing in time, None for a broken wire."""
        self.armed_until = None
        try:
            answer = self.wire.answer()
        except TROUBLE:
            self._broken(now)
            return None
        if self._next_try:
            self._waits, self._next_try = _waits(), 0.0
        if answer is None:
            return False
        self._token_of = answer[0]
        return True

    @property
    def queue(self) -> str:
        """The queue of the last token."""
        return self._token_of.decode().removeprefix(keys.wake(""))

    def overdue(self, now: float) -> bool:
        return self.armed_until is not None and now > self.armed_until

    def _broken(self, now: float) -> None:
        self.wire.close()
        self.armed_until = None
        self._next_try = now + next(self._waits)

    def close(self) -> None:
        self.wire.close()
        self.armed_until = None

    def abandon(self) -> None:
        self.wire.abandon()
