"""Redis over TLS: who is believed, and what is said of one who is not."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_tasks import EnqueueFailed, Queue, Task
from redis_tasks.conf import connection, settings
from redis_tasks.exchange import Exchange
from redis_tasks.store import scripts
from tests.conftest import StartProxy, StartServer, StartWorker
from tests.support.actions import act
from tests.support.certificates import Certificates
from tests.support.ledger import Ledger
from tests.support.tls_server import TlsServer

PASSWORD = "p4ssword-of-nobody"

StartTls = Callable[[Path], TlsServer]


@pytest.fixture
def start_tls(settings_for_test: dict[str, Any]) -> Iterator[StartTls]:
    """Start a TLS server with the certificate in a file; the settings name it."""
    servers: list[TlsServer] = []

    def start(certificate: Path) -> TlsServer:
        servers.append(TlsServer(certificate, password=PASSWORD))
        settings_for_test["REDIS_URL"] = servers[-1].url
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def trusting(values: Mapping[str, Any], verify: object) -> Any:
    """Put into force the test's settings, with this REDIS_TLS_VERIFY."""
    return settings.override(**{**values, "REDIS_TLS_VERIFY": str(verify)})


def refusals() -> list[str]:
    """Return what a producer, a reader and a supervisor say of a server they cannot believe."""
    exchange = Exchange("test")
    with pytest.raises(EnqueueFailed) as producers:
        Queue().enqueue_call(act)
    with pytest.raises(redis.ConnectionError) as readers:
        connection.ping()
    with pytest.raises(redis.ConnectionError) as supervisors:
        exchange.talk([scripts.bury()])
    connection.reset()
    return [str(told.value) for told in (producers, readers, supervisors)]


@pytest.mark.parametrize(
    ("certificate", "verify"),
    [
        ("signed_file", "ca_file"),
        ("signed_file", "none"),
        ("self_signed_file", "none"),
        ("wrong_host_file", "none"),
    ],
)
def test_everything_goes_over_tls_if_the_server_is_believed(
    certificate: str,
    verify: str,
    start_tls: StartTls,
    certificates: Certificates,
    settings_for_test: dict[str, Any],
) -> None:
    start_tls(getattr(certificates, certificate))

    with trusting(settings_for_test, getattr(certificates, verify, verify)):
        task = Queue().enqueue_call(act)
        exchange = Exchange("test")
        supervisors = exchange.talk([scripts.bury()])
        exchange.close()
        found = Task.fetch(task.id)
        connection.reset()

    assert supervisors == [[]]
    assert found.status == "queued"


@pytest.mark.parametrize(
    ("certificate", "verify"),
    [
        ("signed_file", "required"),
        ("signed_file", "other_ca_file"),
        ("self_signed_file", "required"),
        ("self_signed_file", "ca_file"),
        ("wrong_host_file", "ca_file"),
    ],
)
def test_a_certificate_that_is_refused_names_the_setting_that_decides(
    certificate: str,
    verify: str,
    start_tls: StartTls,
    certificates: Certificates,
    settings_for_test: dict[str, Any],
) -> None:
    start_tls(getattr(certificates, certificate))

    with trusting(settings_for_test, getattr(certificates, verify, verify)):
        said = refusals()

    for text in said:
        assert "certificate" in text
        assert "REDIS_TLS_VERIFY" in text
        assert PASSWORD not in text


def test_a_worker_warns_at_its_start_that_it_believes_everybody(
    start_tls: StartTls,
    certificates: Certificates,
    settings_for_test: dict[str, Any],
    start_worker: StartWorker,
    ledger: Ledger,
) -> None:
    start_tls(certificates.self_signed_file)

    worker = start_worker(REDIS_TLS_VERIFY="none")
    with trusting(settings_for_test, "none"):
        task = Queue().enqueue_call(act)
        connection.reset()

    ledger.wait_for("end", task.id)
    assert "WARN" in worker.wait_line("REDIS_TLS_VERIFY").string
    assert PASSWORD not in worker.text()


def test_a_worker_that_does_not_believe_the_server_ends_with_the_name_of_the_setting(
    start_tls: StartTls, certificates: Certificates, start_worker: StartWorker
) -> None:
    start_tls(certificates.self_signed_file)

    worker = start_worker(wait=False)

    assert worker.wait_exit(20) == 1
    assert len(worker.lines()) == 1
    assert "REDIS_TLS_VERIFY" in worker.text()
    assert PASSWORD not in worker.text()


def test_without_tls_the_setting_does_nothing(
    settings_for_test: dict[str, Any], start_worker: StartWorker
) -> None:
    worker = start_worker(REDIS_TLS_VERIFY="none")
    with trusting(settings_for_test, "none"):
        Queue().enqueue_call(act)

    assert "REDIS_TLS_VERIFY" not in worker.text()


def test_a_server_that_speaks_no_tls_is_out_of_reach(
    start_redis: StartServer, settings_for_test: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    server = start_redis(tcp=True, options={"requirepass": PASSWORD})

    with settings.override(REDIS_URL=f"rediss://:{PASSWORD}@localhost:{server.port}"):
        with pytest.raises(EnqueueFailed) as told:
            Queue().enqueue_call(act)
        answer = Exchange("test").talk([scripts.bury()])

    assert answer is None
    assert PASSWORD not in str(told.value) + caplog.text


def test_a_connection_over_tls_is_kept_for_the_next_call(
    start_proxy: StartProxy,
    certificates: Certificates,
    settings_for_test: dict[str, Any],
    redis_client: "redis.Redis",
) -> None:
    proxy = start_proxy(tls=certificates.signed)
    with settings.override(REDIS_URL=proxy.url, REDIS_TLS_VERIFY=str(certificates.ca_file)):
        Queue().enqueue_call(act)
        before = redis_client.info("stats")["total_connections_received"]

        for _ in range(5):
            Queue().enqueue_call(act)

        after = redis_client.info("stats")["total_connections_received"]
        assert after == before
