"""Talk to the supervisor from inside its workhorse.

Frames from the supervisor: ``task`` (its place among those given to this workhorse, how many more
lie on the shelf, then as ``scripts.CLAIMED``), ``report`` (id of a killed task, then its record's
names and values), ``reply`` (number, kind, value). On the shelf lie such ``task`` frames, too.
Frames to it: ``ready``; ``returned`` and ``outcome`` (the task's place, move, reason, text; for an
outcome also "retire" if the workhorse ends after it); ``call`` (number, seconds, script, number of
keys, keys, arguments). A script's reply travels as JSON, its bytes as Latin-1 text.
"""

import itertools
import json
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from redis.exceptions import OutOfMemoryError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_tasks.frames import Unpacker, pack
from redis_tasks.lifecycle import TaskOutcome
from redis_tasks.shutdown import Deferred
from redis_tasks.store.client import Argument, Call, Direct, Door, Reply, Unreachable

TASK, REPORT, REPLY = b"task", b"report", b"reply"
READY, RETURNED, OUTCOME, CALL = b"ready", b"returned", b"outcome", b"call"
ANSWER, REFUSED, FULL, UNREACHABLE_SENT, UNREACHABLE = b"ok", b"error", b"full", b"sent", b"unsent"

CHUNK = 65536  # bytes read at once


class Closed(Exception):
    """The supervisor is gone."""


class Channel:
    """The workhorse's end of the pipe.

    Threads of a task may call scripts while the main thread waits for the next task: whoever
    finds nobody reading reads, for all.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unpacker = Unpacker()
        self._tasks: deque[list[bytes]] = deque()
        self._awaited: set[bytes] = set()
        self._replies: dict[bytes, list[bytes]] = {}
        self._arrival = threading.Condition()
        self._is_read = False
        self._waiting = 0  # threads, for somebody else to read
        self._put_off = b""

    def send(self, *parts: bytes) -> None:
        """Send a frame, after those that were put off."""
        self.put_off(*parts)
        self.flush()

    def put_off(self, *parts: bytes) -> None:
        """Have a frame sent together with the next one."""
        with self._arrival:
            self._put_off += pack(*parts)

    def flush(self) -> None:
        """Send what was put off."""
        try:
            with self._arrival:
                data, self._put_off = self._put_off, b""
                self._sock.sendall(data)
        except OSError:
            raise Closed from None

    def next_task(self) -> list[bytes]:
        """Wait for the next task or report; raise ``Closed`` when the supervisor is gone."""
        self._wait_until(lambda: bool(self._tasks), None)
        return self._tasks.popleft()

    def _wait_until(self, arrived: Callable[[], bool], deadline: float | None) -> None:
        with self._arrival:
            while not arrived():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return
                if self._is_read:
                    self._waiting += 1
                    self._arrival.wait(left)
                    self._waiting -= 1
                    continue
                self._is_read = True
                self._arrival.release()
                try:
                    self._read(left)
                finally:
                    self._arrival.acquire()
                    self._is_read = False
                    if self._waiting:
                        self._arrival.notify_all()

    def _read(self, timeout: float | None) -> None:
        if timeout is not None and not select.select([self._sock], [], [], timeout)[0]:
            return
        try:
            data = self._sock.recv(CHUNK)
        except OSError:
            data = b""
        if not data:
            raise Closed
        for frame in self._unpacker.feed(data):
            if frame[0] != REPLY:
                self._tasks.append(frame)
            elif frame[1] in self._awaited:
                self._replies[frame[1]] = frame[2:]

    def put_off_outcome(
        self, kind: bytes, place: bytes, outcome: TaskOutcome, *, retire: bool = False
    ) -> None:
        """Have an outcome, or what the function returned with, sent by the next ``flush()``."""
        text = outcome.text.encode(errors="backslashreplace")
        last = b"retire" if retire else b""
        self.put_off(kind, place, outcome.move.name.encode(), outcome.reason.encode(), text, last)

    def ask(self, number: int, call: Call[Any], within: float) -> list[bytes] | None:
        """Have the supervisor carry out a call; return its reply's parts, None if it is late."""
        # The supervisor may have to send it more than once.
        call = call.repeated()
        arguments = [_encode(argument) for argument in (*call.keys, *call.args)]
        head = [b"%d" % number, repr(within).encode(), call.name.encode(), b"%d" % len(call.keys)]
        self._awaited.add(head[0])
        self.send(CALL, *head, *arguments)
        self._wait_until(lambda: head[0] in self._replies, time.monotonic() + within)
        self._awaited.discard(head[0])
        return self._replies.pop(head[0], None)


def _encode(argument: Argument) -> bytes:
    return argument if isinstance(argument, bytes) else str(argument).encode()


class SupervisorsDoor(Door):
    """Carries script calls over the pipe, so that a workhorse needs no connection to write."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._pid = os.getpid()
        self._numbers = itertools.count(1)
        self._own: Direct | None = None

    def send(self, call: Call[Any], within: float) -> Reply:
        if os.getpid() != self._pid:  # a process that the task forked
            self._own = self._own or Direct()
            return self._own.send(call, within)
        with Deferred():
            # The supervisor gives up a little earlier, so that its word about it still arrives.
            answer = self._channel.ask(next(self._numbers), call, within)
        if answer is None:
            raise Unreachable(RedisTimeoutError(f"No answer within {within:g} s"), sent=True)
        return _read_reply(answer)


def write_reply(reply: Reply) -> list[bytes]:
    """Return a reply, or the error in its place, as parts of a frame."""
    if isinstance(reply, Unreachable):
        return [UNREACHABLE_SENT if reply.sent else UNREACHABLE, str(reply).encode()]
    if isinstance(reply, OutOfMemoryError):
        return [FULL, str(reply).encode()]
    if isinstance(reply, Exception):
        return [REFUSED, str(reply).encode()]
    return [ANSWER, json.dumps(reply, default=lambda raw: {"b": raw.decode("latin-1")}).encode()]


def _read_reply(parts: list[bytes]) -> Reply:
    kind, value = parts
    text = value.decode(errors="replace")
    if kind == ANSWER:
        return json.loads(value, object_hook=lambda found: found["b"].encode("latin-1"))
    if kind == FULL:
        return OutOfMemoryError(text)
    if kind == REFUSED:
        return ResponseError(text)
    raise Unreachable(RedisTimeoutError(text), sent=kind == UNREACHABLE_SENT)
