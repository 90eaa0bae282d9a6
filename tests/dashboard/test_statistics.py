import json
from datetime import timedelta
from typing import Any

import pytest
import redis

from redis_tasks import Queue, Task, clock, keys, statistics
from redis_tasks.conf import connection, settings
from redis_tasks.statistics import BOUNDS, DAY, HOUR, MINUTE, Counts, Question, Sums, Times
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Settlement
from tests.support.altered_scripts import hand_driven_clock
from tests.support.store_view import CLOCK

pytestmark = pytest.mark.usefixtures("settings_for_test")

ACT = "tests.support.actions.act"
START = 1_893_456_000_000  # 2030-01-01T00:00:00Z


@pytest.fixture(autouse=True)
def _clock(settings_for_test: dict[str, Any]) -> Any:
    with hand_driven_clock():
        at(0)
        client.run(scripts.register("s", "dyno.1", ["default"], 100))
        yield


def at(milliseconds: int) -> None:
    connection.set(CLOCK, START + milliseconds)


def enqueue(number: int = 1, queue: str = "default") -> list[Task]:
    return Queue(queue).enqueue_many([{"func": ACT, "args": [["note", n]]} for n in range(number)])


def work(request: int, number: int = 1) -> list[Settlement]:
    """Claim tasks; returns settlements of their success."""
    workers = [f"s#{n}" for n in range(1, number + 1)]
    claimed = client.run(scripts.claim("s", request, ["default"], workers)) or []
    return [Settlement(c.task_id, c.worker_id, c.run, "finish") for c in claimed]


def read(step: int, number: int) -> list[Sums]:
    names, summed = _ask(statistics.name_commands())
    seconds = int(connection.get(CLOCK)) / 1000
    now = clock.EPOCH + timedelta(seconds=seconds)
    question = Question(step, number, now, statistics.read_summed(summed))
    return question.answer(_ask(question.commands()), statistics.read_names(names))


def _ask(commands: list[Any]) -> list[Any]:
    pipeline = connection.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return list(pipeline.execute())


def test_what_happens_is_counted_in_its_minute() -> None:
    enqueue(3)
    at(2_000)
    done = work(1, 3)
    at(2_500)
    client.run(scripts.settle([done[0], done[1], Settlement(*_fail(done[2]))]))

    found = read(MINUTE, 3)[-1][("default", ACT)]

    assert (found.enqueued, found.finished, found.failed, found.requeued) == (3, 2, 1, 0)
    assert found.waiting.number == found.running.number == 3
    assert found.waiting.mean == 2.0
    assert found.running.mean == 0.5


def _fail(done: Settlement, text: str = "ValueError: no") -> tuple[Any, ...]:
    return (done.task_id, done.worker_id, done.run, "fail", "exception", text)


def test_a_settlement_that_is_repeated_counts_once() -> None:
    enqueue()
    done = work(1)

    client.run(scripts.settle(done))
    client.run(scripts.settle(done))

    assert read(MINUTE, 1)[-1][("default", ACT)].finished == 1


def test_a_run_that_is_put_back_is_told_apart_and_waits_do_not_count_twice() -> None:
    enqueue()
    done = work(1)[0]
    move = Settlement(done.task_id, done.worker_id, 1, "interrupt", "interrupted")
    client.run(scripts.settle([move]))
    client.run(scripts.settle(work(2)))

    found = read(MINUTE, 1)[-1][("default", ACT)]

    assert (found.finished, found.requeued) == (1, 1)
    assert found.running.number == 1
    assert found.waiting.number == 0


@pytest.mark.parametrize("summarized", [False, True])
def test_minutes_make_hours_and_days(summarized: bool) -> None:
    for minute in (0, 1, 61):
        at(minute * MINUTE)
        enqueue(minute + 1)
    at(62 * MINUTE)

    if summarized:
        client.run(scripts.summarize())
        client.run(scripts.summarize())

    minutes = [sums.get(("default", ACT), Counts()).enqueued for sums in read(MINUTE, 63)]
    hours = [sums.get(("default", ACT), Counts()).enqueued for sums in read(HOUR, 2)]
    days = [sums.get(("default", ACT), Counts()).enqueued for sums in read(DAY, 2)]
    assert [minutes[0], minutes[1], minutes[61], sum(minutes)] == [1, 2, 62, 65]
    assert hours == [3, 62]
    assert days == [0, 65]


def test_summing_up_leaves_one_small_key_a_step() -> None:
    enqueue(10)
    client.run(scripts.settle(work(1, 10)))
    at(MINUTE)

    client.run(scripts.summarize())

    found = sorted(key.decode().partition(":counts:")[2] for key in connection.keys("*:counts:*"))
    assert [name.partition(":")[0] for name in found] == ["day", "ever", "hour", "minute", "names"]
    for name in found[:1] + found[2:4]:
        assert 0 < connection.ttl(keys.counts(name)) <= 33 * 86400
        assert connection.memory_usage(keys.counts(name)) < 300


def test_the_number_of_functions_is_bounded_and_nothing_is_lost() -> None:
    calls = 0
    for queue in range(70):
        calls += len(enqueue(2, f"queue-{queue}"))
    before = read(MINUTE, 1)[-1]
    at(MINUTE)
    client.run(scripts.summarize())
    after = read(MINUTE, 2)[0]

    for sums in (before, after):
        assert len(sums) <= 61
        assert sum(counts.enqueued for counts in sums.values()) == calls == 140
        assert sums[statistics.OTHER].enqueued >= 18


