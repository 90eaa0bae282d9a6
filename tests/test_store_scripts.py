"""Each script keeps its contract, also when its reply was lost and it is sent again."""

import pytest
from redis.exceptions import OutOfMemoryError

from redis_tasks import keys
from redis_tasks.conf import connection, settings
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Settled
from redis_tasks.task import Task
from tests.conftest import StartServer
from tests.support.store_calls import (
    claim,
    enqueue,
    field,
    new_task,
    register,
    settle,
    start,
    tokens,
    waiting,
)

pytestmark = pytest.mark.usefixtures("registered")


# enqueue


def test_a_repeated_enqueue_makes_no_second_task() -> None:
    enqueue("t")

    words = enqueue("t", again=True)

    assert words == ("repeated",)
    assert waiting() == ["t"]
    assert tokens() == 1


def test_a_repeated_enqueue_finds_a_task_that_is_over() -> None:
    start("t")
    settle("t", "finish")

    assert enqueue("t", again=True) == ("repeated",)
    assert field("t", "st") == "finished"


def test_a_repeated_enqueue_finds_a_task_that_is_gone_since_a_moment() -> None:
    start("t")
    settle("t", "finish")
    client.run(scripts.delete(["t"]))

    assert enqueue("t", again=True) == ("repeated",)
    assert not connection.exists(keys.task("t"))


def test_the_id_of_another_call_is_told() -> None:
    enqueue("t")

    assert enqueue("t", again=True, arguments=b"[[1],{}]") == ("other",)


def test_an_id_that_is_no_record_is_anothers() -> None:
    connection.set(keys.task("t"), "text")

    assert enqueue("t", "u", again=True) == ("other", "new")


def test_the_first_sending_of_a_call_may_arrive_after_its_repetition() -> None:
    start("t", reentrant=False, again=True)

    assert enqueue("t", reentrant=False) == ("repeated",)
    assert field("t", "st") == "running"


def test_an_id_twice_in_a_batch_is_one_task() -> None:
    assert enqueue("t", "t") == ("new", "repeated")
    assert waiting() == ["t"]
    assert tokens() == 1


def test_a_full_redis_takes_no_task_of_a_batch_but_all_that_runs_goes_on(
    start_redis: StartServer,
) -> None:
    server = start_redis(options={"maxmemory-policy": "noeviction"})
    with settings.override(REDIS_URL=server.url):
        client.use(None)
        connection.reset()
        register()
        enqueue("t", "u")
        connection.config_set("maxmemory", 1)

        with pytest.raises(OutOfMemoryError):
            enqueue("v", "w")
        claimed = claim(1, workers=2)
        renewed = client.run(scripts.renew("s", [("t", "s#1", 1)]))

        assert [each.task_id for each in claimed] == ["t", "u"]
        assert renewed.words == ("ok",)
        assert settle("t", "interrupt").word == "queued"
        assert settle("u", "finish").word == "lost"
        assert client.run(scripts.cancel("t")) == "cancelled"
        assert not connection.exists(keys.task("v"), keys.task("w"))
        client.use(None)
    connection.reset()


def test_wake_up_tokens_never_exceed_64_nor_the_queue() -> None:
    enqueue(*(f"t{number}" for number in range(100)))
    assert tokens() == 64

    claim(1, workers=98)

    assert tokens() == 2


def test_a_token_that_nobody_could_use_is_given_back_if_there_are_tasks() -> None:
    enqueue("t")
    connection.lpop(keys.wake("q"))

    for _ in range(3):
        client.run(scripts.wake("q"))

    assert tokens() == 1


# claim


def test_tasks_are_claimed_in_the_order_of_their_ranks() -> None:
    enqueue("first", "second", "third")
    claim(1)
    enqueue("pushed", at_front=True)
    settle("first", "interrupt")

    claimed = claim(2, workers=4)

    assert [each.task_id for each in claimed] == ["first", "pushed", "second", "third"]


def test_the_first_queue_is_served_first() -> None:
    enqueue("t")
    client.run(scripts.enqueue("other", [new_task("u")]))

    assert [each.task_id for each in claim(1, 2, ("other", "q"))] == ["u", "t"]


def test_a_claim_says_all_that_the_run_needs() -> None:
    new = new_task("t")._replace(meta=b'{"a":1}', secret=b"[0]")
    client.run(scripts.enqueue("q", [new]))
    connection.hset(keys.task("t"), "g", "a graph")
    claim(1)
    settle("t", "interrupt")

    claimed = claim(2)[0]
    again = claim(2)[0]

    assert (claimed.worker_id, claimed.run, claimed.in_graph) == ("s#1", 2, True)
    record = connection.hgetall(keys.task("t"))
    assert record.pop(b"seq") == b"1"  # of no use to the run
    assert {name.encode(): value for name, value in claimed.fields.items()} == record | {
        b"id": b"t"
    }
    assert again == claimed


