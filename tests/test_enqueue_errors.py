"""What an app is told when it enqueues, but Redis is not as it should be."""

import builtins
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redis_tasks import (
    EnqueueFailed,
    EnqueueUncertain,
    PayloadTooLarge,
    Queue,
    RedisFull,
    Task,
    keys,
)
from redis_tasks.conf import settings
from redis_tasks.store.client import script
from tests.conftest import StartProxy, StartServer, UseSettings, forget_connections
from tests.support.actions import act
from tests.support.certificates import Certificates
from tests.support.hand_worker import HandWorker
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("settings_for_test")

LIMIT = 2.0  # seconds in which enqueueing answers
TOLERANCE = 0.5  # for a busy machine
REAL_TIMES = {"WORKER_HEARTBEAT_TIMEOUT": 60, "WORKER_HEARTBEAT_FREQ": 10}


@pytest.fixture
def server(start_redis: StartServer, use_settings: UseSettings) -> RedisServer:
    """A server that the test may break, with the time-outs of production."""
    started = start_redis(aof=True)
    use_settings(REDIS_URL=started.url, **REAL_TIMES)
    return started


@pytest.fixture
def proxy(start_proxy: StartProxy, use_settings: UseSettings) -> Proxy:
    """What stands between this process and the shared server."""
    started = start_proxy()
    use_settings(REDIS_URL=started.url, **REAL_TIMES)
    return started


@contextlib.contextmanager
def in_time(limit: float = LIMIT) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < limit + TOLERANCE


def enqueue(**how: Any) -> Task:
    return Queue().enqueue_call(act, [1], **how)


def replies_lost(proxy: Proxy, times: int = 1) -> Any:
    """Make sure that the script is known, then lose the replies to it."""
    Queue("warm").enqueue_call(act)
    Queue("warm").empty()
    return proxy.lose_reply(script("enqueue").sha, times)


def stop_losing(proxy: Proxy) -> None:
    """Let everything through again, on new connections."""
    for fault in proxy._faults:
        fault.times = 0
    forget_connections()


@contextlib.contextmanager
def run_aside(function: Any) -> Iterator[None]:
    thread = threading.Thread(target=function)
    thread.start()
    yield
    thread.join(10)


# ---- Nobody there


def test_a_killed_redis_is_a_connection_error_of_every_kind(server: RedisServer) -> None:
    server.kill()

    with in_time(), pytest.raises(EnqueueFailed) as raised:
        enqueue(task_id="mine")

    assert isinstance(raised.value, redis.ConnectionError)
    assert isinstance(raised.value, builtins.ConnectionError)
    assert not isinstance(raised.value, EnqueueUncertain)
    assert raised.value.task_id == "mine"
    assert "task mine was not enqueued" in str(raised.value)
    assert "is out of reach" in str(raised.value)


def test_a_redis_that_was_killed_meanwhile_certainly_got_nothing(server: RedisServer) -> None:
    enqueue()
    server.kill()

    with in_time(), pytest.raises(EnqueueFailed):
        enqueue()


def test_a_redis_that_comes_back_in_time_is_waited_for(server: RedisServer) -> None:
    enqueue()
    server.restart()

    with in_time():
        enqueue()

    assert Queue().count() == 2


def test_many_calls_fail_with_the_id_of_the_first(server: RedisServer) -> None:
    server.kill()

    with in_time(), pytest.raises(EnqueueFailed, match=r"\(0 of 2 were\)") as raised:
        Queue().enqueue_many([{"func": act, "task_id": "one"}, {"func": act}])

    assert raised.value.task_id == "one"


def test_a_task_whose_push_failed_can_be_pushed_again(server: RedisServer) -> None:
    task = Task(act, [1])
    server.kill()
    with pytest.raises(EnqueueFailed):
        Queue().push(task)
    server.start()

    Queue().push(task)

    assert Queue().get_task_ids() == [task.id]


