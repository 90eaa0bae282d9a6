"""Scripts that keep the house: recovery, cancelling, deleting."""

from typing import Any

import pytest

from redis_tasks import conf, keys
from redis_tasks.conf import connection, settings
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Recovered, Settled, Settlement
from tests.support.store_calls import (
    claim,
    enqueue,
    field,
    kept,
    redis_now,
    settle,
    start,
    totals,
    waiting,
)

pytestmark = pytest.mark.usefixtures("registered")


def recovered_since(milliseconds: int, *, grace_ends: int = 0) -> None:
    """Let the last recovery of "q" be so long ago, without a grace period unless told."""
    connection.hset(keys.guard(), "q", f"{redis_now() - milliseconds} {grace_ends}")


def lose(*ids: str, **more: Any) -> list[Recovered]:
    """Start tasks whose lease then runs out, and recover."""
    enqueue(*ids, **more)
    claim(1, workers=len(ids))
    connection.zadd(keys.leases("q"), dict.fromkeys(ids, redis_now() - 1))
    recovered_since(0)
    recovered = client.run(scripts.recover("q"))
    assert recovered is not None
    return recovered


# recover


def test_lost_reentrant_tasks_go_to_the_front_in_their_own_order() -> None:
    recovered = lose("t", "u")

    assert recovered == [
        Recovered("t", "s#1", 1, "m.f", "queued", ""),
        Recovered("u", "s#2", 1, "m.f", "queued", ""),
    ]
    enqueue("pushed", at_front=True)
    assert waiting() == ["t", "u", "pushed"]


def test_a_lost_task_that_is_not_reentrant_has_failed() -> None:
    assert lose("t", reentrant=False) == [Recovered("t", "s#1", 1, "m.f", "failed", "lost")]
    assert client.run(scripts.renew("s", [("t", "s#1", 1)])).words == ("late",)


@pytest.mark.parametrize(("move", "word"), [("finish", "finished"), ("fail", "failed")])
def test_the_late_result_of_a_task_nobody_else_may_start_is_taken(move: str, word: str) -> None:
    lose("t", reentrant=False)

    assert settle("t", move).word == word
    assert settle("t", move).word == "already"
    assert kept(keys.FINISHED) + kept(keys.FAILED) == ["t"]
    assert sum(totals().values()) == int(field("t", "sz"))


@pytest.mark.parametrize("move", ["interrupt", "crash", "release"])
def test_a_lost_task_that_is_not_reentrant_is_not_put_back_late(move: str) -> None:
    lose("t", reentrant=False)

    assert settle("t", move).word == "already"
    assert waiting() == []


@pytest.mark.parametrize(
    ("move", "crashes"), [("interrupt", "0"), ("crash", "1"), ("finish", "1")]
)
def test_a_run_that_was_stopped_in_good_order_was_no_crash(move: str, crashes: str) -> None:
    lose("t")
    assert field("t", "crash") == "1"

    words = settle("t", move).word, settle("t", move).word

    assert words == ("lost", "lost")
    assert field("t", "crash") == crashes


