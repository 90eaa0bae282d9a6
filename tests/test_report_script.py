"""The scripts keep a bounded list of killed runs, and give each to one worker at a time."""

import pytest

from redis_tasks import keys
from redis_tasks.conf import connection
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Taken
from tests.conftest import UseSettings
from tests.support.store_calls import field, register, settle, start

NAME = "1 a"


@pytest.fixture(autouse=True)
def _middleware(use_settings: UseSettings) -> None:
    use_settings(MIDDLEWARE=["shop.M"], WORKER_HEARTBEAT_TIMEOUT=4)
    register()


def take(done: str = "") -> Taken | None:
    return client.run(scripts.report(done))


def noted() -> list[str]:
    return [name.decode() for name in connection.zrange(keys.post_mortem(), 0, -1)]


@pytest.mark.parametrize("reason", sorted(scripts.UNREPORTED))
def test_a_run_that_failed_without_its_own_process_is_noted(reason: str) -> None:
    start("a", reentrant=False)

    settle("a", "fail", reason=reason)

    taken = take()
    assert taken is not None
    assert (taken.name, taken.task_id) == (NAME, "a")
    assert scripts.read_fields(taken.record)["why"].decode() == reason


@pytest.mark.parametrize("reason", ["exception", "interrupted", "unimportable"])
def test_a_run_whose_process_has_told_is_not(reason: str) -> None:
    start("a", reentrant=False)

    settle("a", "fail", reason=reason)

    assert noted() == []


def test_a_repeated_settlement_notes_it_once() -> None:
    start("a", reentrant=False)

    settle("a", "crash", reason="crash")
    assert take("") is not None
    settle("a", "crash", reason="crash")

    assert noted() == [NAME]
    assert take(NAME) is None
    assert noted() == []


def test_what_one_has_taken_another_gets_only_after_a_lease() -> None:
    start("a", reentrant=False)
    settle("a", "crash", reason="crash")

    assert take() is not None

    assert take() is None
    connection.zincrby(keys.post_mortem(), -4000, NAME)
    assert take() is not None


def test_a_run_whose_late_result_has_come_is_not_reported() -> None:
    start("a", reentrant=False)
    settle("a", "fail", reason="lost")
    settle("a", "finish")

    assert field("a", "st") == "finished"
    assert take() is None
    assert noted() == []


def test_a_run_whose_task_is_gone_is_not_reported() -> None:
    start("a", reentrant=False)
    settle("a", "fail", reason="crash")
    client.run(scripts.delete(["a"]))

    assert take() is None
    assert noted() == []


def test_the_list_is_bounded() -> None:
    connection.zadd(keys.post_mortem(), {f"1 old-{number}": number for number in range(1000)})
    start("a", reentrant=False)

    settle("a", "crash", reason="crash")

    assert connection.zcard(keys.post_mortem()) == 1000
    assert NAME in noted()
    assert "1 old-0" not in noted()


def test_without_middleware_nothing_is_noted(use_settings: UseSettings) -> None:
    use_settings(MIDDLEWARE=[])
    start("a", reentrant=False)

    settle("a", "crash", reason="crash")

    assert noted() == []
