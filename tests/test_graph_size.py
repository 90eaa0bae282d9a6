"""What a large graph costs grows with its size, and no faster."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from redis_tasks.conf import connection
from redis_tasks.contrib.graph import TaskGraph, chain, chord
from redis_tasks.store import client, graph_scripts, scripts
from redis_tasks.store.scripts import Settlement
from tests.support.actions import act

WORKERS = [f"s#{number}" for number in range(1, 101)]


def chain_of_fans(size: int) -> TaskGraph:
    """Return tasks that each wait for one of a hundred before, which wait for one together."""
    graph = TaskGraph()
    gate = graph.add_task({"func": act})
    while len(graph.nodes) < size:
        fan = [graph.add_task({"func": act}) for _ in range(99)]
        for node in fan:
            graph.add_dependency(gate, node)
        gate = graph.add_task({"func": act})
        for node in fan:
            graph.add_dependency(node, gate)
    return graph


def fan_in(size: int) -> TaskGraph:
    return chord([{"func": act}] * size, {"func": act})


def fan_out(size: int) -> TaskGraph:
    graph = chain([{"func": act}])
    for _ in range(size):
        graph.add_dependency(graph.nodes[0], graph.add_task({"func": act}))
    return graph


def cost_of_running(graph: TaskGraph, server: "redis.Redis") -> int:
    """Enqueue and run it by hand; return the microseconds that Redis spent on our scripts."""
    server.config_resetstat()
    graph.enqueue()
    client.run(scripts.register("s", "s", ["default"], len(WORKERS)))
    done = 0
    while done < len(graph.nodes):
        request = connection.incr("requests")
        claimed = client.run(scripts.claim("s", request, ["default"], WORKERS)) or []
        ends = [Settlement(c.task_id, c.worker_id, c.run, "finish") for c in claimed]
        client.run(scripts.settle(ends))
        more = True
        while more:
            advanced = client.run(graph_scripts.advance())
            more = advanced.more
        assert claimed, f"{done} of {len(graph.nodes)} tasks ran"
        done += len(claimed)
    stats = server.info("commandstats")
    return int(stats["cmdstat_evalsha"]["usec"])


@pytest.mark.parametrize("make", [chain_of_fans, fan_in, fan_out])
def test_ten_times_the_tasks_cost_about_ten_times_as_much(
    make: Callable[[int], TaskGraph], settings_for_test: dict[str, Any], redis_client: Any
) -> None:
    small = min(cost_of_running(make(1_000), redis_client) for _ in range(2))
    large = make(10_000)

    cost = cost_of_running(large, redis_client)

    # A quadratic step would make it a hundred times; the machine may be busy.
    assert cost < 40 * small
    assert TaskGraph.fetch(large.id).counts() == {"finished": len(large.nodes)}
    assert len(large.as_text().splitlines()) < 40
    assert len(large.as_svg()) < 30_000
