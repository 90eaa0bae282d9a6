"""The state machine test can fail: it turns red under each of these bugs in our own scripts."""

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
from tests.support.store_machine import SETTINGS, StoreMachine

# Stops at the first red example, which needs no shrinking.
IMPATIENT = hypothesis_settings(
    max_examples=300,
    stateful_step_count=50,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# What is wrong, the line that is spoilt, what stands there instead.
BUGS = [
    ("fence removed", "  if task.w ~= worker or task.run ~= run then", "  if false then"),
    (
        "fence without the run",
        "  if task.w ~= worker or task.run ~= run then",
        "  if task.w ~= worker then",
    ),
    (
        "fence removed from renew",
        "  if task[2] ~= worker or task[3] ~= run then return 'lost' end",
        "",
    ),
    ("guard removed", "if now < grace_ends then return false end", ""),
    (
        "leases ahead of the clock kept",
        "for _, id in ipairs(ahead) do redis.call('ZADD', KEYS[2], now + lease, id) end",
        "",
    ),
    ("replay removed", "if request == last then", "if false then"),
    ("late copy of a claim served", "if request < last then return claimed end", ""),
    ("claim by the unregistered", "if not supervisor[1] then return false end", ""),
    (
        "dangling id not skipped",
        "  if task[1] ~= 'queued' then return false end",
        "",
    ),
    (
        "run number does not grow",
        "  local run = one_more(task[3])",
        "  local run = '1'",
    ),
    ("attempt does not grow", "    task[9] = one_more(task[9])", ""),
    (
        "interruption counted as an attempt",
        "  redis.call('HSET', PREFIX .. ':t:' .. id, 'try', count(task.try or task.run) - 1)",
        "",
    ),
    (
        "lease missing",
        "  if #leases > 0 then redis.call('ZADD', KEYS[q + 1], unpack(leases)) end",
        "",
    ),
    ("wake-ups not trimmed at a claim", "  trim_tokens(KEYS[q], KEYS[q + 2])", ""),
    (
        "wake-ups not trimmed at a cancel",
        "trim_tokens(queue, PREFIX .. ':wake:' .. name)",
        "",
    ),
    (
        "release counted as an interruption",
        "  return release(task, id, text, now, max_releases)",
        "  return interrupt(task, id, reason, text, now)",
    ),
    ("release without a limit", "  if releases > max_releases then", "  if false then"),
    (
        "release limit off by one",
        "  if releases > max_releases then",
        "  if releases >= max_releases then",
    ),
    ("poison off by one", "  if crashes >= max_crashes then", "  if crashes > max_crashes then"),
    ("rank wrong", "  local rank = -1e12 + count(task.seq)", "  local rank = count(task.seq)"),
    (
        "rank of a push to the front wrong",
        "    table.insert(added, ARGV[3] == 'front' and -number or number)",
        "    table.insert(added, number)",
    ),
    (
        "late result for anyone",
        "  if task.st == 'failed' and task.why == 'lost' then",
        "  if task.st == 'failed' then",
    ),
    (
        "late result refused",
        "  if move ~= 'finish' and move ~= 'fail' then return 'already' end",
        "  if true then return 'already' end",
    ),
    (
        "lost task put back late",
        "  if move ~= 'finish' and move ~= 'fail' then return 'already' end",
        "",
    ),
    (
        "settled twice",
        "  if task.st == 'running' then",
        "  if task.st == 'running' or task.st == 'finished' then",
    ),
    (
        "lease not removed at the end of a run",
        "    redis.call('ZREM', PREFIX .. ':leases:' .. queue, unpack(ids))",
        "",
    ),
    (
        "worker still busy",
        "  if #left > 0 then redis.call('HDEL', supervisor, unpack(left)) end",
        "",
    ),
    (
        "not reentrant, but started again after a crash",
        "local function crash(task, id, reason, text, now, max_crashes)",
        "local function crash(task, id, reason, text, now, max_crashes)\n  task.re = '1'",
    ),
    (
        "not reentrant, but started again after an interruption",
        "local function interrupt(task, id, reason, text, now)",
        "local function interrupt(task, id, reason, text, now)\n  task.re = '1'",
    ),
    ("recover ignores reentrancy", "  if task.re == '1' then", "  if true then"),
    (
        "interruption stays a crash",
        "      redis.call('HDEL', PREFIX .. ':t:' .. id, 'lost')",
        "      redis.call('HINCRBY', PREFIX .. ':t:' .. id, 'crash', 1)",
    ),
    (
        "tombstone missing",
        "  if now - count(enqueued_at) < YOUNG then bury(id, now) end",
        "",
    ),
    ("cancelled id forgotten", "bury(id, now)", ""),
    ("cancelled: also what had ended", "local mark = 'cancelled ' .. id", "local mark = id"),
    ("cancel while running", "if task[1] ~= 'queued' then return task[1] end", ""),
    ("delete while running", "  if task[1] == 'running' then return 'running' end", ""),
    (
        "repeated enqueue makes a second task",
        "  local word = known(id, ARGV[at + 2] == 'again', fn, arguments, now) or 'new'",
        "  local word = 'new'",
    ),
    ("bytes not counted", "  grown[status] = grown[status] + bytes", ""),
    (
        "bytes counted twice after a late result",
        "  grown.failed = grown.failed - count(task.sz)",
        "",
    ),
    ("bytes of meta not counted", "  redis.call('HINCRBY', KEYS[1], task[1], change)", ""),
    (
        "registries without a limit of count",
        "    local over = redis.call('LLEN', registry(name)) - limit",
        "    local over = 0",
    ),
    (
        "registries without a limit of bytes",
        "  while kept + grown.finished + grown.failed > bytes_max and dropped < 100 do",
        "  while false do",
    ),
    (
        "left in its registry when it is deleted",
        "  redis.call('LREM', registry(name), is_newer and -1 or 1, entry(ended_at, id))",
        "",
    ),
    (
        "newest dropped",
        "  local entries = redis.call('LPOP', registry(name), number) or {}",
        "  local entries = redis.call('RPOP', registry(name), number) or {}",
    ),
    (
        "meta from a run that is over",
        (
            "if ARGV[3] ~= '' and (task[2] ~= ARGV[3] or task[3] ~= ARGV[4])"
            " then return 'refused' end"
        ),
        "",
    ),
    (
        "the living buried",
        (
            "local silent = redis.call("
            "'ZRANGE', KEYS[1], '-inf', now - ARGV[2], 'BYSCORE', 'LIMIT', 0, 100)"
        ),
        "local silent = redis.call('ZRANGE', KEYS[1], 0, -1)",
    ),
    (
        "a claim is no sign of life",
        "  if now - claimed_at < tonumber(ARGV[2]) then",
        "  if false then",
    ),
]


@pytest.fixture(autouse=True)
def _store(settings_for_test: dict[str, Any]) -> Iterator[None]:
    with settings.override(**SETTINGS):
        yield
    client.use(None)


@pytest.mark.timeout(300)  # seconds, where the machine has time
@pytest.mark.parametrize(
    ("line", "instead"), [bug[1:] for bug in BUGS], ids=[bug[0] for bug in BUGS]
)
def test_a_planted_bug_turns_the_state_machine_test_red(line: str, instead: str) -> None:
    with (
        altered_scripts({line: instead}),
        hand_driven_clock(),
        pytest.raises((AssertionError, ResponseError, KeyError)),
    ):
        run_state_machine_as_test(StoreMachine, settings=IMPATIENT)
