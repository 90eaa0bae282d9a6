"""What is judged from INFO alone."""

from typing import Any

import pytest

from redis_tasks import server_checks
from redis_tasks.finding import ERROR, OK, WARNING


@pytest.mark.parametrize(
    ("info", "level", "text"),
    [
        ({"redis_version": "7.0.15"}, OK, "Redis 7.0.15"),
        ({"redis_version": "8.2.3"}, OK, "Redis 8.2.3"),
        ({"redis_version": "6.2.14"}, ERROR, "Redis 6.2.14 is too old"),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, OK, "Valkey 8.1.0"),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5"}, OK, "Valkey 7.2.5"),
        ({"redis_version": "7.0.0", "valkey_version": "7.1.9"}, ERROR, "Valkey 7.1.9 is too old"),
        ({}, ERROR, "Redis ? is too old"),
    ],
    ids=["oldest", "new", "old", "valkey", "old valkey", "too old valkey", "unknown"],
)
def test_the_version_is_what_the_server_calls_itself(
    info: dict[str, Any], level: str, text: str
) -> None:
    found = server_checks.version(info)

    assert (found.level, found.text) == (level, text)


@pytest.mark.parametrize(
    ("before", "server", "after", "ahead"),
    [
        (100, 100.5, 101, 0),  # explained by the time that asking took
        (100, 110, 101, 9),
        (100, 93, 101, -7),
    ],
)
def test_the_skew_of_two_clocks_is_what_asking_does_not_explain(
    before: float, server: float, after: float, ahead: float
) -> None:
    assert server_checks.skew(before, server, after) == ahead


@pytest.mark.parametrize(
    ("seconds", "level", "text"),
    [
        (0, OK, "within 5 s"),
        (4.9, OK, "within 5 s"),
        (61, WARNING, "61 s ahead of ours"),
        (-3600, WARNING, "3600 s behind ours"),
    ],
)
def test_clocks_that_differ_are_a_warning(seconds: float, level: str, text: str) -> None:
    found = server_checks.clock(seconds)

    assert found.level == level
    assert text in found.text


@pytest.mark.parametrize(
    ("used", "level"), [(19_999_999, OK), (20_000_000, WARNING), (24_300_000, ERROR)]
)
def test_memory_is_judged_by_what_is_left(used: int, level: str) -> None:
    found = server_checks.memory({"used_memory": used, "maxmemory": 25_000_000})

    assert found.level == level


def test_a_failed_write_to_the_append_only_file_is_an_error_that_may_pass() -> None:
    found = server_checks.persistence({"aof_enabled": 1, "aof_last_write_status": "err"})

    assert (found.level, found.passing) == (ERROR, True)


@pytest.mark.parametrize(
    ("processes", "connections"), [("", 13), ("2", 13), ("1", 11), ("many", 13)]
)
def test_the_budget_is_that_of_all_dynos(
    processes: str, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", processes)

    assert server_checks.budget({"web": 1, "worker": 4, "scheduler": 1, "clock": 3}) == connections


@pytest.mark.parametrize(
    ("url", "verify", "level"),
    [
        ("rediss://host:6379", "required", OK),
        ("rediss://host:6379", "/etc/ca.pem", OK),
        ("rediss://host:6379", "none", WARNING),
        ("rediss+sentinel://host/name", "none", WARNING),
        ("redis://host:6379", "required", WARNING),
        ("redis://127.0.0.1:6379", "required", OK),
        ("redis://localhost", "none", OK),
        ("unix:///tmp/redis.sock", "required", OK),
    ],
)
def test_tls_is_judged_by_url_and_setting(url: str, verify: str, level: str) -> None:
    assert server_checks.tls(url, verify).level == level
