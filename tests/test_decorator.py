from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from redis_tasks import Queue, Task, redis_task
from tests.conftest import UseSettings
from tests.support.actions import act, act_briefly, act_once

pytestmark = pytest.mark.usefixtures("settings_for_test")


def test_reentrancy_and_time_limit_are_fixed_at_enqueue(use_settings: UseSettings) -> None:
    use_settings(DEFAULT_TASK_TIMEOUT=77.5)
    brief, once = Queue().enqueue_call(act_briefly), Queue().enqueue_call(act_once)
    use_settings(DEFAULT_TASK_TIMEOUT=1)

    fetched = Task.fetch_many([brief.id, once.id])

    assert [task.timeout for task in fetched] == [1, 77.5]
    assert [task.is_reentrant for task in fetched] == [True, False]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"reentrant": 1}, TypeError),
        ({"reentrant": "no"}, TypeError),
        ({"timeout": "5"}, TypeError),
        ({"timeout": True}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"timeout": float("inf")}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"secret_args": "password"}, TypeError),
        ({"secret_args": [1]}, TypeError),
        ({"secret_args": 5}, TypeError),
    ],
)
def test_wrong_options_are_an_error_where_they_are_written(
    options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=next(iter(options))):
        redis_task(**options)


def test_parentheses_are_missed() -> None:
    with pytest.raises(TypeError, match=r"write @redis_task\(\)"):
        redis_task(act)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("marked", "message"),
    [(5, "marks functions"), (staticmethod(act), "below @staticmethod"), (len, "cannot mark")],
)
def test_only_functions_are_marked(marked: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        redis_task()(marked)


def test_a_secret_parameter_has_to_exist() -> None:
    def function(token: str) -> None: ...

    with pytest.raises(ValueError, match=r"'tokem', which .* does not take"):
        redis_task(secret_args=["tokem"])(function)


def test_the_decorator_returns_the_function_itself() -> None:
    async def function() -> None: ...

    assert redis_task()(function) is function


def test_generators_are_refused_because_a_call_would_run_nothing() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    async def later() -> AsyncIterator[int]:
        yield 1

    for function in (numbers, later):
        with pytest.raises(TypeError, match="runs none of its body"):
            redis_task()(function)
