"""Graphs as users make them: order, policies, errors, what is shown of them."""

from typing import Any

import pytest

from redis_tasks import (
    EnqueueFailed,
    InvalidOperation,
    Queue,
    Task,
    TWorker,
    middleware,
    redis_task,
)
from redis_tasks.conf import connection, settings
from redis_tasks.contrib import graph as contrib_graph
from redis_tasks.contrib.graph import TaskGraph, chain, chord, group
from redis_tasks.store import client, graph_scripts
from tests.conftest import UseSettings
from tests.support.actions import act, act_once
from tests.support.hand_worker import HandWorker
from tests.support.ledger import Ledger


@pytest.fixture(autouse=True)
def _configured(settings_for_test: dict[str, Any], ledger: Ledger) -> None:
    """Every test here enqueues."""


@redis_task(reentrant=True, timeout=7.5, secret_args=["token"])
def sign(document: bytes, token: str) -> None:
    """Have an option of each kind."""


def noting(text: str, **more: Any) -> dict[str, Any]:
    return {"func": act, "args": [["note", text]], **more}


def failing(**more: Any) -> dict[str, Any]:
    return {"func": act, "args": [["raise_error", "no"]], **more}


def notes(ledger: Ledger) -> list[str]:
    return [e.name for e in ledger.events() if e.name not in ("start", "end", "exc")]


def work(*queues: str) -> None:
    TWorker(queues or ("default",)).run(raise_on_failure=False)


def states(graph: TaskGraph) -> list[str]:
    return [node.state for node in TaskGraph.fetch(graph.id).nodes]


# ---- Order


def test_a_chain_runs_one_after_the_other(ledger: Ledger) -> None:
    graph = chain([noting("a"), noting("b"), noting("c")])

    graph.enqueue()

    assert Queue().get_task_ids() == [graph.nodes[0].task_id]
    work()
    assert notes(ledger) == ["a", "b", "c"]
    assert TaskGraph.fetch(graph.id).state == "finished"


def test_a_group_waits_for_nothing() -> None:
    graph = group([noting("a"), noting("b")])

    graph.enqueue()

    assert Queue().get_task_ids() == [node.task_id for node in graph.nodes]


def test_a_chord_ends_with_its_last_call(ledger: Ledger) -> None:
    graph = chord([noting("a"), noting("b")], noting("then"))

    graph.enqueue()
    work()

    assert notes(ledger) == ["a", "b", "then"]


def test_a_graph_takes_any_form_and_goes_through_several_queues(ledger: Ledger) -> None:
    graph = TaskGraph()
    last = graph.add_task(noting("last", queue="other"))
    first = graph.add_task(noting("first"))
    second = graph.add_task(noting("second", queue="other"))
    for before, after in ((first, second), (first, last), (second, last), (second, last)):
        graph.add_dependency(before, after)

    graph.enqueue()
    work("default", "other")

    assert notes(ledger) == ["first", "second", "last"]
    assert Task.fetch(last.task_id).origin == "other"
    assert Task.fetch(last.task_id).graph_id == graph.id


def test_a_task_of_a_graph_is_as_if_it_had_been_enqueued_by_itself() -> None:
    call = {"func": "tests.test_graphs.sign", "args": [b"\x00"], "kwargs": {"token": "hush"}}
    graph = chain([{"func": act}, call])
    graph.enqueue()
    alone = Queue().enqueue_call(sign, [b"\x00"], {"token": "hush"})

    work()

    task = Task.fetch(graph.nodes[1].task_id)
    alone.refresh()
    for name in ("args", "kwargs", "description", "is_reentrant", "timeout", "status", "origin"):
        assert getattr(task, name) == getattr(alone, name), name
    assert "hush" not in task.description


# ---- Failures


@pytest.mark.parametrize(
    ("policy", "expected", "state"),
    [
        ("stop", ["failed", "stopped", "stopped", "finished"], "failed"),
        ("run", ["failed", "finished", "finished", "finished"], "failed"),
        ("cancel", ["failed", "cancelled", "cancelled", "cancelled"], "cancelled"),
    ],
)
def test_a_failure_has_the_effect_that_was_chosen(
    policy: str, expected: list[str], state: str
) -> None:
    graph = chain([failing(), noting("b"), noting("c")], on_failure=policy)
    graph.add_task(noting("free"))
    graph.enqueue()

    work()

    assert states(graph) == expected
    assert TaskGraph.fetch(graph.id).state == state
    assert Queue().count() == 0


