import pytest
import redis

from tests.conftest import StartServer


def test_a_server_with_an_append_only_file_forgets_nothing(start_redis: StartServer) -> None:
    server = start_redis(aof=True)
    with server.client() as client:
        client.set("key", "kept")

    server.kill()
    server.start()

    with server.client() as client:
        assert client.get("key") == b"kept"


def test_a_paused_server_answers_when_it_is_resumed(start_redis: StartServer) -> None:
    server = start_redis()

    server.pause()

    with server.client(socket_timeout=0.2) as client, pytest.raises(redis.TimeoutError):
        client.ping()

    server.resume()
    assert server.answers()


def test_a_server_can_listen_on_a_port_too(start_redis: StartServer) -> None:
    server = start_redis(tcp=True, options={"requirepass": "secret"})

    with redis.Redis.from_url(server.url, password="secret") as client:
        assert client.ping()
