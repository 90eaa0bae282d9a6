"""Graphs, driven at random on a real server: each node runs once, after its predecessors."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test
from redis.exceptions import ResponseError

from redis_tasks.conf import settings
from redis_tasks.store import client
from tests.support.altered_scripts import altered_scripts, hand_driven_clock
from tests.support.graph_machine import GraphMachine

SETTINGS = {
    "WORKER_HEARTBEAT_TIMEOUT": 4,
    "WORKER_HEARTBEAT_FREQ": 0.5,
    "MAX_CRASHES": 3,
    "MAX_RELEASES": 1,
}

# The same steps at every run: what is red is red again.
THOROUGH = hypothesis_settings(
    max_examples=60,
    stateful_step_count=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# Stops at the first red example, which needs no shrinking.
IMPATIENT = hypothesis_settings(
    THOROUGH, max_examples=200, phases=[Phase.generate], report_multiple_bugs=False
)

# What is wrong, the line that is spoilt, what stands there instead.
BUGS = [
    (
        "told twice",
        "    if done then redis.call('HSET', key .. ':state', node, word .. '+') end",
        "",
    ),
    (
        "what was told is forgotten by a late result",
        "  redis.call('HSET', key .. ':state', node, word .. told)",
        "  redis.call('HSET', key .. ':state', node, word)",
    ),
    ("cursor not kept", "      redis.call('HSET', key, 'at:' .. node, at)", ""),
    (
        "released with one predecessor open",
        "      if open == 1 then table.insert(ready, number) end",
        "      if open <= 2 then table.insert(ready, number) end",
    ),
    (
        "a failure releases",
        "  elseif not string.find(word, '+', 1, true) and (policy == 'run' or not failed) then",
        "  elseif not string.find(word, '+', 1, true) then",
    ),
    (
        "a failure never releases",
        "  elseif not string.find(word, '+', 1, true) and (policy == 'run' or not failed) then",
        "  elseif not string.find(word, '+', 1, true) and not failed then",
    ),
    (
        "a cancelled graph goes on",
        "  local failed = word == 'failed' or word == 'cancelled'",
        "  local failed = false",
    ),
    (
        "what waits is not cancelled",
        "    if from then used, done = sweep(graph, key, from, room, now) end",
        "",
    ),
    ("end not noted at a settlement", "  end_node(task.g, id, status, now)", ""),
    ("end not noted at a cancel", "end_node(task[3], id, 'cancelled', now)", ""),
    ("end not noted at a delete", "    end_node(task[5], id, 'cancelled', now)", ""),
    ("end not noted at a drain", "    end_node(task[3], next[i], 'cancelled', now)", ""),
    (
        "a late result does not count",
        "    if noted == 1 then redis.call('HINCRBY', key, 'busy', 1) end",
        "",
    ),
    ("over while a late result is told", "    reopen(graph, key)", ""),
    (
        "never over",
        (
            "    if redis.call('HINCRBY', key, 'busy', -1) <= 0 then"
            " close(graph, key, state, now) end"
        ),
        "",
    ),
    ("launched twice", "if redis.call('HEXISTS', key, 'st') == 1 then return 'repeated' end", ""),
    ("expiring", "for _, part in ipairs(parts) do redis.call('PERSIST', part) end", ""),
    (
        "not in a queue",
        "  local more = redis.call('ZADD', PREFIX .. ':q:' .. queue, seq, id)",
        "  local more = 1",
    ),
    ("arguments kept", "  redis.call('HDEL', key .. ':args', unpack(numbers))", ""),
]


@pytest.fixture(autouse=True)
def _store(settings_for_test: dict[str, Any]) -> Iterator[None]:
    with settings.override(**SETTINGS):
        yield
    client.use(None)


@pytest.mark.timeout(300)  # seconds, where the machine has time
def test_each_node_runs_once_after_its_predecessors_whatever_happens() -> None:
    with hand_driven_clock():
        run_state_machine_as_test(GraphMachine, settings=THOROUGH)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("line", "instead"), [bug[1:] for bug in BUGS], ids=[bug[0] for bug in BUGS]
)
def test_a_planted_bug_turns_the_test_of_graphs_red(line: str, instead: str) -> None:
    with (
        altered_scripts({line: instead}),
        hand_driven_clock(),
        pytest.raises((AssertionError, ResponseError, KeyError)),
    ):
        run_state_machine_as_test(GraphMachine, settings=IMPATIENT)