def test_the_same_request_gets_the_same_tasks_less_those_it_lost() -> None:
    enqueue("t", "u")
    claim(1, workers=2)
    settle("t", "finish")

    again = claim(1, workers=2)

    assert [(each.task_id, each.worker_id, each.run) for each in again] == [("u", "s#2", 1)]


def test_a_request_that_got_nothing_gets_nothing_when_it_is_repeated() -> None:
    claim(1)
    enqueue("t")

    assert claim(1) == []
    assert [each.task_id for each in claim(2)] == ["t"]


def test_a_repeated_request_gives_out_no_run_of_an_earlier_one() -> None:
    start("t")  # and its worker is free again before Redis could be told of its end
    assert claim(2) == []

    assert claim(2) == []


def test_an_old_request_that_arrives_late_takes_no_task() -> None:
    claim(1)
    claim(2)
    enqueue("t")

    assert claim(1) == []
    assert waiting() == ["t"]


def test_a_record_that_names_another_queue_leaves_no_lease_in_its_own() -> None:
    enqueue("t")
    connection.hset(keys.task("t"), "q", "elsewhere")

    claim(1)
    settle("t", "finish")

    assert field("t", "q") == "q"
    assert connection.zcard(keys.leases("q")) == 0


def test_who_is_not_registered_gets_no_task() -> None:
    enqueue("t")
    client.run(scripts.retire("s"))

    assert client.run(scripts.claim("s", 1, ["q"], ["s#1"])) is None
    assert waiting() == ["t"]


def test_the_end_of_a_run_leaves_the_workers_next_task_alone() -> None:
    start("t")
    enqueue("u")
    claim(2)

    settle("t", "finish")

    assert [each.task_id for each in claim(2)] == ["u"]


# settle


@pytest.mark.parametrize(
    ("move", "reentrant", "word", "reason"),
    [
        ("finish", True, "finished", ""),
        ("finish", False, "finished", ""),
        ("fail", True, "failed", "why"),
        ("fail", False, "failed", "why"),
        ("interrupt", True, "queued", ""),
        ("interrupt", False, "failed", "why"),
        ("crash", True, "queued", ""),
        ("crash", False, "failed", "why"),
        ("release", True, "queued", ""),
        ("release", False, "queued", ""),
    ],
)
def test_a_run_is_settled_once(move: str, reentrant: bool, word: str, reason: str) -> None:
    start("t", reentrant=reentrant)

    first, second = settle("t", move), settle("t", move)

    assert first == Settled(word, reason)
    assert second == Settled("already")
    assert connection.zcard(keys.leases("q")) == 0
    assert waiting() == (["t"] if word == "queued" else [])


@pytest.mark.parametrize("move", ["finish", "fail", "interrupt", "crash", "release"])
def test_a_run_that_was_superseded_settles_nothing(move: str) -> None:
    start("t")
    settle("t", "release")
    claim(2)

    assert settle("t", move, run=1).word == "lost"
    assert field("t", "st") == "running"


def test_a_task_that_is_gone_cannot_be_settled() -> None:
    assert settle("t", "finish").word == "gone"


@pytest.mark.parametrize(("move", "attempt"), [("interrupt", 1), ("release", 1), ("crash", 2)])
def test_an_attempt_counts_unless_it_was_interrupted_or_released(move: str, attempt: int) -> None:
    start("t")
    settle("t", move)

    claimed = claim(2)[0]

    assert claimed.run == 2
    assert Task.from_record("t", claimed.fields).attempt == attempt


def test_a_task_whose_runs_crash_too_often_is_poison() -> None:
    enqueue("t")

    words = []
    for number in range(1, settings.MAX_CRASHES + 1):
        claim(number)
        words.append(settle("t", "crash", run=number))

    assert words == [Settled("queued")] * (settings.MAX_CRASHES - 1) + [
        Settled("failed", "poison")
    ]


def test_a_task_that_is_put_back_too_often_is_unstartable() -> None:
    enqueue("t", reentrant=False)

    words = []
    for number in range(1, settings.MAX_RELEASES + 2):
        claim(number)
        words.append(settle("t", "release", run=number))

    assert words[:-1] == [Settled("queued")] * settings.MAX_RELEASES
    assert words[-1] == Settled("failed", "unstartable")


def test_a_finished_task_keeps_little_of_long_arguments() -> None:
    start("t", arguments=b"x" * 5000)

    settle("t", "finish")

    assert (field("t", "args"), field("t", "less")) == ("x" * 1024, "1")
    assert enqueue("t", again=True, arguments=b"x" * 5000) == ("repeated",)


def test_interruptions_are_listed_as_long_as_there_is_room() -> None:
    enqueue("t")

    for number in range(1, 30):
        claim(number)
        settle("t", "interrupt", run=number)

    assert len(field("t", "cut").split(",")) == 25
