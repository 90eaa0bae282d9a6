"""What bounds the registries: their number, their bytes, their age."""

import pytest

from redis_tasks import keys
from redis_tasks.conf import connection, settings
from redis_tasks.store import client, scripts
from tests.support.store_calls import claim, enqueue, field, kept, redis_now, settle, start, totals

pytestmark = pytest.mark.usefixtures("registered")


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


@pytest.mark.parametrize("how", ["too old", "too many"])
@pytest.mark.parametrize("move", ["", "finish"])
def test_an_id_that_is_used_again_is_not_deleted_with_what_it_was(how: str, move: str) -> None:
    start("t")
    settle("t", "finish")
    connection.delete(keys.task("t"))  # by hand, or evicted
    connection.lset(keys.registry(keys.FINISHED), 0, "1700000000000 t")
    enqueue("t")
    if move:
        claim(2)
        settle("t", move)
    before = connection.hgetall(keys.task("t"))

    if how == "too old":
        assert client.run(scripts.expire(keys.FINISHED, 3600)) == 1
    else:
        with settings.override(FINISHED_TASKS_MAX=len(kept(keys.FINISHED)) - 1):
            settle("none", "finish")

    assert kept(keys.FINISHED) == (["t"] if move else [])
    assert connection.hgetall(keys.task("t")) == before


# Entries that are none of ours; a script that does not end with them blocks Redis for good

UNREADABLE = ["nan x", "inf x", "-inf x", "0x7 x", "1e99 x", " x", "x", ""]


@pytest.mark.parametrize("noted", UNREADABLE)
def test_an_entry_that_nobody_can_read_is_dropped_by_bytes(noted: str) -> None:
    connection.rpush(keys.registry(keys.FINISHED), noted)
    with settings.override(REGISTRIES_MAX_BYTES=0):
        start("t")
        settle("t", "fail")

    assert kept(keys.FINISHED) == kept(keys.FAILED) == []
    assert totals() == {keys.FINISHED: 0, keys.FAILED: 0}


@pytest.mark.parametrize("noted", UNREADABLE)
def test_an_entry_that_nobody_can_read_is_too_old(noted: str) -> None:
    connection.rpush(keys.registry(keys.FINISHED), noted)
    start("t")
    settle("t", "finish")

    assert client.run(scripts.expire(keys.FINISHED, 60)) == 1

    assert kept(keys.FINISHED) == ["t"]


def test_a_record_whose_end_nobody_can_read_goes_with_its_entry() -> None:
    start("t")
    settle("t", "finish")
    connection.hset(keys.task("t"), "end", "nan")

    assert client.run(scripts.expire(keys.FINISHED, 0)) == 1

    assert not connection.exists(keys.task("t"))


# What version 0.1 has left, or still writes


def leave_in_sorted_set(registry: str, ended: dict[str, int]) -> None:
    for name, moment in ended.items():
        record = {"st": registry, "end": moment, "enq": moment - 1, "sz": 100}
        connection.hset(keys.task(name), mapping=record)
    connection.zadd(f"{keys.prefix()}:{registry}", ended)
    connection.hincrby(keys.totals(), registry, 100 * len(ended))


def test_what_an_earlier_version_has_left_is_taken_over_in_its_order() -> None:
    now = redis_now()
    start("new")
    settle("new", "finish")
    ended = {
        "c": now - 2000,
        "d": now - 1000,
        "a": 5,
        "b": 1_700_000_000_000,
        "newest": now + 9999,
    }
    leave_in_sorted_set(keys.FINISHED, ended)

    assert client.run(scripts.expire(keys.FINISHED, 3600)) == 2  # that have ended long ago

    assert kept(keys.FINISHED) == ["c", "d", "new", "newest"]
    assert not connection.exists(f"{keys.prefix()}:finished", keys.task("a"), keys.task("b"))
    assert totals()[keys.FINISHED] == 300 + int(field("new", "sz"))


def test_what_an_earlier_version_has_left_can_be_deleted() -> None:
    leave_in_sorted_set(keys.FAILED, {"t": redis_now() - 1000})

    assert client.run(scripts.delete(["t"])) == ["deleted"]

    assert not connection.exists(f"{keys.prefix()}:failed", keys.task("t"))
    assert totals()[keys.FAILED] == 0


def test_the_late_result_of_a_run_that_an_earlier_version_gave_up_counts_once() -> None:
    start("t", reentrant=False)
    leave_in_sorted_set(keys.FAILED, {"t": redis_now() - 1000})
    connection.hset(keys.task("t"), "why", "lost")

    assert settle("t", "finish").word == "finished"

    assert not connection.exists(f"{keys.prefix()}:failed")
    assert kept(keys.FINISHED) == ["t"]
    assert totals() == {keys.FINISHED: int(field("t", "sz")), keys.FAILED: 0}
