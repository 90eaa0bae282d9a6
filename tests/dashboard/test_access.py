import os
import subprocess
import sys
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_app
from dashboard.access import CONTRADICTION, UNPROTECTED, Access, Failures, Unprotected
from tests.dashboard.conftest import Tasks

RIGHT = ("ada", "pässword")
OPEN = {"static", "health.health"}


@pytest.fixture
def closed(settings_for_test: dict[str, Any]) -> FlaskClient:
    return create_app(Access(*RIGHT)).test_client()


def addresses(app: Flask, task_id: str = "x", graph_id: str = "x") -> list[tuple[str, str]]:
    """Return endpoint and address of every route, those of a failed task of queue ``alpha``."""
    values = {"filename": "style.css", "span": "hour"}
    names = {"name": "alpha", "task_id": task_id, "graph_id": graph_id, "path": "x"}
    found = []
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            given = {**names, **values}
            if rule.endpoint == "pages.chart":
                given["name"] = "waiting"
            if rule.endpoint == "pages.text":
                given["name"] = "error"
            built = rule.build({name: given[name] for name in rule.arguments})
            assert built is not None
            found.append((rule.endpoint, built[1]))
    return found


def test_every_route_only_reads(app: Flask) -> None:
    methods = {method for rule in app.url_map.iter_rules() for method in rule.methods or ()}

    assert methods == {"GET", "HEAD", "OPTIONS"}


def test_all_but_health_and_static_files_need_the_password(closed: FlaskClient) -> None:
    answers = {}
    for endpoint, address in addresses(closed.application):
        with closed.get(address) as answer:
            answers[endpoint] = answer.status_code

    assert {endpoint for endpoint, status in answers.items() if status != 401} == OPEN


def test_who_knows_the_password_is_admitted(closed: FlaskClient) -> None:
    answer = closed.get("/", auth=RIGHT)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "wrong", [("ada", "password"), ("Ada", "pässword"), ("", ""), ("ada", ""), ("ada" * 9999, "x")]
)
def test_who_does_not_is_refused(closed: FlaskClient, wrong: tuple[str, str]) -> None:
    answer = closed.get("/", auth=wrong)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert "Server-Timing" not in answer.headers


def test_after_ten_wrong_passwords_even_the_right_one_has_to_wait(closed: FlaskClient) -> None:
    wrong = [closed.get("/", auth=("ada", str(number))).status_code for number in range(10)]
    right = closed.get("/", auth=RIGHT)
    elsewhere = closed.get("/", auth=RIGHT, headers={"X-Forwarded-For": "203.0.113.9"})

    assert wrong == [401] * 10
    assert right.status_code == 429
    assert 0 < int(right.headers["Retry-After"]) <= 61
    assert elsewhere.status_code == 200


def test_a_network_of_ipv6_counts_as_one_address_and_waits_a_minute() -> None:
    failures = Failures()

    for number in range(10):
        failures.note(f"2001:db8::{number}", 100.0 + number)

    assert failures.wait("2001:db8::ffff", 120.0) == 40.0
    assert failures.wait("2001:db8:0:1::1", 120.0) == 0
    assert failures.wait("2001:db8::ffff", 160.0) == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/failed", "/api/overview", "/health", "/nothing"])
def test_other_methods_are_refused(web: FlaskClient, method: str, path: str) -> None:
    answer = web.open(path, method=method)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_browser_is_sent_to_https_before_it_tells_its_password(closed: FlaskClient) -> None:
    answer = closed.get("/failed?page=2", headers={"X-Forwarded-Proto": "http"})

    assert answer.status_code == 308
    assert answer.headers["Location"] == "https://localhost/failed?page=2"


def test_over_https_it_stays_there_for_a_year(web: FlaskClient) -> None:
    answer = web.get("/api/workers", headers={"X-Forwarded-Proto": "https"})

    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_no_host_is_taken_from_a_header(web: FlaskClient) -> None:
    headers = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}

    answer = web.get("/", headers=headers)

    assert answer.headers["Location"] == "https://localhost/"


def test_nothing_may_be_framed_sniffed_told_or_inlined(web: FlaskClient, tasks: Tasks) -> None:
    for path in ("/", f"/task/{tasks.failed.id}", "/api/failed", "/health", "/nothing"):
        headers = web.get(path).headers

        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_it_may_be_mounted_below_a_prefix(web: FlaskClient, tasks: Tasks) -> None:
    page = web.get("/", base_url="http://localhost/admin/tasks").text
    document = web.get("/api/openapi.json", base_url="http://localhost/admin/tasks").json

    links = [part.partition('"')[0] for part in page.split('href="')[1:]]
    assert links
    assert all(link.startswith(("/admin/tasks/", "#", "?")) for link in links)
    assert document is not None
    assert document["servers"] == [{"url": "/admin/tasks/api"}]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, UNPROTECTED),
        ({"DASHBOARD_USERNAME": "ada"}, UNPROTECTED),
        ({"DASHBOARD_USERNAME": "ada", "DASHBOARD_PASSWORD": ""}, UNPROTECTED),
        ({"DASHBOARD_PUBLIC": "0"}, UNPROTECTED),
        ({"DASHBOARD_PUBLIC": "1", "DASHBOARD_PASSWORD": "x"}, CONTRADICTION),
    ],
)
def test_nobody_is_let_in_by_mistake(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(Unprotected) as refused:
        Access.from_environment(environment)

    assert refused.value.code == sentence


def test_a_password_is_not_shown_by_accident() -> None:
    assert "pässword" not in repr(Access(*RIGHT))


def test_in_public_it_says_so_loudly(
    settings_for_test: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DASHBOARD_PUBLIC", "1")

    answer = create_app().test_client().get("/api/workers")

    assert answer.status_code == 200
    assert "EVERYBODY" in caplog.text


@pytest.mark.parametrize(
    "command",
    [["-m", "dashboard"], ["-m", "gunicorn", "dashboard:create_app()"]],
    ids=["alone", "gunicorn"],
)
def test_a_process_without_a_password_ends_with_a_sentence(command: list[str]) -> None:
    environment = {**os.environ, "RT_SETTINGS_MODULE": "demo.settings", "PORT": "0"}

    ended = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert UNPROTECTED in ended.stderr.decode()
