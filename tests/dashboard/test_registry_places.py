"""Where a moment lies among the ends of tasks is found in a few round trips."""

from collections.abc import Iterator
from itertools import accumulate

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from dashboard import queries_reading
from dashboard.queries_reading import reading
from dashboard.queries_registry import BEGINNING, FAN_OUT, FOREVER, count_before, entries, sizes
from redis_tasks import keys
from redis_tasks.conf import connection

pytestmark = pytest.mark.usefixtures("settings_for_test")

FINISHED, FAILED = keys.FINISHED, keys.FAILED
HERE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def _prepared(settings_for_test: object) -> Iterator[None]:
    queries_reading.prepare()
    yield
    queries_reading.forget()


def fill(name: str, ends: list[int]) -> None:
    connection.delete(keys.registry(name))
    if ends:
        written = (f"{end} task {place}" for place, end in enumerate(ends))
        connection.rpush(keys.registry(name), *written)


@HERE
@given(
    pauses=strategies.lists(strategies.integers(0, 3), max_size=3 * FAN_OUT),
    others=strategies.lists(strategies.integers(0, 100), max_size=3),
    moments=strategies.lists(strategies.integers(995, 1300), min_size=1, max_size=4),
)
def test_places_are_counts_of_what_ended_before(
    pauses: list[int], others: list[int], moments: list[int]
) -> None:
    ends = {FINISHED: list(accumulate(pauses, initial=1000)), FAILED: sorted(others)}
    for name, its in ends.items():
        fill(name, its)
    bounds = [(name, moment) for name in ends for moment in (BEGINNING, *moments, FOREVER)]

    with reading():
        found = count_before(bounds)

    assert found == [sum(end < moment for end in ends[name]) for name, moment in bounds]


def test_a_hundred_thousand_are_searched_in_four_round_trips() -> None:
    fill(FINISHED, list(range(1, 100_001)))

    with reading() as present:
        found = count_before([(FINISHED, 70_000), (FINISHED, 99_999), (FAILED, 5)])

        assert present.trips <= 4
    assert found == [69_999, 99_998, 0]


@HERE
@given(ends=strategies.lists(strategies.integers(1, 50), max_size=300))
def test_ends_in_disorder_are_searched_to_an_end(ends: list[int]) -> None:
    """A clock that was set back has mixed them."""
    fill(FINISHED, ends)

    with reading():
        first, end = count_before([(FINISHED, 10), (FINISHED, 40)])

    assert 0 <= first <= len(ends)
    assert 0 <= end <= len(ends)


def test_the_tasks_at_some_places_are_read() -> None:
    fill(FINISHED, [5, 6, 7, 8])
    connection.lset(keys.registry(FINISHED), 2, "no entry")

    with reading():
        some = list(entries(FINISHED, 1, 3))
        none = list(entries(FINISHED, 0, 0))

    assert some == [(6, b"task 1"), (0, b"no entry")]
    assert none == []


def test_what_is_no_registry_is_empty() -> None:
    connection.set(keys.registry(FINISHED), "text")

    with reading():
        assert sizes((FINISHED, FAILED)) == [0, 0]
        assert list(entries(FINISHED, 0, 9)) == []
