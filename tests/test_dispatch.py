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
from redis_tasks.store import client, scripts
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


def ask_and_answer(dispatch: Dispatch, worker_ids: list[str]) -> list[str]:
    """Ask for tasks for these workers; return the ids of those that were given."""
    given: list[str] = []
    dispatch.on_claimed = lambda claimed, _request, _asked_at: given.extend(
        task.task_id for task in claimed or []
    )
    dispatch.want(worker_ids)
    assert dispatch.say(boottime(), None)
    dispatch.hear()
    return given


def test_a_request_is_packed_before_it_is_needed(
    dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue("t")
    dispatch.prepare(["s#1", "s#2"])
    monkeypatch.setattr(scripts, "claim", pytest.fail)

    assert ask_and_answer(dispatch, ["s#1", "s#2"]) == ["t"]


@pytest.mark.parametrize("prepared", [["s#1"], ["s#2", "s#1"]])
def test_a_request_for_others_than_were_free_is_made_anew(
    dispatch: Dispatch, prepared: list[str]
) -> None:
    enqueue("t", "u", "v")
    dispatch.prepare(prepared)

    assert ask_and_answer(dispatch, ["s#2"]) == ["t"]
    # The first one's number is lower by now: it would be given nothing.
    assert ask_and_answer(dispatch, prepared) == ["u", "v"][: len(prepared)]


def test_a_request_that_was_prepared_under_another_id_is_made_anew(dispatch: Dispatch) -> None:
    client.run(scripts.register("new", "web.2", ["q"], 1))
    enqueue("t")
    dispatch.prepare(["s#1"])
    dispatch.supervisor_id = "new"

    assert ask_and_answer(dispatch, ["new#1"]) == ["t"]
