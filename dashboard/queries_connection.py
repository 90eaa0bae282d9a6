"""Hold the connections by which pages ask Redis: two a process, for no longer than a page has.

They are the dashboard's own: an app that mounts it keeps its connections as they are.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty
from typing import Any, cast

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_tasks.store.server import Pool, Server

DEADLINE = 1.5  # seconds for all that one page asks
PATIENCE = 0.8  # seconds for connecting, likewise for one answer
CHUNK = 1 << 18  # bytes read at once
NAME = "redis_tasks.dashboard"  # in CLIENT LIST


@dataclass
class Reading:
    """What one page has asked so far."""

    deadline: float = field(default_factory=lambda: time.monotonic() + DEADLINE)
    trips: int = 0
    seconds: float = 0.0
    found: dict[Any, Any] = field(default_factory=dict)

    def patience(self) -> float:
        """Return the seconds for the next step. Raises redis-py's ``TimeoutError``."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise RedisTimeoutError(f"Redis took longer than {DEADLINE} s for what the page asked")
        return min(PATIENCE, left)


class PagePool(Pool):
    """Connections that each spend no more time than what *reading* returns has left.

    *answered_at* is when Redis last answered.
    """

    answered_at: datetime | None = None
    reading: Callable[[], Reading]

    def get_connection(self, *_: Any, **__: Any) -> Any:
        reading = self.reading()
        began = time.monotonic()
        self._checkpid()
        try:
            connection = self.pool.get(timeout=reading.deadline - began)
        except (Empty, ValueError):
            raise RedisTimeoutError("All connections were in use") from None
        try:
            if connection is None:
                connection = self.make_connection()  # type: ignore[no-untyped-call]
            self._make_ready(connection, reading)
        except BaseException:
            self.release(connection)
            raise
        reading.trips += 1
        connection.asked_at = began
        return connection

    def release(self, connection: Any) -> None:
        asked_at = getattr(connection, "asked_at", None)
        if asked_at is not None:
            self.reading().seconds += time.monotonic() - asked_at
            connection.asked_at = None
            if connection.is_connected:
                self.answered_at = datetime.now(UTC)
        if connection is None:
            self.pool.put_nowait(None)
        else:
            super().release(connection)

    def _make_ready(self, connection: Any, reading: Reading) -> None:
        if connection.is_connected and _was_closed(connection):
            connection.disconnect()
        if not connection.is_connected:
            patience = reading.patience()
            connection.socket_connect_timeout = connection.socket_timeout = patience
            connection.connect()
        connection._sock.settimeout(reading.patience())  # noqa: SLF001 - as in store.client


def _was_closed(connection: Any) -> bool:
    """Tell whether the server has closed a connection while it was idle."""
    try:
        return bool(connection.can_read())
    except (RedisError, OSError):
        return True


class PageClient:
    """Asks Redis; what it takes counts for what *reading* returns at that moment."""

    def __init__(self, reading: Callable[[], Reading]) -> None:
        self.redis = Server(NAME, PATIENCE).client(PagePool)
        self.pool = cast("PagePool", self.redis.connection_pool)
        self.pool.reading = reading

    def exchange(self, packed: Sequence[bytes], take: Callable[[Any], object]) -> None:
        """Send packed commands in one round trip; *take* gets each reply, or error of WRONGTYPE.

        Raises any other error. This is what a page waits for, so it does less than the client's
        pipeline: ten thousand replies take a fifth of the time. What *take* does not keep of a
        reply is gone before the next one is made.
        """
        connection = self.pool.get_connection()
        try:
            connection.send_packed_command((b"".join(packed),), check_health=False)
            _receive(connection, len(packed), self.pool.reading(), take)
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self.pool.release(connection)

    def close(self) -> None:
        self.redis.close()


def _receive(
    connection: Any, number: int, reading: Reading, take: Callable[[Any], object]
) -> None:
    sock: Any = connection._sock  # noqa: SLF001
    reader = hiredis.Reader(replyError=ResponseError)
    try:
        while True:
            data = sock.recv(CHUNK)
            if not data:
                raise RedisConnectionError("Redis has closed the connection")
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                if isinstance(reply, ResponseError) and not str(reply).startswith("WRONGTYPE"):
                    raise reply
                take(reply)
                number -= 1
            if number <= 0:
                return
            reading.patience()
    except TimeoutError as error:
        raise RedisTimeoutError("Redis did not answer in time") from error
    except OSError as error:
        raise RedisConnectionError(str(error)) from error
