"""What bounds the registries: their number, their bytes, their age."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_tasks import keys
from redis_tasks.conf import connection, settings
from redis_tasks.store import client, scripts
from tests.support.store_calls import (
    claim,
    enqueue,
    field,
    kept,
    redis_now,
    register,
    settle,
    start,
    totals,
)


@pytest.fixture(autouse=True)
def _registered(settings_for_test: dict[str, Any]) -> Iterator[None]:
    register()
    yield
    client.use(None)


def test_the_oldest_of_a_registry_are_dropped() -> None:
    with settings.override(FINISHED_TASKS_MAX=2):
        for number in range(1, 5):
            enqueue(f"t{number}")
            claim(number)
            settle(f"t{number}", "finish")

    assert kept(keys.FINISHED) == ["t3", "t4"]
    assert not connection.exists(keys.task("t1"))
    assert totals()[keys.FINISHED] == sum(int(field(id_, "sz")) for id_ in ("t3", "t4"))


def test_both_registries_together_keep_within_their_bytes() -> None:
    with settings.override(REGISTRIES_MAX_BYTES=1000):
        for number in range(1, 7):
            enqueue(f"t{number}")
            claim(number)
            settle(f"t{number}", "finish" if number % 2 else "fail")

    assert sum(totals().values()) <= 1000
    assert "t6" in kept(keys.FAILED)


def test_bytes_of_records_that_somebody_removed_are_forgotten() -> None:
    connection.hset(keys.totals(), keys.FINISHED, 10**12)

    start("t")
    settle("t", "finish")
    enqueue("u")
    claim(2)
    settle("u", "finish")

    assert kept(keys.FINISHED) == ["u"]
    assert totals()[keys.FINISHED] == int(field("u", "sz"))


def test_a_registry_forgets_what_is_too_old() -> None:
    start("t")
    settle("t", "finish")

    assert client.run(scripts.expire(keys.FINISHED, 60)) == 0
    assert client.run(scripts.expire(keys.FINISHED, 0)) == 1
    assert totals()[keys.FINISHED] == 0


def test_the_registries_of_version_0_1_are_taken_over() -> None:
    key, now = f"{keys.prefix()}:finished", redis_now()
    old = {"c": now - 2000, "d": now - 1000, "a": 5, "b": 1_700_000_000_000}
    for name in old:
        connection.hset(keys.task(name), mapping={"st": "finished"})
    connection.zadd(key, old)
    start("new")
    settle("new", "finish")

    assert client.run(scripts.expire(keys.FINISHED, 3600)) == 2  # that have ended long ago
    assert kept(keys.FINISHED) == ["c", "d", "new"]
    assert not connection.exists(key, keys.task("a"), keys.task("b"))
