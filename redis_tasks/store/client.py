"""Carry script calls to Redis: packed, answered, repeated where that is safe.

Every script may be sent twice without harm, so a call whose answer did not come is simply sent
again until its time is up. What was not answered by then has perhaps happened.
"""

import hashlib
import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_tasks import conf
from redis_tasks.conf import settings
from redis_tasks.frames import pack_command
from redis_tasks.store.server import Server

T = TypeVar("T")
Argument = str | bytes | int | float
Reply = Any

TRANSIENT_REPLIES = (
    ReadOnlyError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    TryAgainError,
)
TRANSIENT_WORDS = ("BUSY ", "MISCONF ", "NOREPLICAS ", "LOADING ")


class Unreachable(RedisConnectionError):
    """Redis did not answer in time; *sent* tells whether it may have got the call."""

    def __init__(self, cause: BaseException, *, sent: bool) -> None:
        super().__init__(conf.without_password(str(cause)))
        self.sent = sent


@dataclass(frozen=True)
class Script:
    """One Lua file with the shared parts that its second line names."""

    name: str
    text: str
    sha: str


@cache
def script(name: str) -> Script:
    folder = files("redis_tasks.store") / "lua"
    first, second, rest = (folder / f"{name}.lua").read_text("utf-8").split("\n", 2)
    shared = ""
    if second.startswith("-- uses "):
        for part in second.removeprefix("-- uses ").split(", "):
            shared += (folder / "shared" / f"{part}.lua").read_text("utf-8")
    text = f"{first}\n{shared}{second}\n{rest}"
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@lru_cache(64)
def is_script(name: str) -> bool:
    """Tell whether *name* names a script."""
    return name.isidentifier() and (files("redis_tasks.store") / "lua" / f"{name}.lua").is_file()


class Call(NamedTuple, Generic[T]):
    """One call of a script, not yet sent, with the reading of its reply."""

    name: str
    keys: tuple[str, ...]
    args: tuple[Argument, ...]
    read: Callable[[Reply], T]
    again: Callable[[], "Call[T]"] | None = None  # makes the call for a second time, if it differs
    packed: bytes = b""  # the command, where it was packed beforehand

    def prepared(self) -> "Call[T]":
        """Return the call with all done that can be done before it is sent."""
        return self._replace(packed=pack_command(self.command(whole=False)))

    def repeated(self) -> "Call[T]":
        """Return the call as it is to be sent where it may have been sent before."""
        return self if self.again is None else self.again()

    def command(self, *, whole: bool) -> tuple[Argument, ...]:
        """Return the Redis command; *whole* sends the script's text, not only its digest."""
        found = script(self.name)
        verb, body = ("EVAL", found.text) if whole else ("EVALSHA", found.sha)
        return (verb, body, len(self.keys), *self.keys, *self.args)


def is_transient(error: BaseException) -> bool:
    """Tell whether the same call may well succeed a little later."""
    if isinstance(error, AuthenticationError):
        return False
    if isinstance(error, (RedisConnectionError, RedisTimeoutError, *TRANSIENT_REPLIES)):
        return True
    return isinstance(error, ResponseError) and str(error).startswith(TRANSIENT_WORDS)


def backoff(first: float = 0.05, longest: float = 2.0) -> Iterator[float]:
    """Yield waiting times in seconds: doubling, capped, jittered by a quarter."""
    wait = first
    while True:
        jitter = int.from_bytes(os.urandom(2), "big") / 65536
        yield wait * (0.75 + jitter / 2)
        wait = min(longest, 2 * wait)


