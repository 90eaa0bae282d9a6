"""Texts that would like to be more than text, in every field that Redis holds."""

import time
from typing import cast

from redis.client import Pipeline
from redis.typing import EncodableT, FieldT

from redis_tasks import keys
from redis_tasks.conf import connection

PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' autofocus onfocus='alert(1)' x='",
    "` onmouseover=alert(1) `",
    "javascript:alert(1)",
    "<a href='javascript:alert(1)'>look</a>",
    "<iframe src='data:text/html,<script>alert(1)</script>'></iframe>",
    "<object data=x></object><embed src=x>",
    "<base href='https://example.com/'>",
    "<meta http-equiv=refresh content='0;url=https://example.com/'>",
    "<link rel=stylesheet href='https://example.com/x.css'>",
    "<style>*{display:none!important}</style>",
    "<form action='https://example.com/'><button>Delete</button></form>",
    "</title></head><body><h1>Stolen</h1>",
    "</main></body></html><!--",
    "<!-- <plaintext> -->",
    "</textarea></select></pre></table><b data-pwned=1>",
    "<details open ontoggle=alert(1)>",
    "{{ 7 * 7 }} {% raw %} ${7*7} #{7*7}",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62;",
    "../../../etc/passwd?x=1#y;%00%2e%2e",
    "\u202eright to left\u202c \u200b\u2066 zero width",
    "Z\u0351\u036b\u0343\u036a\u0302a\u0313\u0319" * 8,
    "W" * 240,
)
LONG = "0123456789abcdef" * 20_000  # far more than is shown


Fields = dict[FieldT, EncodableT]


def plant(number: int, payload: str) -> None:
    """Write a task of each status, a worker, a group of failures that consist of *payload*."""
    now = time.time_ns() // 1_000_000
    pipeline = connection.pipeline(transaction=False)
    for status, fields in _tasks(payload, now).items():
        pipeline.hset(keys.task(task_id(payload, status)), mapping=fields)
    pipeline.sadd(keys.queues(), payload)
    pipeline.zadd(keys.queue(payload), {task_id(payload, "queued"): number})
    pipeline.zadd(keys.leases(payload), {task_id(payload, "running"): now + 60_000})
    for registry in ("finished", "failed"):
        pipeline.rpush(keys.registry(registry), f"{now - 1000} {task_id(payload, registry)}")
    _plant_worker(pipeline, payload, now)
    pipeline.zadd(keys.failures(), {f"group {number}": now})
    group = {
        "fn": payload,
        "line": payload,
        "n": 3,
        "first": now,
        "ids": payload,
        "hours": payload,
    }
    pipeline.hset(keys.failure(f"group {number}"), mapping=cast("Fields", group))
    pipeline.execute()


def _tasks(payload: str, now: int) -> dict[str, Fields]:
    quoted = _quoted(payload)
    record: Fields = {
        "q": payload, "fn": f"{payload}.{payload}", "w": payload, "run": 1, "try": 1,
        "enq": now - 9000, "args": f'[["{quoted}", "{LONG}"], {{"{quoted}": "{quoted}"}}]',
        "meta": f'{{"{quoted}": "{quoted}"}}', "to": 60, "re": 1,
    }  # fmt: skip
    error = f'Traceback (most recent call last):\n  File "{payload}", line 1, in {payload}\n'
    error += f"    {payload}\n{payload}: {payload}"
    over: Fields = {"start": now - 5000, "end": now - 1000}
    return {
        "queued": {**record, "st": "queued"},
        "running": {**record, "st": "running", "start": now - 5000},
        "finished": {**record, "st": "finished", **over},
        "failed": {
            **record, "st": "failed", **over,
            "why": payload, "err": error + LONG, "gist": payload,
        },
        payload: {**record, "st": payload, **over},
    }  # fmt: skip


def _quoted(payload: str) -> str:
    """Return a payload as part of a text of JSON."""
    return payload.replace("\\", "\\\\").replace('"', '\\"')


def task_id(payload: str, status: str) -> str:
    """Return the id of the task with that status."""
    return f"{payload[:200]} {status if status != payload else 'other'}"


def _plant_worker(pipeline: Pipeline, payload: str, now: int) -> None:
    pipeline.zadd(keys.workers(), {payload: now})
    record: Fields = {
        "desc": payload, "queues": f'["{_quoted(payload)}"]', "n": 1, "start": now, "on": 1,
        payload: f"{task_id(payload, 'running')} 1",
    }  # fmt: skip
    pipeline.hset(keys.supervisor(payload), mapping=record)
