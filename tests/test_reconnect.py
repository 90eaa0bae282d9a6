"""Redis says no, hangs up or is silent for a while: producers, readers, supervisors carry on."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from redis_tasks import EnqueueFailed, EnqueueUncertain, Queue
from redis_tasks.conf import connection, settings, socket_timeout
from redis_tasks.exchange import Bell, Exchange
from redis_tasks.store import scripts
from tests.conftest import StartProxy, StartServer
from tests.support.actions import act
from tests.support.certificates import Certificates
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

NOBODY = ("127.0.0.1", 1)  # where no master is


@pytest.fixture
def server(settings_for_test: dict[str, Any], start_redis: StartServer) -> Iterator[RedisServer]:
    """A server that the settings name, and that the test may maltreat."""
    server = start_redis(aof=True)
    settings_for_test["REDIS_URL"] = server.url
    with settings.override(REDIS_URL=server.url):
        connection.reset()
        yield server
        connection.reset()


@pytest.fixture
def admin(server: RedisServer) -> Iterator["redis.Redis"]:
    with server.client() as admin:
        yield admin


@pytest.fixture
def exchange(server: RedisServer) -> Iterator[Exchange]:
    exchange = Exchange("supervisor")
    yield exchange
    exchange.close()


def gets_through(exchange: Exchange) -> bool:
    return exchange.talk([scripts.register("supervisor", "", ["default"], 1)]) is not None


def reads() -> bool:
    try:
        return Queue().count() >= 0
    except redis.RedisError:
        return False


def use_everything(exchange: Exchange) -> None:
    assert gets_through(exchange)
    assert reads()
    Queue().enqueue_call(act)


def become_replica(admin: "redis.Redis") -> None:
    admin.replicaof(*NOBODY)


def become_mute_replica(admin: "redis.Redis") -> None:
    admin.config_set("replica-serve-stale-data", "no")
    admin.replicaof(*NOBODY)


@pytest.mark.parametrize("refuse", [become_replica, become_mute_replica])
def test_a_replica_is_left_until_it_is_the_master(
    refuse: Callable[["redis.Redis"], None], admin: "redis.Redis", exchange: Exchange
) -> None:
    use_everything(exchange)

    refuse(admin)
    with pytest.raises(EnqueueFailed, match="read only replica"):
        Queue().enqueue_call(act)
    refused = gets_through(exchange)
    left = not exchange.wire.connected
    is_readable = reads()
    admin.replicaof("NO", "ONE")

    assert not refused
    assert left
    assert is_readable == (refuse is become_replica)
    use_everything(exchange)


def is_told_of_loading(exchange: Exchange) -> bool:
    return not gets_through(exchange) and isinstance(exchange.trouble, redis.BusyLoadingError)


def test_a_server_that_loads_its_data_has_certainly_done_nothing(
    server: RedisServer, admin: "redis.Redis", exchange: Exchange
) -> None:
    use_everything(exchange)
    with admin.pipeline(transaction=False) as pipeline:
        for number in range(12000):
            pipeline.set(f"ballast {number}", "x" * 64)
        pipeline.execute()
    server.stop()
    # While it loads it answers once every 1024 commands: five times a second.
    server.options["key-load-delay"] = "200"
    server.socket.unlink(missing_ok=True)  # the one of before leads nowhere
    starting = threading.Thread(target=server.start)
    starting.start()
    wait_until(server.socket.exists)

    wait_until(lambda: is_told_of_loading(exchange))
    was_sent = exchange.wire.sent
    starting.join(20)

    assert not was_sent
    assert Queue().count() == 1
    use_everything(exchange)


def kill_connections(admin: "redis.Redis") -> None:
    admin.client_kill_filter(_type="normal", skipme=True)


def close_idle_connections(admin: "redis.Redis") -> None:
    admin.config_set("timeout", 1)
    wait_until(lambda: admin.ping() and len(admin.client_list()) == 1)


@pytest.mark.parametrize("close", [kill_connections, close_idle_connections])
def test_nobody_notices_that_an_idle_connection_was_closed(
    close: Callable[["redis.Redis"], None], admin: "redis.Redis", exchange: Exchange
) -> None:
    use_everything(exchange)

    close(admin)
    producer = Queue().enqueue_call(act)
    reader = Queue().get_task_ids()
    wait_until(lambda: gets_through(exchange), 2)

    assert producer.id in reader


def test_scripts_are_sent_again_after_they_were_flushed(
    admin: "redis.Redis", exchange: Exchange
) -> None:
    use_everything(exchange)

    admin.script_flush()

    use_everything(exchange)


def test_connections_that_are_cut_are_made_anew(
    server: RedisServer, start_proxy: StartProxy, settings_for_test: dict[str, Any]
) -> None:
    proxy = start_proxy(server.socket)
    with settings.override(REDIS_URL=proxy.url):
        connection.reset()
        exchange = Exchange("supervisor")
        use_everything(exchange)

        proxy.cut_all()

        Queue().enqueue_call(act)
        wait_until(lambda: gets_through(exchange), 2)
        wait_until(reads, 2)
        assert Queue().count() == 2
        connection.reset()
    exchange.close()


def test_a_full_server_is_waited_for(admin: "redis.Redis", exchange: Exchange) -> None:
    admin.config_set("maxclients", 1)
    made_room = threading.Timer(0.5, admin.config_set, ("maxclients", 100))

    refused = gets_through(exchange)
    made_room.start()
    Queue().enqueue_call(act)
    made_room.join(10)

    assert not refused
    wait_until(lambda: gets_through(exchange), 2)
    assert Queue().count() == 1


def test_a_server_that_stays_full_has_certainly_enqueued_nothing(admin: "redis.Redis") -> None:
    admin.config_set("maxclients", 1)

    with pytest.raises(EnqueueFailed):
        Queue().enqueue_call(act)


@pytest.mark.parametrize("is_connected", [True, False])
def test_a_frozen_server_costs_a_supervisor_no_more_than_its_patience(
    is_connected: bool, server: RedisServer, exchange: Exchange
) -> None:
    if is_connected:
        assert gets_through(exchange)

    server.pause()
    began = time.monotonic()
    answered = gets_through(exchange)
    took = time.monotonic() - began
    server.resume()

    assert not answered
    assert took < 2 * socket_timeout() + 0.5  # to connect, to ask
    wait_until(lambda: gets_through(exchange), 5)


@pytest.mark.parametrize("is_connected", [True, False])
def test_a_silent_tls_server_costs_a_supervisor_no_more_than_its_patience(
    is_connected: bool,
    server: RedisServer,
    start_proxy: StartProxy,
    certificates: Certificates,
) -> None:
    proxy = start_proxy(server.socket, tls=certificates.signed)
    with settings.override(REDIS_URL=proxy.url, REDIS_TLS_VERIFY=str(certificates.ca_file)):
        exchange = Exchange("supervisor")
        if is_connected:
            assert gets_through(exchange)

        proxy.hold()
        began = time.monotonic()
        answered = gets_through(exchange)
        took = time.monotonic() - began
        proxy.release()

        assert not answered
        assert took < 2 * socket_timeout() + 0.5  # to connect, to ask
        wait_until(lambda: gets_through(exchange), 5)
        exchange.close()


def test_whether_a_frozen_server_enqueued_is_uncertain_only_after_it_was_asked(
    server: RedisServer,
) -> None:
    Queue().enqueue_call(act)

    server.pause()
    began = time.monotonic()
    with pytest.raises(EnqueueUncertain):
        Queue().enqueue_call(act)
    took = time.monotonic() - began
    server.resume()

    assert took < 2.5


def test_the_bell_is_rung_again_after_its_connection_was_killed(
    admin: "redis.Redis", exchange: Exchange
) -> None:
    bell = Bell(exchange.server, ["default"])
    bell.arm(0.0)
    assert bell.armed

    kill_connections(admin)
    heard = bell.listen(0.0)
    bell.arm(float("inf"))
    rearmed = bell.armed
    Queue().enqueue_call(act)
    rang = bell.listen(0.0)
    bell.close()

    assert heard is None
    assert rearmed
    assert rang is True
    assert bell.queue == "default"
