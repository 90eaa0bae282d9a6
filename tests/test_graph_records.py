"""What Redis holds of graphs: seen when it is whole, kept while it is needed, read by anybody."""

from typing import Any

import pytest

from redis_tasks import GraphDoesNotExist, Queue, Task, TWorker
from redis_tasks.conf import connection, settings
from redis_tasks.contrib.graph import TaskGraph, chain
from redis_tasks.store import client, graph_scripts
from tests.conftest import Run
from tests.support.actions import act
from tests.support.hand_worker import HandWorker
from tests.support.ledger import Ledger


@pytest.fixture(autouse=True)
def _configured(settings_for_test: dict[str, Any], ledger: Ledger) -> None:
    """Every test here enqueues."""


def noting(text: str, **more: Any) -> dict[str, Any]:
    return {"func": act, "args": [["note", text]], **more}


def work() -> None:
    TWorker().run(raise_on_failure=False)


def states(graph: TaskGraph) -> list[str]:
    return [node.state for node in TaskGraph.fetch(graph.id).nodes]


# ---- What is written, and kept


def test_a_half_written_graph_is_not_to_be_seen_and_expires() -> None:
    graph = chain([noting("a"), noting("b")])
    entries = list(graph._entries())
    client.run(graph_scripts.launch(graph.id, entries, nodes=2, lines=3, last=False))

    with pytest.raises(GraphDoesNotExist, match=graph.id):
        TaskGraph.fetch(graph.id)

    left = [connection.ttl(key) for key in connection.keys("*:g:*")]
    assert len(left) == 4
    assert all(0 < ttl <= graph_scripts.HALF_WRITTEN_TTL for ttl in left)
    assert Queue().count() == 0


def test_a_graph_whose_first_part_is_gone_does_not_begin() -> None:
    graph = chain([noting("a"), noting("b")])
    entries = list(graph._entries())

    word = client.run(graph_scripts.launch(graph.id, entries[4:], nodes=2, lines=3, last=True))

    assert word == "incomplete"
    assert Queue().count() == 0


def test_a_graph_that_is_over_is_forgotten_when_its_time_is_up() -> None:
    over, alive = chain([noting("a")]), chain([noting("b", queue="other")])
    over.enqueue()
    alive.enqueue()
    work()

    client.run(graph_scripts.forget_graphs(-1))

    with pytest.raises(GraphDoesNotExist):
        TaskGraph.fetch(over.id)
    assert states(alive) == ["queued"]
    assert not [key for key in connection.keys("*") if over.id in key.decode() and b":g:" in key]


def test_of_graphs_that_are_over_the_oldest_make_room() -> None:
    with settings.override(REGISTRIES_MAX_BYTES=3 * 1500):
        graphs = [chain([noting("a"), noting("b")]) for _ in range(6)]
        for graph in graphs:
            graph.enqueue()
            work()

    found = [graph for graph in graphs if _exists(graph)]
    assert 1 <= len(found) < 6
    assert found == graphs[-len(found) :]


def _exists(graph: TaskGraph) -> bool:
    try:
        TaskGraph.fetch(graph.id)
    except GraphDoesNotExist:
        return False
    return True


def test_a_spoilt_record_does_not_hold_up_other_graphs(settings_for_test: dict[str, Any]) -> None:
    prefix = settings_for_test["REDIS_PREFIX"]
    connection.set(f"{prefix}:g:spoilt", "not a hash")
    connection.zadd(f"{prefix}:graph-ready", {"spoilt.1": 0})
    graph = chain([noting("a"), noting("b")])
    graph.enqueue()

    advanced = client.run(graph_scripts.advance())
    work()

    assert advanced.trouble.startswith("spoilt.1: ")
    assert not advanced.more
    assert states(graph) == ["finished", "finished"]


def test_a_task_with_a_made_up_graph_ends_as_any_other(settings_for_test: dict[str, Any]) -> None:
    prefix = settings_for_test["REDIS_PREFIX"]
    connection.set(f"{prefix}:g:spoilt:state", "not a hash")
    task = Queue().enqueue_call(act)
    connection.hset(f"{prefix}:t:{task.id}", "g", "spoilt")

    work()

    assert Task.fetch(task.id).status == "finished"


# ---- Looking at one


def test_a_graph_is_read_by_plain_commands_only(redis_client: Any) -> None:
    graph = chain([noting("a"), noting("b")])
    graph.enqueue()
    redis_client.execute_command(
        "ACL", "SETUSER", "reader", "on", "nopass", "~*", "-@all", "+@read", "+client|setinfo"
    )
    connection.execute_command("AUTH", "reader", "x")

    try:
        found = TaskGraph.fetch(graph.id)
    finally:
        connection.reset()
        redis_client.execute_command("ACL", "DELUSER", "reader")

    assert found.counts() == {"queued": 1, "waiting": 1}


def test_a_running_task_is_shown_as_running() -> None:
    graph = chain([noting("a"), noting("b")])
    graph.enqueue()
    HandWorker().claim()

    assert states(graph) == ["running", "waiting"]


def test_the_command_draws_a_graph(run: Run) -> None:
    graph = chain([noting("a"), {"func": act, "args": [["raise_error", "no"]]}, noting("c")])
    graph.enqueue()
    work()

    result = run("graph", graph.id)

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"Graph {graph.id}: failed",
        "1 finished, 1 failed, 1 stopped",
        "",
        "  1  tests.support.actions.act  finished",
        "  2  tests.support.actions.act  failed     after 1",
        "  3  tests.support.actions.act  stopped    after 2",
    ]


def test_the_command_writes_svg(run: Run) -> None:
    graph = chain([noting("a")])
    graph.enqueue()

    result = run("graph", graph.id, "--svg")

    assert result.output.startswith("<svg ")


def test_the_command_says_which_graph_there_is_not(run: Run) -> None:
    result = run("graph", "nowhere")

    assert result.exit_code == 1
    assert result.output == "Error: graph nowhere does not exist (any more)\n"