@pytest.mark.parametrize("way", ["cancel", "delete", "empty"])
def test_a_task_that_is_taken_away_counts_as_failed(way: str) -> None:
    graph = chain([noting("a"), noting("b")])
    graph.enqueue()
    task = Task.fetch(graph.nodes[0].task_id)

    {
        "cancel": task.cancel,
        "delete": lambda: Task.delete_many([task.id]),
        "empty": Queue().empty,
    }[way]()
    client.run(graph_scripts.advance())

    assert states(graph) == ["cancelled", "stopped"]
    assert TaskGraph.fetch(graph.id).ended_at is not None


def test_a_late_result_releases_what_its_loss_had_held(use_settings: UseSettings) -> None:
    graph = chain([{"func": act_once}, noting("b")])
    graph.enqueue()
    worker = HandWorker()
    claimed = worker.claim()
    worker.settle(claimed, "crash", "lost", "lost")
    client.run(graph_scripts.advance())
    held = states(graph), TaskGraph.fetch(graph.id).state

    worker.settle(claimed, "finish")
    client.run(graph_scripts.advance())

    assert held == (["failed", "stopped"], "failed")
    assert states(graph) == ["finished", "queued"]
    assert TaskGraph.fetch(graph.id).state == "running"


# ---- Errors


def test_an_empty_graph_is_refused() -> None:
    with pytest.raises(ValueError, match="no tasks"):
        TaskGraph().enqueue()


def test_a_graph_that_is_too_large_is_refused() -> None:
    graph = chain([noting("a")])
    graph.nodes *= contrib_graph.MOST_NODES + 1

    with pytest.raises(ValueError, match="make several"):
        graph.enqueue()


def test_a_circle_is_refused_with_its_tasks() -> None:
    graph = chain([noting("a"), noting("b"), noting("c")])
    graph.add_dependency(graph.nodes[2], graph.nodes[1])

    with pytest.raises(ValueError, match=r"circle: .*act \(\d\) -> .*act \(\d\) -> "):
        graph.enqueue()

    assert connection.keys("*") == []


def test_a_node_of_another_graph_is_refused() -> None:
    graph, other = chain([noting("a")]), chain([noting("b")])
    graph.add_dependency(other.nodes[0], graph.nodes[0])

    with pytest.raises(ValueError, match="another graph"):
        graph.enqueue()

    assert connection.keys("*") == []


def test_a_graph_is_enqueued_once_and_does_not_change_then() -> None:
    graph = chain([noting("a")])
    graph.enqueue()

    for change in (graph.enqueue, lambda: graph.add_task(noting("b"))):
        with pytest.raises(InvalidOperation, match="enqueued already"):
            change()

    assert Queue().count() == 1


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ({"args": []}, TypeError),
        ({"func": act, "arg": []}, TypeError),
        (act, TypeError),
        ({"func": act, "queue": ""}, ValueError),
        ({"func": "os.system"}, ValueError),
    ],
)
def test_a_wrong_call_is_refused_where_it_is_added(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        TaskGraph().add_task(call)


def test_a_dependency_between_other_things_is_refused() -> None:
    graph = chain([noting("a")])

    with pytest.raises(TypeError, match="add_task"):
        graph.add_dependency(graph.nodes[0], "b")


def test_a_policy_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="'stop', 'run', 'cancel'"):
        TaskGraph(on_failure="explode")


def test_a_graph_that_cannot_be_enqueued_may_be_enqueued_later(use_settings: UseSettings) -> None:
    graph = chain([noting("a"), noting("b")])
    with settings.override(REDIS_URL="redis://127.0.0.1:1"), pytest.raises(EnqueueFailed):
        graph.enqueue()

    client.use(None)
    graph.enqueue()

    assert Queue().get_task_ids() == [graph.nodes[0].task_id]


def test_an_enqueue_whose_answer_was_lost_may_be_repeated() -> None:
    graph = chain([noting("a"), noting("b")])
    entries = list(graph._entries())
    client.run(graph_scripts.launch(graph.id, entries, nodes=2, lines=3, last=True))

    graph.enqueue()

    assert Queue().count() == 1
    assert states(graph) == ["queued", "waiting"]


def test_the_middleware_of_old_settings_is_harmless() -> None:
    path = "redis_tasks.contrib.graph.GraphMiddleware"
    with settings.override(MIDDLEWARE=[path]):
        assert middleware.load() == [contrib_graph.GraphMiddleware]
        graph = chain([noting("a"), noting("b")])
        graph.enqueue()
        work()

    assert states(graph) == ["finished", "finished"]