def test_a_long_time_without_recovery_opens_a_grace_period() -> None:
    start("t")
    connection.zadd(keys.leases("q"), {"t": redis_now() - 1})
    recovered_since(scripts.lease_ms() // 2 + 100)

    assert client.run(scripts.recover("q")) is None
    assert client.run(scripts.recover("q")) is None
    assert client.run(scripts.renew("s", [("t", "s#1", 1)])).words == ("ok",)


def test_a_clock_that_went_back_opens_a_grace_period_that_ends_soon() -> None:
    hour = 3_600_000
    start("t")
    connection.zadd(keys.leases("q"), {"t": redis_now() + hour})
    recovered_since(-hour, grace_ends=redis_now() + hour)

    assert client.run(scripts.recover("q")) is None
    last, ends = (int(word) for word in connection.hget(keys.guard(), "q").split())

    assert ends - last < scripts.lease_ms()


def test_a_grace_period_that_settings_of_before_made_long_is_shortened() -> None:
    recovered_since(0, grace_ends=redis_now() + 3600 * 1000)

    assert client.run(scripts.recover("q")) is None

    ends = int(connection.hget(keys.guard(), "q").split()[1])
    assert ends <= redis_now() + conf.grace() * 1000


def test_a_lease_ahead_of_the_clock_is_shortened() -> None:
    start("t")
    connection.zadd(keys.leases("q"), {"t": redis_now() + 3_600_000})
    recovered_since(0)

    assert client.run(scripts.recover("q")) == []

    assert connection.zscore(keys.leases("q"), "t") <= redis_now() + scripts.lease_ms()


def test_recovery_goes_by_batches() -> None:
    ids = [f"t{number}" for number in range(scripts.BATCH + 1)]

    assert len(lose(*ids)) == scripts.BATCH
    assert len(client.run(scripts.recover("q")) or ()) == 1


# cancel, delete, empty


def test_a_cancelled_task_is_gone_and_cancelling_again_says_the_same() -> None:
    enqueue("t")

    words = [client.run(scripts.cancel("t")) for _ in range(2)]

    assert words == ["cancelled", "cancelled"]
    assert not connection.exists(keys.task("t"), keys.queue("q"), keys.wake("q"))
    assert enqueue("t", again=True) == ("repeated",)


def test_a_task_that_ended_and_was_dropped_was_not_cancelled() -> None:
    with settings.override(FINISHED_TASKS_MAX=0):
        start("t")
        settle("t", "finish")

    assert client.run(scripts.cancel("t")) == "gone"


@pytest.mark.parametrize(("move", "word"), [("", "running"), ("finish", "finished")])
def test_only_a_waiting_task_can_be_cancelled(move: str, word: str) -> None:
    start("t")
    if move:
        settle("t", move)

    assert client.run(scripts.cancel("t")) == word
    assert connection.exists(keys.task("t"))


def test_tasks_are_deleted_wherever_they_are_unless_they_run() -> None:
    enqueue("runs", "ended", "waits")
    claim(1, workers=2)
    client.run(scripts.settle([Settlement("ended", "s#2", 1, "finish")]))

    words = client.run(scripts.delete(["runs", "ended", "waits", "unknown"]))

    assert words == ["running", "deleted", "deleted", "gone"]
    assert totals() == {keys.FINISHED: 0, keys.FAILED: 0}


def test_a_queue_is_forgotten_when_nothing_waits_or_runs_in_it() -> None:
    enqueue("t", "u")
    claim(1)

    assert client.run(scripts.drain("q")) == 1
    assert client.run(scripts.forget_queue("q")) == (0, 1)
    assert connection.smembers(keys.queues()) == {b"q"}
    settle("t", "finish")
    assert client.run(scripts.forget_queue("q")) == (0, 0)
    assert not connection.exists(keys.queues())


# meta


def test_only_its_run_may_change_the_meta_of_a_running_task() -> None:
    start("t")

    words = [
        client.run(scripts.save_meta("t", worker, run, b"1"))
        for worker, run in [("", None), ("s#1", 2), ("s#2", 1), ("s#1", 1)]
    ]

    assert words == ["refused", "refused", "refused", "saved"]
    assert client.run(scripts.save_meta("unknown", "", None, b"1")) == "gone"


# Supervisors


def test_a_supervisor_without_a_sign_of_life_is_dead() -> None:
    connection.zadd(keys.workers(), {"s": redis_now() - scripts.lease_ms() - 1})

    assert client.run(scripts.bury()) == [("s", "web.1")]
    assert client.run(scripts.bury()) == []
    assert client.run(scripts.renew("s", [])).registered is False
    assert 0 < connection.pttl(keys.supervisor("s")) <= settings.DEAD_WORKER_TTL * 1000


def test_a_sign_of_life_keeps_the_record_of_a_supervisor() -> None:
    kept_at_first = connection.pttl(keys.supervisor("s"))
    connection.pexpire(keys.supervisor("s"), 1000)

    client.run(scripts.renew("s", []))

    most = scripts.record_ttl_ms()
    assert most - 10_000 < connection.pttl(keys.supervisor("s")) <= most
    assert 0 < kept_at_first <= most


def test_a_supervisor_seen_in_the_future_is_counted_from_now() -> None:
    connection.zadd(keys.workers(), {"s": redis_now() + 3_600_000})

    assert client.run(scripts.bury()) == []

    assert connection.zscore(keys.workers(), "s") <= redis_now()


def test_retiring_twice_is_retiring_once() -> None:
    assert [client.run(scripts.retire("s")) for _ in range(2)] == [1, 0]
    assert connection.zcard(keys.workers()) == 0


# What somebody else has written


HOSTILE = {
    "no_hash": None,
    "empty": {"x": "y"},
    "only a status": {"st": "queued"},
    "counts that are none": {
        "st": "queued", "run": "x", "try": "-1", "crash": "1e9", "rel": "", "seq": "9" * 40,
    },
    "another queue": {"st": "queued", "q": "elsewhere", "fn": "m.f", "re": "1"},
    "bytes": {"st": "queued", "fn": b"\xff\xfe", "args": b"\x00", "q": b"\xff"},
    "running without a worker": {"st": "running", "re": "1"},
    "an unknown status": {"st": "queues", "sz": "-5", "enq": "yesterday"},
}  # fmt: skip


def plant(name: str) -> str:
    content = HOSTILE[name]
    if content is None:
        connection.set(keys.task("bad"), "text")
    else:
        connection.hset(keys.task("bad"), mapping=content)
    return "bad"


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("move", ["finish", "fail", "interrupt", "crash", "release"])
def test_a_spoilt_record_in_a_queue_does_no_harm(name: str, move: str) -> None:
    connection.zadd(keys.queue("q"), {plant(name): -1})
    enqueue("good")

    claimed = {each.task_id: each for each in claim(1, workers=2)}
    words = client.run(scripts.renew("s", [("bad", "s#1", 1), ("good", "s#2", 1)])).words
    settled = client.run(
        scripts.settle([Settlement("bad", "s#1", each.run, move) for each in claimed.values()])
    )

    assert "good" in claimed
    assert len(words) == 2
    assert ("bad" in claimed) == (settled[0].word in ("finished", "failed", "queued"))
    assert connection.zscore(keys.leases("q"), "bad") is None
    assert client.run(scripts.cancel("bad"))
    assert client.run(scripts.drain("q")) <= 1
    assert client.run(scripts.delete(["bad", "bad"]))[1] in ("gone", "running")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_spoilt_record_does_not_stop_recovery(name: str) -> None:
    connection.zadd(keys.leases("q"), {plant(name): 0})

    recovered = lose("good")

    assert "good" in [each.task_id for each in recovered]
    assert connection.zcard(keys.leases("q")) == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_spoilt_record_in_a_registry_is_dropped_in_time(name: str) -> None:
    connection.rpush(keys.registry(keys.FINISHED), f"1 {plant(name)}")
    start("good")

    with settings.override(FINISHED_TASKS_MAX=1):
        assert settle("good", "finish") == Settled("finished")

    assert kept(keys.FINISHED) == ["good"]
    assert client.run(scripts.expire(keys.FINISHED, 0)) == 1
    assert totals()[keys.FINISHED] == 0


def test_ids_without_a_task_are_skipped() -> None:
    connection.zadd(keys.queue("q"), {f"ghost{number}": -number for number in range(1, 9)})
    enqueue("t")

    assert [each.task_id for each in claim(1)] == ["t"]


def test_an_id_of_any_bytes_can_be_claimed() -> None:
    connection.hset(keys.task("").encode() + b"\xff", mapping={"st": "queued", "fn": "m.f"})
    connection.zadd(keys.queue("q"), {b"\xff": 1})

    assert [each.task_id for each in claim(1)] == ["\ufffd"]
