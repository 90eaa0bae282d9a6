"""Redis behind sentinels: the master of now is the one that is used."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from redis_tasks import EnqueueFailed, Queue, Task, keys
from redis_tasks.conf import connection, settings
from redis_tasks.exchange import Exchange
from redis_tasks.store import scripts
from tests.conftest import StartProxy, StartServer, StartWorker
from tests.support.actions import act
from tests.support.certificates import Certificates
from tests.support.ledger import Ledger
from tests.support.redis_server import RedisServer
from tests.support.sentinel import SERVICE, Sentinel
from tests.support.waiting import wait_until

PASSWORD = "p4ssword-of-nobody"


@dataclass
class Watched:
    """A master with its replica, and the sentinel that watches them."""

    master: RedisServer
    replica: RedisServer
    sentinel: Sentinel

    @property
    def url(self) -> str:
        return f"redis+sentinel://localhost:{self.sentinel.port}/{SERVICE}"


@pytest.fixture
def start_sentinel() -> Iterator[Callable[..., Sentinel]]:
    sentinels: list[Sentinel] = []

    def start(master_port: int, **how: Any) -> Sentinel:
        sentinels.append(Sentinel(master_port, **how))
        sentinels[-1].start()
        return sentinels[-1]

    yield start
    for sentinel in sentinels:
        sentinel.close()


@pytest.fixture
def watched(
    settings_for_test: dict[str, Any],
    start_redis: StartServer,
    start_sentinel: Callable[..., Sentinel],
) -> Iterator[Watched]:
    master = start_redis(tcp=True, options={"repl-diskless-sync-delay": "0"})
    replica = start_redis(tcp=True, options={"replicaof": f"127.0.0.1 {master.port}"})
    watched = Watched(master, replica, start_sentinel(master.port))
    settings_for_test["REDIS_URL"] = watched.url
    with settings.override(REDIS_URL=watched.url):
        connection.reset()
        yield watched
        connection.reset()


def has_status(server: RedisServer, task: Task, status: str) -> bool:
    with server.client() as client:
        return bool(client.hget(keys.task(task.id), "st") == status.encode())


def test_after_a_fail_over_all_carry_on_with_the_new_master(
    watched: Watched, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker()
    before = Queue().enqueue_call(act)
    ledger.wait_for("end", before.id)
    wait_until(lambda: has_status(watched.replica, before, "finished"))

    watched.sentinel.fail_over()
    after = Queue().enqueue_call(act)

    ledger.wait_for("end", after.id)
    wait_until(lambda: has_status(watched.replica, after, "finished"))
    assert [task.status for task in Task.fetch_many([before.id, after.id])] == ["finished"] * 2
    assert worker.exit_code is None


def test_a_master_that_was_made_a_replica_is_left(watched: Watched) -> None:
    # The connection survives: the sentinel, which would cut it, did not do this.
    exchange = Exchange("test")
    exchange.talk([scripts.bury()])
    with watched.master.client() as client:
        client.replicaof("127.0.0.1", watched.replica.port)

    refused = exchange.talk([scripts.register("supervisor", "", ["default"], 1)])

    assert refused is None
    assert not exchange.wire.connected
    assert not exchange.wire.sent
    with pytest.raises(EnqueueFailed, match="read only"):
        Queue().enqueue_call(act)


def test_silent_and_dead_sentinels_leave_time_for_the_next(
    watched: Watched, start_proxy: StartProxy
) -> None:
    silent = start_proxy()
    silent.hold()
    hosts = f"127.0.0.1:1,127.0.0.1:{silent.port},localhost:{watched.sentinel.port}"

    with settings.override(REDIS_URL=f"redis+sentinel://{hosts}/{SERVICE}"):
        task = Queue().enqueue_call(act)

    assert task.status == "queued"


def test_an_unknown_service_is_an_error_that_names_it(watched: Watched) -> None:
    url = f"redis+sentinel://localhost:{watched.sentinel.port}/other"

    with settings.override(REDIS_URL=url), pytest.raises(EnqueueFailed, match="other"):
        Queue().enqueue_call(act)


def test_sentinel_and_server_have_logins_of_their_own_and_a_database(
    start_redis: StartServer,
    start_sentinel: Callable[..., Sentinel],
    settings_for_test: dict[str, Any],
) -> None:
    master = start_redis(tcp=True, options={"requirepass": PASSWORD})
    sentinel = start_sentinel(master.port, password="an0ther")
    address = f"localhost:{sentinel.port}/{SERVICE}?db=3&sentinel_password="

    with settings.override(REDIS_URL=f"redis+sentinel://:{PASSWORD}@{address}an0ther"):
        task = Queue().enqueue_call(act)
        connection.reset()
    with master.client(db=3) as client:
        stored = client.exists(keys.task(task.id))
    wrong = settings.override(REDIS_URL=f"redis+sentinel://:{PASSWORD}@{address}wr0ng")
    with wrong, pytest.raises(EnqueueFailed) as told:
        Queue().enqueue_call(act)

    assert stored
    assert PASSWORD not in str(told.value)
    assert "wr0ng" not in str(told.value)


@pytest.mark.parametrize("trusted", ["ca_file", "other_ca_file"])
def test_sentinel_and_server_over_tls(
    trusted: str,
    start_redis: StartServer,
    start_sentinel: Callable[..., Sentinel],
    start_proxy: StartProxy,
    certificates: Certificates,
    settings_for_test: dict[str, Any],
) -> None:
    # The sentinel itself cannot speak with what it watches, yet says where it is.
    server = start_proxy(start_redis().socket, tls=certificates.signed)
    sentinel = start_proxy(start_sentinel(server.port).port, tls=certificates.signed)
    url = f"rediss+sentinel://localhost:{sentinel.port}/{SERVICE}"
    verify = str(getattr(certificates, trusted))

    with settings.override(REDIS_URL=url, REDIS_TLS_VERIFY=verify):
        exchange = Exchange("test")
        if trusted == "ca_file":
            replies = exchange.talk([scripts.bury()])
        else:
            with pytest.raises(redis.ConnectionError, match="REDIS_TLS_VERIFY"):
                exchange.talk([scripts.bury()])
            replies = None
    exchange.close()

    assert replies == ([[]] if trusted == "ca_file" else None)
