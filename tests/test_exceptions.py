"""Errors can be caught by what they are, carry what is needed, and survive a process boundary."""

import builtins
import pickle

import pytest
import redis

from redis_tasks import exceptions
from redis_tasks.exceptions import (
    DeserializationError,
    EnqueueFailed,
    EnqueueUncertain,
    PayloadTooLarge,
    RedisFull,
    RedisTasksError,
    SettingsError,
    TaskAborted,
    WorkerShutdown,
)


@pytest.mark.parametrize("kind", [EnqueueFailed, EnqueueUncertain, RedisFull])
@pytest.mark.parametrize(
    "caught", [RedisTasksError, redis.ConnectionError, builtins.ConnectionError, OSError], ids=repr
)
def test_a_failed_enqueue_is_a_connection_error(
    kind: type[EnqueueFailed | EnqueueUncertain], caught: type[Exception]
) -> None:
    with pytest.raises(caught) as raised:
        raise kind("Redis is away", task_id="4f")

    assert str(raised.value) == "Redis is away"
    assert repr(raised.value) == f"{kind.__name__}('Redis is away', task_id='4f')"


def test_a_full_redis_has_certainly_not_enqueued() -> None:
    assert issubclass(RedisFull, EnqueueFailed)
    assert not issubclass(EnqueueUncertain, EnqueueFailed)


def test_a_payload_that_is_too_large_is_a_value_error() -> None:
    assert issubclass(PayloadTooLarge, ValueError)


def test_a_shutdown_is_not_swallowed_with_the_tasks_own_errors() -> None:
    assert not issubclass(WorkerShutdown, Exception)


def test_all_others_have_one_root() -> None:
    kinds = {getattr(exceptions, name) for name in exceptions.__all__}

    assert {kind for kind in kinds if not issubclass(kind, RedisTasksError)} == {WorkerShutdown}
    assert all(kind.__name__ in str(exceptions.__doc__) for kind in kinds)


def test_settings_errors_are_shown_all() -> None:
    assert str(SettingsError("one")) == "one"
    assert str(SettingsError(["one", "two"])) == "2 settings are wrong:\n  - one\n  - two"
    assert SettingsError("one").errors == ["one"]


@pytest.mark.parametrize(
    "error",
    [
        RedisFull("full", task_id="4f"),
        DeserializationError("no JSON", b"\xff"),
        SettingsError(["one", "two"]),
        TaskAborted("worker died"),
    ],
    ids=repr,
)
def test_an_error_keeps_what_it_carries_on_its_way_to_another_process(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert (str(again), vars(again)) == (str(error), vars(error))
