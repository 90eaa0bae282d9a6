"""The dashboard as processes serve it: alone, by gunicorn, within other apps."""

import base64
import http.client
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from development.ports import free_port
from tests.dashboard.conftest import Tasks
from tests.dashboard.test_access import addresses
from tests.support.mounted import WHO
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

PASSWORD = {"DASHBOARD_USERNAME": "ada", "DASHBOARD_PASSWORD": "secret"}
LOGIN = {"Authorization": "Basic " + base64.b64encode(b"ada:secret").decode()}
GUNICORN = ("-m", "gunicorn")
ALONE = """
import os
from dashboard.__main__ import Server
from tests.support.mounted import telling
Server(telling, f"127.0.0.1:{os.environ['PORT']}").run()
"""
WAYS = {
    "alone": (("-m",), "dashboard", "", LOGIN),
    "gunicorn": (GUNICORN, "dashboard:create_app()", "", LOGIN),
    "below a prefix": (GUNICORN, "tests.support.mounted:below_a_prefix()", "/tools/tasks", LOGIN),
    "in Django": (GUNICORN, "tests.support.mounted:in_django()", "/admin/tasks", {WHO: "staff"}),
}
TELLING = {
    "alone, telling": (("-c",), ALONE, "", LOGIN),
    "gunicorn, telling": (GUNICORN, "tests.support.mounted:telling", "", LOGIN),
}


class Web:
    """A process that serves the dashboard; it answers on a port of its own."""

    def __init__(self, way: str, values: Mapping[str, Any]) -> None:
        program, command, self.prefix, self.login = {**WAYS, **TELLING}[way]
        self.port = free_port()
        environment = {**PASSWORD, "PORT": str(self.port), "WEB_CONCURRENCY": "1"}
        self.process = WorkerProcess(
            values, command=command, program=program, environment=environment
        )
        wait_until(self._answers, 30, self.process.text)

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> tuple[http.client.HTTPResponse, str]:
        """Return the answer to a request, as who may see everything unless *headers* are given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            given = self.login if headers is None else headers
            connection.request(method, self.prefix + path, headers=dict(given))
            answer = connection.getresponse()
            return answer, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            return self.ask("/health")[0].status in (200, 503)
        except OSError:
            return False


@pytest.fixture
def serve(settings_for_test: dict[str, Any]) -> Iterator[Callable[..., Web]]:
    """Serve one of the ``WAYS``, or of those that tell: `serve("gunicorn", REDIS_URL=...)`."""
    started: list[Web] = []

    def start(way: str, **values: Any) -> Web:
        started.append(Web(way, {**settings_for_test, **values}))
        return started[-1]

    yield start
    assert not [line for web in started for line in web.process.close()]


@pytest.mark.parametrize("way", WAYS)
def test_it_is_served_whole_and_ends_in_good_order(
    way: str, serve: Callable[..., Web], tasks: Tasks
) -> None:
    web = serve(way)

    answer, page = web.ask("/")
    links = re.findall(r' (?:href|src)="([^"]+)"', page)
    for link in {link.partition("#")[0] for link in links if link[0] not in "#?"}:
        assert link.startswith(f"{web.prefix}/"), link
        found, _ = web.ask(link.removeprefix(web.prefix).replace("&amp;", "&"))
        assert found.status == 200, link
    failed = web.ask("/api/failed?size=1")[1]
    web.process.terminate()

    assert answer.status == 200
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert tasks.failed.id in failed
    assert web.process.wait_exit(20) == 0


@pytest.mark.parametrize("way", TELLING)
def test_the_garbage_collector_passes_over_what_was_loaded(
    way: str, serve: Callable[..., Web]
) -> None:
    web = serve(way)

    passed_over = int(web.ask("/")[1])

    assert passed_over > 10_000


def test_django_shows_it_to_whom_the_admin_lets_in(serve: Callable[..., Web], app: Flask) -> None:
    web = serve("in Django")

    for _, address in addresses(app):
        for who in ({}, {WHO: "customer"}):
            answer, page = web.ask(address, who)
            assert answer.status == 302, address
            assert answer.headers["Location"].startswith("/admin/login/"), address
            assert page == ""
    refused = {method: web.ask("/", method=method)[0].status for method in ("POST", "DELETE")}
    missing = web.ask("/nothing")[0]
    document = web.ask("/api/openapi.json")[1]

    assert set(refused.values()) <= {403, 405}
    assert missing.status == 404
    assert '"url":"/admin/tasks/api"' in document.replace(" ", "")


def test_an_answer_under_way_is_finished_when_gunicorn_is_stopped(
    serve: Callable[..., Web], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis()
    web = serve("gunicorn", REDIS_URL=server.url)
    answers: list[int] = []
    server.pause()
    asking = threading.Thread(target=lambda: answers.append(web.ask("/")[0].status))
    asking.start()
    wait_until(lambda: _is_asking(web.port), 10)

    web.process.terminate()
    code = web.process.wait_exit(20)
    asking.join()

    assert answers == [503]
    assert code == 0


def _is_asking(port: int) -> bool:
    """Tell whether somebody is connected to a port of this machine."""
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return any(line.split()[1].endswith(wanted) and line.split()[3] == "01" for line in lines)


def test_a_process_of_many_threads_holds_two_connections(
    serve: Callable[..., Web], tasks: Tasks, redis_client: Any
) -> None:
    web = serve("gunicorn")
    asking = [
        threading.Thread(target=lambda: [web.ask("/")[0].status for _ in range(5)])
        for _ in range(12)
    ]

    for thread in asking:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in asking):
        names = [entry["name"] for entry in redis_client.client_list()]
        most = max(most, names.count("redis_tasks.dashboard"))

    assert 1 <= most <= 2
