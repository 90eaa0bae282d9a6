"""How tasks are divided among workhorses, and how each is begun by one of them."""

import math
import os
from collections.abc import Sequence

import pytest

from redis_tasks.page import LINES, SUCCEEDED, Page
from redis_tasks.sharing import FUNCTIONS, SHORT, SLOWEST, TOGETHER, Pace, divide
from redis_tasks.shelf import LARGEST, Shelf

BRIEF = 0.00005


@pytest.mark.parametrize(
    ("expected", "processors", "groups"),
    [
        ([], 2, []),
        ([BRIEF], 2, [[0]]),
        ([BRIEF] * 6, 2, [[0, 1, 2], [3, 4, 5]]),
        ([BRIEF] * 6, 1, [[0, 1, 2, 3, 4, 5]]),
        ([BRIEF] * 4, 8, [[0], [1], [2], [3]]),
        # All are busy: whoever is idle does it all, until somebody can help.
        ([BRIEF] * 4, 0, [[0, 1, 2, 3]]),
        # What takes its time, or is not known, is alone; it takes a processor, too.
        ([SLOWEST] * 3, 1, [[0], [1], [2]]),
        ([SLOWEST, BRIEF, BRIEF, SLOWEST, BRIEF], 3, [[0], [1, 2, 4], [3]]),
        ([BRIEF, BRIEF, SLOWEST], 3, [[0], [1], [2]]),
        # Nothing waits long behind what is short.
        ([SHORT] * 6, 1, [[0, 1], [2, 3], [4, 5]]),
        ([0.0] * (LINES + 2), 1, [list(range(LINES)), [LINES, LINES + 1]]),
        ([1e-6] * (LINES + 2), 1, [list(range(LINES)), [LINES, LINES + 1]]),
    ],
)
def test_short_tasks_are_divided_among_the_idle_processors(
    expected: Sequence[float], processors: int, groups: list[list[int]]
) -> None:
    assert divide(expected, processors) == groups


@pytest.mark.parametrize("processors", [1, 2, 7])
def test_a_group_is_short_and_everything_is_in_one(processors: int) -> None:
    expected = [SHORT * (n % 5) / 3 for n in range(200)]

    groups = divide(expected, processors)

    assert sorted(number for group in groups for number in group) == list(range(200))
    together = [group for group in groups if len(group) > 1]
    assert together
    assert all(sum(expected[n] for n in group) <= TOGETHER + SHORT / 2 for group in together)
    assert all(len(group) <= LINES for group in groups)


def test_an_unknown_function_is_not_expected_to_be_short() -> None:
    assert Pace().expected("app.tasks.new") == SLOWEST > SHORT


def test_a_function_is_expected_to_take_what_it_took_lately() -> None:
    pace = Pace()

    pace.note("fast", BRIEF)
    assert pace.expected("fast") == BRIEF
    pace.note("fast", 3600.0)
    assert SHORT < pace.expected("fast") < SLOWEST
    for _ in range(40):
        pace.note("fast", BRIEF)

    assert pace.expected("fast") < SHORT


def test_a_function_that_is_slow_now_and_then_is_not_short() -> None:
    pace = Pace()

    for n in range(400):
        pace.note("moody", 1.0 if n % 10 == 0 else BRIEF)
        assert n < 10 or pace.expected("moody") > 0.8 * SHORT


def test_only_some_functions_are_remembered() -> None:
    pace = Pace()

    for n in range(FUNCTIONS + 1):
        pace.note(f"f{n}", BRIEF)

    assert pace.expected("f0") == SLOWEST
    assert pace.expected("f1") == BRIEF


def test_a_task_on_the_shelf_is_taken_once_by_whoever_comes_first() -> None:
    shelf = Shelf()
    names = [b"%d" % n for n in range(100)]
    reading, writing = os.pipe()
    assert all(shelf.lay(name) for name in names)

    child = os.fork()
    if child == 0:
        shelf.only_take()
        while (name := shelf.take()) is not None:
            os.write(writing, name + b" ")
        os._exit(0)
    os.close(writing)
    taken = list(iter(shelf.take, None))
    _, code = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as there:
        taken_there = there.read().split()
    shelf.close()

    assert code == 0
    assert sorted(taken + taken_there) == sorted(names)
    assert taken == sorted(taken, key=int)


def test_a_shelf_refuses_what_is_too_large_and_what_is_too_much() -> None:
    shelf = Shelf()

    assert not shelf.lay(b"x" * (LARGEST + 1))
    assert shelf.lay(b"y" * LARGEST)
    laid = 1
    while laid < 10_000 and shelf.lay(b"z"):
        laid += 1

    assert LINES <= laid < 10_000
    assert shelf.take() == b"y" * LARGEST
    assert len(list(iter(shelf.take, None))) == laid - 1
    shelf.close()
    assert not shelf.lay(b"late")


def test_each_line_of_a_page_is_its_own() -> None:
    page = Page()
    first, second = page.line(3), page.line(LINES + 4)

    first.preparing(1.0)
    first.started(2.0)
    first.description = "é" * 2000
    second.preparing(5.0)
    second.succeeded(9.0)
    second.interrupted(1)

    assert (first.started_at, first.interruption) == (2.0, 0)
    assert first.description.encode() in "é".encode() * 2000
    assert (second.phase, second.took, second.description) == (SUCCEEDED, 4.0, "")
    second.clear()
    assert (second.phase, second.interruption, first.started_at) == (0, 0, 2.0)
    page.close()


def test_what_failed_or_was_killed_counts_too() -> None:
    line = Page().line(1)

    line.clear()
    line.preparing(1.0)
    assert line.took == math.inf
    line.started(2.0)
    line.returned(3.0)
    assert line.took == 2.0
    line.succeeded(3.5)
    assert line.took == 2.5