def test_a_name_that_cannot_be_resolved_is_no_server(use_settings: UseSettings) -> None:
    use_settings(REDIS_URL="redis://redis.invalid:6379")

    with in_time(), pytest.raises(EnqueueFailed, match=r"redis\.invalid"):
        enqueue()


def test_an_address_that_swallows_everything_is_no_server(use_settings: UseSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_settings(REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}", **REAL_TIMES)

        with in_time(), pytest.raises(EnqueueFailed):
            enqueue()


def test_a_cluster_that_is_not_there_is_no_server(use_settings: UseSettings) -> None:
    use_settings(REDIS_URL="redis+cluster://127.0.0.1:1", REDIS_PREFIX="{t}")

    with pytest.raises(EnqueueFailed):
        enqueue()


# ---- No answer


def test_a_frozen_redis_that_was_never_reached_got_nothing(server: RedisServer) -> None:
    server.pause()

    with in_time(), pytest.raises(EnqueueFailed):
        enqueue()

    server.resume()


def test_a_frozen_redis_may_have_got_it(server: RedisServer) -> None:
    enqueue()
    server.pause()

    with in_time(), pytest.raises(EnqueueUncertain) as raised:
        enqueue(task_id="mine")
    server.resume()
    enqueue(task_id="mine")

    assert raised.value.task_id == "mine"
    assert isinstance(raised.value, redis.ConnectionError)
    assert isinstance(raised.value, builtins.ConnectionError)
    assert "repeat the call with the same task_id" in str(raised.value)
    assert Queue().count() == 2


def test_a_network_that_swallows_everything_may_have_delivered_it(proxy: Proxy) -> None:
    enqueue()

    with proxy.partition(), in_time(), pytest.raises(EnqueueUncertain):
        enqueue()


def test_a_slow_network_does_not_take_longer(proxy: Proxy) -> None:
    proxy.delay = 0.9

    with in_time(), contextlib.suppress(EnqueueFailed, EnqueueUncertain):
        enqueue()


def test_a_lost_reply_makes_no_second_task(proxy: Proxy) -> None:
    fault = replies_lost(proxy)

    task = enqueue()

    assert fault.hits == 1
    assert Queue().get_task_ids() == [task.id]
    assert task.status == "queued"


def test_a_task_that_ran_before_its_reply_was_repeated_says_so(
    proxy: Proxy, redis_url: str
) -> None:
    fault = replies_lost(proxy, times=2)

    with contextlib.suppress(EnqueueUncertain):
        enqueue(task_id="mine")
    with settings.override(REDIS_URL=redis_url):
        forget_connections()
        HandWorker().run()
    forget_connections()
    again = enqueue(task_id="mine")

    assert fault.hits == 2
    assert again.status == "finished"
    assert Queue().count() == 0


def test_a_lost_request_is_sent_again(proxy: Proxy) -> None:
    enqueue()
    fault = proxy.drop_request(script("enqueue").sha)

    enqueue()

    assert fault.hits == 1
    assert Queue().count() == 2


def test_lost_replies_leave_it_open_and_a_repetition_settles_it(proxy: Proxy) -> None:
    replies_lost(proxy, times=50)

    with in_time(), pytest.raises(EnqueueUncertain) as raised:
        enqueue()
    stop_losing(proxy)
    enqueue(task_id=raised.value.task_id)

    assert Queue().get_task_ids() == [raised.value.task_id]


# ---- Refused


def test_a_full_redis_is_full(server: RedisServer) -> None:
    enqueue()
    with server.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")

        with in_time(0.5), pytest.raises(RedisFull, match="task mine was not enqueued") as raised:
            enqueue(task_id="mine")
        finished = HandWorker().run()
        client.config_set("maxmemory", "0")
        enqueue(task_id="mine")

    assert isinstance(raised.value, EnqueueFailed)
    assert finished.status == "finished"
    assert Queue().get_task_ids() == ["mine"]


def test_a_full_redis_takes_none_of_many(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "1")

        with pytest.raises(RedisFull, match=r"\(0 of 10 were\)"):
            Queue().enqueue_many([{"func": act} for _ in range(10)])

        assert client.exists(keys.queue("default")) == 0


def test_a_redis_that_is_full_after_a_lost_reply_may_have_got_it(
    server: RedisServer, start_proxy: StartProxy, use_settings: UseSettings
) -> None:
    proxy = start_proxy(server.socket)
    use_settings(REDIS_URL=proxy.url)
    fault = replies_lost(proxy)
    proxy.delay = 0.1
    with server.client() as client:

        def fill_up() -> None:
            fault.wait()
            client.config_set("maxmemory", "1")

        with run_aside(fill_up), pytest.raises(EnqueueUncertain, match="maxmemory"):
            enqueue()

    assert Queue().count() == 1


def test_a_replica_is_no_place_to_enqueue(server: RedisServer) -> None:
    enqueue()
    with server.client() as client:
        client.replicaof("127.0.0.1", 1)

        with in_time(), pytest.raises(EnqueueFailed, match="read only replica"):
            enqueue()


@pytest.mark.parametrize("login", ["", ":wrong-secret@", "nobody:wrong-secret@"])
def test_a_wrong_password_is_a_failure_that_does_not_tell_it(
    login: str, start_redis: StartServer, use_settings: UseSettings
) -> None:
    server = start_redis(tcp=True, options={"requirepass": "right-secret"})
    use_settings(REDIS_URL=f"redis://{login}127.0.0.1:{server.port}")

    with in_time(), pytest.raises(EnqueueFailed, match="refused the password") as raised:
        enqueue()

    assert "secret" not in str(raised.value)
    assert f"127.0.0.1:{server.port}" in str(raised.value)


def test_the_right_password_works(start_redis: StartServer, use_settings: UseSettings) -> None:
    server = start_redis(tcp=True, options={"requirepass": "right:/@ secret"})
    use_settings(REDIS_URL=f"redis://:right%3A%2F%40%20secret@127.0.0.1:{server.port}")

    enqueue()

    assert Queue().count() == 1


def test_what_an_acl_forbids_is_said_as_redis_says_it(
    start_redis: StartServer, use_settings: UseSettings
) -> None:
    server = start_redis(tcp=True)
    with server.client() as client:
        client.acl_setuser("app", enabled=True, passwords=["+secret"], commands=["+client"])
    use_settings(REDIS_URL=f"redis://app:secret@127.0.0.1:{server.port}")

    with pytest.raises(redis.exceptions.NoPermissionError, match="no permissions"):
        enqueue()


@pytest.mark.parametrize("verify", ["required", "other CA"])
def test_a_certificate_that_is_not_trusted_names_the_setting(
    verify: str, start_proxy: StartProxy, certificates: Certificates, use_settings: UseSettings
) -> None:
    proxy = start_proxy(tls=certificates.signed)
    trusted = "required" if verify == "required" else str(certificates.other_ca_file)
    use_settings(REDIS_URL=proxy.url, REDIS_TLS_VERIFY=trusted, **REAL_TIMES)

    with in_time(), pytest.raises(EnqueueFailed, match="REDIS_TLS_VERIFY"):
        enqueue()


# ---- Wrong before anything is sent


def test_arguments_are_checked_before_redis_is_asked(server: RedisServer) -> None:
    server.kill()

    with in_time(0), pytest.raises(TypeError, match=r"args\[0\]"):
        Queue().enqueue_call(act, [object()])
    with in_time(0), pytest.raises(PayloadTooLarge):
        Queue().enqueue_call(act, ["x" * 600_000])
    with in_time(0), pytest.raises(ValueError, match="cannot be called"):
        Queue().enqueue_call(None)  # type: ignore[arg-type]
