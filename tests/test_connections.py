"""Connections to Redis: where a URL leads, how many there are, what a name costs."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_tasks import EnqueueFailed, Queue, keys
from redis_tasks.conf import connection, settings, socket_timeout
from redis_tasks.exchange import Exchange
from redis_tasks.store import client, resolve, scripts
from redis_tasks.store.server import MOST_CONNECTIONS, Server
from tests.conftest import StartProxy, StartServer
from tests.support.actions import act
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

PASSWORD = "p4ss/wörd@:"
QUOTED = "p4ss%2Fw%C3%B6rd%40%3A"


@pytest.fixture
def locked(start_redis: StartServer, settings_for_test: dict[str, Any]) -> RedisServer:
    """A server with a user of its own for the app."""
    server = start_redis(tcp=True, options={"requirepass": "default's"})
    with server.client() as admin:
        admin.acl_setuser(
            "app",
            enabled=True,
            passwords=[f"+{PASSWORD}"],
            keys=["*"],
            channels=["*"],
            categories=["+@all"],
        )
    return server


@pytest.mark.parametrize(
    "url",
    [
        "redis://app:{password}@localhost:{port}/3",
        "redis://app:{password}@127.0.0.1:{port}?db=3",
        "redis://app:{password}@localhost:{port}/3?socket_timeout=99&decode_responses=true",
        "unix://app:{password}@{path}?db=3",
    ],
)
def test_login_and_database_of_a_url_count(url: str, locked: RedisServer) -> None:
    given = url.format(password=QUOTED, port=locked.port, path=locked.socket)

    with settings.override(REDIS_URL=given):
        task = Queue().enqueue_call(act)
        exchange = Exchange("test")
        supervisors = exchange.talk([scripts.bury()])
        exchange.close()
        found = Queue().get_task_ids()
        connection.reset()

    assert supervisors == [[]]
    assert found == [task.id]
    with locked.client(db=3) as admin:
        assert admin.exists(keys.task(task.id))


def test_a_wrong_password_is_never_shown(locked: RedisServer) -> None:
    url = f"redis://app:wr0ng-word@localhost:{locked.port}"

    with settings.override(REDIS_URL=url):
        with pytest.raises(EnqueueFailed) as producer:
            Queue().enqueue_call(act)
        with pytest.raises(redis.AuthenticationError) as reader:
            connection.ping()
        with pytest.raises(redis.AuthenticationError) as supervisor:
            Exchange("test").talk([scripts.bury()])
        shown = repr(connection.connection_pool)
        connection.reset()

    for text in (str(producer.value), str(reader.value), str(supervisor.value), shown):
        assert "wr0ng-word" not in text


# ---- How many


def names_of(admin: "redis.Redis") -> list[str]:
    return [found["name"] for found in admin.client_list()]


def test_a_client_has_two_connections_at_most_and_closes_them(
    settings_for_test: dict[str, Any], redis_client: "redis.Redis"
) -> None:
    reader = Server("reader", socket_timeout()).client()
    seen: list[int] = []

    def read(_: int) -> None:
        reader.ping()
        seen.append(names_of(redis_client).count("reader"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(80)))
    reader.close()

    assert max(seen) == MOST_CONNECTIONS
    wait_until(lambda: "reader" not in names_of(redis_client))


def test_the_reading_connection_is_closed_by_reset(
    settings_for_test: dict[str, Any], redis_client: "redis.Redis"
) -> None:
    connection.ping()
    was_there = "redis_tasks.reader" in names_of(redis_client)

    connection.reset()

    assert was_there
    wait_until(lambda: "redis_tasks.reader" not in names_of(redis_client))


def test_producers_share_two_connections(
    settings_for_test: dict[str, Any], redis_client: "redis.Redis"
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: Queue().enqueue_call(act), range(40)))

    assert Queue().count() == 40
    assert 1 <= names_of(redis_client).count("redis_tasks.producer") <= client.Direct.LIMIT


def open_sockets() -> int:
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(descriptor.readlink()).startswith("socket:")
    return count


def test_failed_attempts_leave_no_socket(
    settings_for_test: dict[str, Any], start_proxy: StartProxy
) -> None:
    refusing = start_proxy()
    refusing.refusing = True
    urls = [refusing.url, "redis://127.0.0.1:1", "unix:///nowhere/redis.sock"]
    client.use(None)
    connection.reset()
    before = open_sockets()

    for url in urls:
        with settings.override(REDIS_URL=url):
            exchange = Exchange("test")
            assert exchange.talk([scripts.bury()]) is None
            with pytest.raises(EnqueueFailed):
                Queue().enqueue_call(act)
            with pytest.raises(redis.ConnectionError):
                connection.ping()
            connection.reset()

    wait_until(lambda: open_sockets() == before)


def test_a_changed_url_leaves_no_socket_to_the_server_before(
    settings_for_test: dict[str, Any], start_redis: StartServer
) -> None:
    other = start_redis()
    with settings.override(REDIS_URL=other.url):
        Queue().enqueue_call(act)

    Queue().enqueue_call(act)

    with other.client() as admin:
        wait_until(lambda: "redis_tasks.producer" not in names_of(admin))


# ---- Names


@pytest.fixture
def hanging_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """All look-ups of names hang until the event is set."""
    over = threading.Event()
    real = socket.getaddrinfo

    def hang(host: str, *args: Any, **options: Any) -> Any:
        over.wait(20)
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield over
    over.set()
    wait_until(lambda: not resolve.busy())


def test_a_look_up_that_hangs_costs_no_more_than_the_time_limit(
    settings_for_test: dict[str, Any], hanging_names: threading.Event
) -> None:
    with settings.override(REDIS_URL="redis://redis.example:6379"):
        exchange = Exchange("test")
        began = time.monotonic()
        answer = exchange.talk([scripts.bury()])
        supervisor_took = time.monotonic() - began
        with pytest.raises(EnqueueFailed, match=r"looking up redis\.example"):
            Queue().enqueue_call(act)
        took = time.monotonic() - began - supervisor_took

    assert answer is None
    assert supervisor_took < socket_timeout() + 0.5
    assert took < 2.5
    assert resolve.busy()
    hanging_names.set()
    wait_until(lambda: not resolve.busy())


def test_look_ups_that_hang_are_bounded(hanging_names: threading.Event) -> None:
    for _ in range(resolve.MOST_LOOK_UPS):
        with pytest.raises(OSError, match="takes longer"):
            resolve.addresses("redis.example", 1, 0)

    with pytest.raises(OSError, match="no room"):
        resolve.addresses("redis.example", 1, 0)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_needs_no_thread(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", None)

    assert resolve.addresses(address, 6379, 1)[0][1][:2] == (address, 6379)


def test_no_room_for_a_thread_is_an_error_of_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(OSError, match="can't start new thread"):
        resolve.addresses("localhost", 6379, 1)
    assert not resolve.busy()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 300 + ".example"])
def test_an_unknown_host_is_an_error_at_once(host: str) -> None:
    with pytest.raises(OSError, match=r"."):
        resolve.addresses(host, 6379, 10)


def test_a_silent_address_leaves_time_for_the_next(
    settings_for_test: dict[str, Any],
    start_redis: StartServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start_redis(tcp=True)
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # its queue is full: who comes now hears nothing
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        places = [silent.getsockname(), ("127.0.0.1", server.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        with settings.override(REDIS_URL="redis://redis.example:6379"):
            exchange = Exchange("test")
            answer = exchange.talk([scripts.bury()])
            exchange.close()

    assert answer == [[]]