def test_a_batch_of_many_functions_is_bounded_as_well() -> None:
    for queue in range(70):
        enqueue(1, f"queue-{queue}")
    names = [f"queue-{number}" for number in range(70)]
    claimed = client.run(scripts.claim("s", 1, names, [f"s#{n}" for n in range(1, 71)])) or []
    done = [Settlement(c.task_id, c.worker_id, 1, "finish") for c in claimed]

    client.run(scripts.settle(done))

    sums = read(MINUTE, 1)[-1]
    assert sum(counts.finished for counts in sums.values()) == 70
    assert connection.hlen(keys.counts(f"out:{START // MINUTE}")) <= 61


def test_in_the_worst_case_it_all_takes_a_megabyte_and_a_half() -> None:
    numbers = {str(n): [12345] * 4 + [1234567] * 2 + [123] * 24 for n in range(61)}
    for name, number in (("minute", 75), ("hour", 216), ("day", 33)):
        few = {n: [v if v > 123 else v % 7 for v in values] for n, values in numbers.items()}
        value = json.dumps(few if name == "minute" else numbers, separators=(",", ":"))
        for step in range(number):
            connection.set(keys.counts(f"{name}:{step}"), value)

    sizes = [connection.memory_usage(key) for key in connection.scan_iter("*:counts:*")]

    assert sum(sizes) < 3 * 1024 * 1024


def test_switched_off_it_leaves_no_trace() -> None:
    with settings.override(STATISTICS=False):
        enqueue(2)
        done = work(1, 2)
        client.run(scripts.settle([done[0], Settlement(*_fail(done[1]))]))

    assert connection.keys("*:counts:*") == connection.keys("*:failure*") == []


def test_what_somebody_else_has_written_there_ends_no_script() -> None:
    enqueue()
    at(0)
    connection.hset(keys.counts(f"out:{START // MINUTE}"), f"default\n{ACT}", "nonsense")
    connection.set(keys.counts(f"hour:{START // HOUR}"), "nonsense")

    (settled,) = client.run(scripts.settle(work(1)))
    at(MINUTE)
    client.run(scripts.summarize())

    assert settled.word == "finished"
    assert read(HOUR, 1)[-1][("default", ACT)].finished == 1


def test_failures_are_grouped_by_function_and_last_line() -> None:
    enqueue(4)
    done = work(1, 4)
    texts = ["Traceback\nValueError: at 0x7f0a", "ValueError: at 0x7fff\n \n", "KeyError: 'x'"]
    texts.append(f"KeyError: '{done[0].task_id}'")
    client.run(
        scripts.settle([Settlement(*_fail(d, t)) for d, t in zip(done, texts, strict=True)])
    )

    groups = [connection.hgetall(keys.failure(group.decode())) for group in _groups()]

    found = {group[b"line"].decode(): int(group[b"n"]) for group in groups}
    assert found == {"ValueError: at 0x...": 2, "KeyError: 'x'": 1, "KeyError: '<id>'": 1}
    assert {Task.fetch(d.task_id).failure_group.encode() for d in done} == set(_groups())


def _groups() -> list[bytes]:
    return list(connection.zrange(keys.failures(), 0, -1))


def test_there_are_at_most_500_groups_each_of_five_tasks() -> None:
    for batch in range(6):
        enqueue(100)
        done = work(batch + 1, 100)
        lines = [f"ValueError: {batch} {number}" for number in range(94)] + ["same"] * 6
        moves = [Settlement(*_fail(d, t)) for d, t in zip(done, lines, strict=True)]
        client.run(scripts.settle(moves))

    same = next(
        g for g in _groups() if connection.hget(keys.failure(g.decode()), "line") == b"same"
    )
    assert len(_groups()) == len(connection.keys("*:failure:*")) == 500
    assert connection.hget(keys.failure(same.decode()), "n") == b"36"
    assert len(connection.hget(keys.failure(same.decode()), "ids").split(b"\n")) == 5


def test_old_groups_are_forgotten() -> None:
    enqueue()
    client.run(scripts.settle([Settlement(*_fail(work(1)[0]))]))
    at(int(settings.EXPIRING_REGISTRIES_TTL * 1000) + 1)

    client.run(scripts.summarize())

    assert connection.keys("*:failure*") == []


def test_a_full_redis_still_settles_and_counts(redis_client: "redis.Redis") -> None:
    enqueue()
    done = work(1)
    redis_client.config_set("maxmemory", 1)
    try:
        (settled,) = client.run(scripts.settle(done))
        client.run(scripts.summarize())
    finally:
        redis_client.config_set("maxmemory", 0)

    assert settled.word == "finished"
    assert read(MINUTE, 1)[-1][("default", ACT)].finished == 1


def test_a_percentile_lies_within_its_bucket() -> None:
    times = Times(10.0, (0, 0, 0, 90, 10, 0, 0, 0, 0, 0, 0, 0))

    assert times.percentile(0.5) == pytest.approx(0.1 + 0.2 * 50 / 90)
    assert 0.3 < (times.percentile(0.95) or 0) < 1.0
    assert Times(0, ()).percentile(0.5) is None
    assert Times(5000, (0,) * len(BOUNDS) + (2,)).percentile(0.5) == 2500