class Wire:
    """One connection on which calls are sent together, in one round trip."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connection: Any = server.connection()
        self.sent = False
        self._sent_before = False
        self._posted: Sequence[Call[Any]] = ()
        self._watched: Any = None  # the socket that `_arrivals` asks
        self._arrivals: Any = None

    @property
    def connected(self) -> bool:
        return self.connection._sock is not None

    @property
    def socket(self) -> Any:
        """The socket of the present connection, None without one."""
        return self.connection._sock

    @property
    def readable(self) -> bool:
        """Tell whether something has come: replies, or the end of the connection."""
        sock = self.connection._sock
        if sock is None:
            return False
        if sock is not self._watched:
            self._watched, self._arrivals = sock, select.poll()
            self._arrivals.register(sock, select.POLLIN)
        return bool(self._arrivals.poll(0))

    def exchange(
        self, calls: Sequence[Call[Any]], timeout: float, deadline: float = math.inf
    ) -> list[Reply]:
        """Send *calls* and return their raw replies; an error reply is returned, not raised.

        Raises redis-py's connection errors, also for a reply that is only for now (LOADING,
        READONLY, ...); ``sent`` then tells whether anything may have been carried out. *timeout*
        is for each step (connect, ask), *deadline* (``time.monotonic()``) for all together.
        """
        self.post(calls, timeout, deadline)
        return self.collect(timeout, deadline)

    def post(self, calls: Sequence[Call[Any]], timeout: float, deadline: float = math.inf) -> None:
        """Send *calls* whose replies are read later by ``collect()``: as ``exchange()``."""
        self.sent = False
        if self.readable:
            self.close()  # by the server, while it was idle: what is sent now would be lost
        self._prepare(timeout)
        self._limit(timeout, deadline)
        self._posted = calls
        self._send([call.packed or pack_command(call.command(whole=False)) for call in calls])

    def collect(self, timeout: float, deadline: float = math.inf) -> list[Reply]:
        """Return the replies to what was posted: as ``exchange()``."""
        calls = self._posted
        replies = self._receive(len(calls))
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            self.sent = len(unknown) < len(calls)  # a script that is not known did nothing
            self._limit(timeout, deadline)
            self._send([pack_command(calls[i].command(whole=True)) for i in unknown])
            for i, reply in zip(unknown, self._receive(len(unknown)), strict=True):
                replies[i] = reply
        return replies

    def command(self, *words: Argument, timeout: float) -> Reply:
        """Send one plain command and return its reply, raising error replies."""
        self.sent = False
        self._prepare(timeout)
        self._send([pack_command(words)])
        reply = self._receive(1)[0]
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    def send(self, *words: Argument, timeout: float) -> None:
        """Send one plain command whose answer is read later by ``answer()``."""
        self._prepare(timeout)
        self.connection.send_command(*words, check_health=False)

    def answer(self) -> Reply:
        try:
            return self.connection.read_response()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.connection.disconnect()

    def abandon(self) -> None:
        """Close the descriptor in a forked child; the parent's connection lives on."""
        if self.connected:
            self.connection._sock.close()

    def _prepare(self, timeout: float) -> None:
        if not self.connected:
            self.connection.socket_connect_timeout = timeout
            self.connection.socket_timeout = timeout
            self.connection.connect()
        self._wait_at_most(timeout)

    def _limit(self, timeout: float, deadline: float) -> None:
        if deadline < math.inf:
            remaining = max(0.02, deadline - time.monotonic())
            self._wait_at_most(min(timeout, remaining))

    def _wait_at_most(self, timeout: float) -> None:
        sock = self.connection._sock
        if sock.gettimeout() != timeout:
            sock.settimeout(timeout)

    def _send(self, packed: Sequence[bytes]) -> None:
        self._sent_before, self.sent = self.sent, True
        try:
            self.connection.send_packed_command((b"".join(packed),), check_health=False)
        except BaseException:
            self.close()
            raise

    def _receive(self, number: int) -> list[Reply]:
        try:
            replies = [self._reply() for _ in range(number)]
        except BusyLoadingError:
            self.sent = self._sent_before  # it refuses everything until it has loaded
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        refused = [
            reply for reply in replies if isinstance(reply, ResponseError) and is_transient(reply)
        ]
        if refused:
            self.sent = self._sent_before or len(refused) < len(replies)
            self.close()
            raise RedisConnectionError(str(refused[0])) from refused[0]
        return replies

    def _reply(self) -> Reply:
        try:
            return self.connection.read_response()
        except ResponseError as error:
            return error


class Door(Protocol):
    """A way by which calls reach Redis: an own connection, or the supervisor's."""

    def send(self, call: Call[Any], within: float) -> Reply:
        """Return the raw reply, raise ``Unreachable`` after *within* seconds."""


class Direct:
    """The door of a producer: at most two connections of its own, shared by all threads."""

    LIMIT = 2

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._made_for = _place()
        self._free: list[Wire] = []
        self._places = threading.BoundedSemaphore(self.LIMIT)
        self._server = Server("redis_tasks.producer", min(1.0, conf.socket_timeout()))

    def send(self, call: Call[Any], within: float) -> Reply:
        if self._made_for != _place():
            self._reset()
        deadline = time.monotonic() + within
        if not self._places.acquire(timeout=within):
            raise Unreachable(RedisTimeoutError("All connections are in use"), sent=False)
        try:
            return self._send_until(call, deadline)
        finally:
            self._places.release()

    def _send_until(self, call: Call[Any], deadline: float) -> Reply:
        sent = False
        waits = backoff()
        while True:
            wire = self._free.pop() if self._free else None
            try:
                wire = wire or Wire(self._server)
                # Half of what is left: the attempt may have to connect first. Rounded, so that the
                # socket's time limit is the same from one call to the next.
                patience = max(0.02, round((deadline - time.monotonic()) / 2, 2))
                patience = min(patience, self._server.timeout)
                reply = wire.exchange([call.repeated() if sent else call], patience, deadline)[0]
            except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                sent = sent or (wire is not None and wire.sent)
                if not is_transient(error) and not isinstance(error, OSError) and not sent:
                    raise
                wait = next(waits)
                if time.monotonic() + wait >= deadline:
                    raise Unreachable(error, sent=sent) from error
                time.sleep(wait)
            else:
                self._free.append(wire)
                if sent and isinstance(reply, ResponseError):
                    # Refused now, but an earlier attempt may have been carried out.
                    raise Unreachable(reply, sent=True)
                return reply

    def close(self) -> None:
        while self._free:
            self._free.pop().close()


def _place() -> tuple[int, str, str]:
    """Return what connections must not outlive: the process and the server they were made for."""
    return os.getpid(), settings.REDIS_URL, settings.REDIS_TLS_VERIFY


_door: Door | None = None


def use(door: Door | None) -> None:
    """Send all further calls of this process through *door* (None: connections of its own)."""
    global _door
    if isinstance(_door, Direct):
        _door.close()
    _door = door


def run(call: Call[T], *, within: float = 2.0) -> T:
    """Carry out one call and return what it says.

    Raises ``Unreachable`` if Redis did not answer within *within* seconds, redis-py's
    ``ResponseError`` if it refused.
    """
    global _door
    if _door is None:
        _door = Direct()
    reply = _door.send(call, within)
    if isinstance(reply, ResponseError):
        raise reply
    return call.read(reply)


def connect() -> Any:
    """Make the client behind ``redis_tasks.conf.connection``: at most two connections."""
    server = Server("redis_tasks.reader", conf.socket_timeout())
    return cast("Any", server.client())


conf.connection.install(connect)
