"""What a supervisor says to Redis, and Redis refuses."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_tasks import keys
from redis_tasks.clock import boottime
from redis_tasks.conf import connection
from redis_tasks.dispatch import Dispatch, Ended
from redis_tasks.exchange import Exchange
from redis_tasks.lifecycle import TaskOutcome
from redis_tasks.run import Run
from redis_tasks.store import client
from tests.support.store_calls import claim, enqueue, register


@pytest.fixture
def dispatch(settings_for_test: dict[str, Any]) -> Iterator[Dispatch]:
    register()
    exchange = Exchange("redis_tasks.worker")
    dispatch = Dispatch(exchange, ["q"])
    dispatch.supervisor_id = "s"
    yield dispatch
    exchange.close()
    client.use(None)


def test_outcomes_that_redis_refuses_are_given_up_and_not_repeated_for_ever(
    dispatch: Dispatch, caplog: pytest.LogCaptureFixture
) -> None:
    enqueue("t", "u")
    runs = [Run.of(claimed, boottime()) for claimed in claim(1, workers=2)]
    dispatch.ended = [Ended(run, TaskOutcome.success(), "", 0.0) for run in runs]
    connection.set(keys.registry(keys.FINISHED), "no registry")

    # Together, then one by one: the others might be accepted.
    for _ in range(2):
        assert len(dispatch.ended) == 2
        assert dispatch.say(boottime(), None)
        dispatch.hear()

    assert not dispatch.ended
    assert caplog.text.count("Redis refused settle") == 3
