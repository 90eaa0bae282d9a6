"""A proxy before Redis that loses, cuts, delays what it carries, just where a test wants it.

proxy.lose_reply(script("settle").sha)    # the next settle is done, but never answered
proxy.drop_request()                      # the next request, whatever it is, never arrives
with proxy.partition(): ...               # connections stay, nothing gets through
"""

import asyncio
import contextlib
import math
import socket
import ssl
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

CHUNK = 64 * 1024


class Kind(Enum):
    DROP_REQUEST = auto()
    LOSE_REPLY = auto()
    CUT_REPLY = auto()


@dataclass
class Fault:
    """Something that goes wrong *times* times, with requests that contain *matching*."""

    kind: Kind
    matching: bytes
    times: int
    after: int = 0  # bytes of the reply that still get through, for CUT_REPLY
    taken: int = 0  # requests on which it was laid
    hits: int = 0  # times that it has gone wrong

    def wait(self, timeout: float = 10.0) -> None:
        """Return once it has gone wrong as often as planned."""
        wait_until(lambda: self.hits >= self.times, timeout, lambda: f"hits of {self}")


@dataclass(eq=False)
class Link:
    """A connection of a client with its own to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    reply_fault: Fault | None = field(default=None)

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Proxy:
    """Listens on a port of 127.0.0.1, with *tls* as a TLS server; carries to *target*.

    *target* is the path of a Unix socket, or a port of 127.0.0.1. *limit* is how many clients it
    takes at a time: as a server with TLS of its own, it drops any more before their handshake.
    """

    def __init__(
        self, target: Path | int, *, tls: ssl.SSLContext | None = None, limit: float = math.inf
    ) -> None:
        self.delay = 0.0  # seconds by which every reply is late
        self.refusing = False  # new connections are closed at once
        self.limit = limit
        self.accepted = 0  # connections that are held now
        self.most_accepted = 0
        self.turned_away = 0  # connections, for the limit
        self.port = 0
        self._target = target
        self._tls = tls
        self._faults: list[Fault] = []
        self._links: set[Link] = set()
        self._opened: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        # A daemon: a test that fails must not keep its process, and its coverage, from ending.
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"rediss://localhost:{self.port}" if self._tls else f"redis://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._links)

    def start(self) -> None:
        self._thread.start()
        self._do(self._listen())

    def stop(self) -> None:
        """Close everything."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def drop_request(self, matching: str | bytes = b"", times: int = 1) -> Fault:
        """Close the connection on which such a request arrives; the server never sees it."""
        return self._plan(Kind.DROP_REQUEST, matching, times)

    def lose_reply(self, matching: str | bytes = b"", times: int = 1) -> Fault:
        """Let the server do what is requested, then close instead of passing on its answer."""
        return self._plan(Kind.LOSE_REPLY, matching, times)

    def cut_reply(self, after: int, matching: str | bytes = b"", times: int = 1) -> Fault:
        """Pass on the first bytes of the answer, then close."""
        return self._plan(Kind.CUT_REPLY, matching, times, after)

    @contextlib.contextmanager
    def partition(self) -> Iterator[None]:
        """Hold back everything, both ways; it arrives afterwards, as after a lost network."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def hold(self) -> None:
        self._loop.call_soon_threadsafe(self._open.clear)

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def cut_all(self) -> None:
        """Close all connections that there are."""
        self._do(self._close_links())

    def _plan(self, kind: Kind, matching: str | bytes, times: int, after: int = 0) -> Fault:
        wanted = matching.encode() if isinstance(matching, str) else matching
        fault = Fault(kind, wanted, times, after)
        self._faults.append(fault)
        return fault

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept())

    async def _accept(self) -> None:
        guests = set()
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            if self.refusing or self.accepted >= self.limit:
                self.turned_away += self.accepted >= self.limit
                client.close()
                continue
            self.accepted += 1
            self.most_accepted = max(self.most_accepted, self.accepted)
            guests.add(guest := asyncio.create_task(self._receive(client)))
            guest.add_done_callback(guests.discard)

    async def _receive(self, client: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, client, ssl=self._tls
            )
            writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
            self._opened.append(writer)
            await self._carry(reader, writer)
        except (OSError, ssl.SSLError):
            client.close()  # who does not trust the certificate is gone already
        finally:
            self.accepted -= 1

    async def _close(self) -> None:
        self._accepting.cancel()
        self._listener.close()
        # Over TLS a close would wait for the other side's.
        for writer in self._opened:
            with contextlib.suppress(AttributeError):  # Python 3.11.2, if it is closed already
                writer.transport.abort()
        self._open.set()
        await asyncio.sleep(0.01)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _close_links(self) -> None:
        for link in list(self._links):
            link.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, server = await self._connect()
        except OSError:
            writer.close()
            return
        link = Link(client=writer, server=server)
        self._links.add(link)
        requests = asyncio.create_task(_until_closed(self._requests(link, reader)))
        replies = asyncio.create_task(_until_closed(self._replies(link, answers)))
        try:
            await asyncio.wait({requests, replies}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            link.close()
            requests.cancel()
            replies.cancel()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _requests(self, link: Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(CHUNK):
            await self._open.wait()
            fault = self._next_fault(data)
            if fault and fault.kind is Kind.DROP_REQUEST:
                fault.hits += 1
                return
            link.reply_fault = fault
            link.server.write(data)
            await link.server.drain()

    async def _replies(self, link: Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(CHUNK):
            await self._open.wait()
            if self.delay:
                await asyncio.sleep(self.delay)
            if fault := link.reply_fault:
                link.client.write(data[: fault.after])
                fault.hits += 1
                return
            link.client.write(data)
            await link.client.drain()

    def _next_fault(self, request: bytes) -> Fault | None:
        for fault in self._faults:
            if fault.taken < fault.times and fault.matching in request:
                fault.taken += 1
                return fault
        return None


async def _until_closed(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await work
