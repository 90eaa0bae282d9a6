"""Reach the Redis server that ``settings.REDIS_URL`` names.

``redis://``, ``rediss://`` (TLS) and ``unix://`` as in redis-py; ``redis+sentinel://[user:password@]
host:port,host:port/service[?db=0&sentinel_username=...&sentinel_password=...]`` asks sentinels for
the master; ``redis+cluster://host:port,...`` finds the node that holds the prefix's hash slot. The
schemes with ``rediss+`` do the same over TLS.

Of a URL's options only the database, the sentinels' login and the client's own certificate
(``ssl_certfile``, ``ssl_keyfile``, ``ssl_password``) count; how a server's certificate is verified
is ``REDIS_TLS_VERIFY`` alone.
"""

import socket
import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.exceptions import MovedError, ReadOnlyError
from redis.retry import Retry

from redis_tasks import keys
from redis_tasks.conf import settings
from redis_tasks.store import discovery, resolve
from redis_tasks.store.discovery import Ask, Locate, Place

MOST_CONNECTIONS = 2  # of one client
SENTINEL_PORT = 26379
REDIS_PORT = 6379
PLACE_OPTIONS = frozenset({"host", "port", "path", "db", "username", "password"})
CLIENT_CERTIFICATE = frozenset({"ssl_certfile", "ssl_keyfile", "ssl_password"})
TLS_HINT = (
    " The server's certificate was not accepted: set REDIS_TLS_VERIFY to the path of its CA's"
    ' file, or to "none" where the platform uses self-signed certificates.'
)


class TcpConnection(Connection):
    """A connection that spends its connect time-out on all that comes before it, too.

    That is asking where to go (*locate*) and looking up the host's name.
    """

    def __init__(self, *, locate: Locate | None = None, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._locate = locate

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + (self.socket_connect_timeout or 5.0)
        if self._locate is not None:
            self.host, self.port = self._locate(deadline)
        found = resolve.addresses(self.host, self.port, deadline - time.monotonic())
        failure = OSError(f"{self.host} has no address")
        for number, (family, address) in enumerate(found):
            # A silent address leaves time for the next one.
            patience = (deadline - time.monotonic()) / (len(found) - number)
            try:
                return self._open(family, address, max(0.01, patience))
            except OSError as error:
                failure = error
        raise failure

    def _open(
        self, family: socket.AddressFamily, address: tuple[object, ...], patience: float
    ) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in self.socket_keepalive_options.items():
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
            sock.settimeout(patience)
            sock.connect(address)
            sock.settimeout(self.socket_timeout)
        except BaseException:
            sock.close()
            raise
        return sock

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except (MovedError, ReadOnlyError):
            # The keys are elsewhere now: a pool will make this connection anew.
            self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            raise


class TlsConnection(SSLConnection, TcpConnection):
    """The same over TLS; a refused certificate names the setting to change."""

    def _error_message(self, exception: BaseException) -> str:
        message = str(super()._error_message(exception))  # type: ignore[no-untyped-call]
        return message + TLS_HINT if "certificate" in message.lower() else message


class Pool(BlockingConnectionPool):
    """Connections for all threads, of which none is used again in the middle of an exchange."""

    def release(self, connection: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, Exception):
            # WorkerShutdown, Ctrl-C: the reply that is still to come is for nobody, and the next
            # command would read it as its own.
            connection.disconnect()
        super().release(connection)  # type: ignore[no-untyped-call]


class Server:
    """The Redis server of the settings, as one kind of process uses it.

    *name* is shown by ``CLIENT LIST``; *timeout* is in seconds, for connecting as for each answer.
    """

    def __init__(self, name: str, timeout: float) -> None:
        self.timeout = timeout
        self._kind, where = _from_url(settings.REDIS_URL)
        self._options = {**where, **_manners(timeout), "client_name": name}

    def connection(self) -> Any:
        """Make a connection (redis-py's) that is not yet connected."""
        return self._kind(**self._options)

    def client(self, pool_class: type[Pool] = Pool) -> Redis:
        """Make a client that all threads may use, of at most ``MOST_CONNECTIONS``.

        Its ``close()`` closes them.
        """
        pool = pool_class(
            connection_class=self._kind,
            max_connections=MOST_CONNECTIONS,
            timeout=self.timeout,
            **self._options,
        )
        return Redis.from_pool(pool)


def _manners(timeout: float) -> dict[str, Any]:
    # Repeating is ours, since only our scripts may safely be sent twice.
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }


def _from_url(text: str) -> tuple[type[Any], dict[str, Any]]:
    """Return the class of the connections, with the options that say where they go."""
    scheme, _, how = urlsplit(text).scheme.partition("+")
    if scheme == "unix":
        return UnixDomainSocketConnection, _chosen(parse_url(text), PLACE_OPTIONS)
    tls = _tls_options() if scheme == "rediss" else {}
    kind: type[TcpConnection] = TlsConnection if tls else TcpConnection
    if not how:
        given = parse_url(text)
        wanted = PLACE_OPTIONS | CLIENT_CERTIFICATE if tls else PLACE_OPTIONS
        return kind, {**_chosen(given, wanted), **tls}
    return kind, _of_many(text, how, kind, tls)


def _of_many(
    text: str, how: str, kind: type[TcpConnection], tls: dict[str, Any]
) -> dict[str, Any]:
    url = urlsplit(text)
    query = dict(parse_qsl(url.query))
    if tls:
        tls = {**tls, **_chosen(query, CLIENT_CERTIFICATE)}
    login, _, hosts = url.netloc.rpartition("@")
    user, _, password = login.partition(":")
    account = _without_blanks(username=unquote(user), password=unquote(password))
    if how == "cluster":
        nodes = _places(hosts, REDIS_PORT)
        locate = discovery.owner(nodes, keys.totals(), _asker(kind, {**account, **tls}))
        return {**account, **tls, "locate": locate}
    door = _without_blanks(
        username=query.get("sentinel_username"), password=query.get("sentinel_password")
    )
    sentinels = _places(hosts, SENTINEL_PORT)
    locate = discovery.master(sentinels, url.path.strip("/"), _asker(kind, {**door, **tls}))
    return {**account, **tls, "locate": locate, "db": int(query.get("db", 0))}


def _tls_options() -> dict[str, Any]:
    if settings.REDIS_TLS_VERIFY == "none":
        return {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    if settings.REDIS_TLS_VERIFY == "required":
        return {"ssl_cert_reqs": "required"}
    return {"ssl_cert_reqs": "required", "ssl_ca_certs": str(settings.REDIS_TLS_VERIFY)}


def _places(hosts: str, default_port: int) -> list[Place]:
    urls = [urlsplit(f"//{host}") for host in hosts.split(",")]
    return [(url.hostname or "", url.port or default_port) for url in urls]


def _asker(kind: type[TcpConnection], options: dict[str, Any]) -> Ask:
    def ask(place: Place, patience: float, question: Sequence[str]) -> Any:
        host, port = place
        connection: Any = kind(host=host, port=port, **{**options, **_manners(patience)})
        try:
            connection.connect()
            connection.send_command(*question)
            return connection.read_response()
        finally:
            connection.disconnect()

    return ask


def _chosen(given: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in names}


def _without_blanks(**given: str | None) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}
