import contextlib
import ssl
from collections.abc import Iterator

import pytest
import redis

from tests.conftest import StartProxy
from tests.support.certificates import Certificates
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until


@contextlib.contextmanager
def connected(proxy: Proxy, **options: object) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(proxy.url, retry=None, socket_timeout=2, **options) as client:
        yield client


def test_a_lost_reply_is_one_to_a_request_that_was_done(
    start_proxy: StartProxy, redis_client: "redis.Redis"
) -> None:
    proxy = start_proxy()
    fault = proxy.lose_reply("INCR")

    with connected(proxy) as client, pytest.raises(redis.ConnectionError):
        client.incr("counter")

    assert fault.hits == 1
    assert redis_client.get("counter") == b"1"


def test_a_dropped_request_is_not_done(
    start_proxy: StartProxy, redis_client: "redis.Redis"
) -> None:
    proxy = start_proxy()
    proxy.drop_request("INCR")

    with connected(proxy) as client:
        with pytest.raises(redis.ConnectionError):
            client.incr("counter")
        after_the_fault = client.incr("counter")

    assert after_the_fault == 1


def test_a_reply_can_be_cut(start_proxy: StartProxy, redis_client: "redis.Redis") -> None:
    redis_client.set("text", "x" * 1000)
    proxy = start_proxy()
    proxy.cut_reply(after=500, matching="GET")

    with connected(proxy) as client, pytest.raises(redis.ConnectionError):
        client.get("text")


def test_a_partition_holds_back_what_arrives_later(
    start_proxy: StartProxy, redis_client: "redis.Redis"
) -> None:
    proxy = start_proxy()

    with connected(proxy) as client:
        client.ping()
        with proxy.partition(), pytest.raises(redis.TimeoutError):
            client.incr("counter")
        after_the_partition = client.incr("counter")

    assert after_the_partition == 2


def test_connections_can_be_closed_all_at_once(start_proxy: StartProxy) -> None:
    proxy = start_proxy()

    with connected(proxy) as client:
        client.ping()
        assert proxy.connections == 1

        proxy.cut_all()

        wait_until(lambda: proxy.connections == 0)


def test_the_proxy_speaks_tls_with_a_certificate_of_the_tests_choice(
    start_proxy: StartProxy, certificates: Certificates
) -> None:
    proxy = start_proxy(tls=certificates.signed)

    with connected(proxy, ssl_ca_certs=str(certificates.ca_file)) as client:
        assert client.ping()


@pytest.mark.parametrize("server", ["wrong_host", "self_signed", "signed by another authority"])
def test_a_wrong_certificate_is_refused(
    server: str, start_proxy: StartProxy, certificates: Certificates
) -> None:
    context: ssl.SSLContext = getattr(certificates, server, certificates.signed)
    known = certificates.ca_file if server == "wrong_host" else certificates.other_ca_file
    proxy = start_proxy(tls=context)

    with (
        connected(proxy, ssl_ca_certs=str(known)) as client,
        pytest.raises(redis.ConnectionError, match="certificate verify failed"),
    ):
        client.ping()
