"""No value of a secret argument is shown to anybody, wherever an error quotes it."""

import json
import logging
import re
import time
from typing import Any

import pytest
import redis

from redis_tasks import Queue, Task, TWorker, keys, redis_task
from redis_tasks.conf import connection
from redis_tasks.lifecycle import ERROR_BYTES
from redis_tasks.redaction import MOST, redact
from tests.conftest import StartWorker, UseSettings
from tests.support.ledger import Ledger

pytestmark = pytest.mark.usefixtures("settings_for_test")

SECRET = "correct horse 'battery' ü/\n\"staple\""
TOKEN = {"access": b"\x00hush-hush", "expires": 1_893_456_000}


@redis_task(secret_args=["password", "token"])
def log_in(user: str, password: str, token: Any = None) -> None:
    """Do what careless code does: quote its arguments, and change them."""
    quoted = f"{user}: {password} {password!r} {json.dumps(password)} {token}"
    if token is not None:
        token.clear()
    raise PermissionError(quoted) from ValueError(password)


@redis_task(secret_args=["password"])
def fail_at_length(password: str) -> None:
    raise ValueError("x" * (ERROR_BYTES // 2 - 500) + password * 100 + "x" * ERROR_BYTES)


class Careless:
    """Middleware that quotes the arguments."""

    def process_outcome(self, task: Task, *exc_info: Any) -> None:
        raise RuntimeError(f"{task.args} {task.kwargs}")


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("a hunter2 b", ["hunter2"], "a [redacted] b"),
        ("https://x/?key=a%2Fb%20c&key=a%2Fb+c", ["a/b c"], "https://x/?key=[redacted]&key=[redacted]"),
        (repr(SECRET) + json.dumps(SECRET), [SECRET], "'[redacted]'\"[redacted]\""),
        ("hush-hush hush", ["hush", "hush-hush"], "[redacted] [redacted]"),
        ("pin 12345, not 1", [12345, 1, True, None], "pin [redacted], not 1"),
        ("of abc and abcd", ["abc"], "of abc and abcd"),
        ([("hush", {"hush": "hush"}), 7], ["hush"], [["[redacted]", {"hush": "[redacted]"}], 7]),
    ],
)  # fmt: skip
def test_secrets_are_found_in_every_way_to_write_them(
    text: Any, secrets: list[object], expected: Any
) -> None:
    assert redact(text, secrets) == expected


def test_very_many_secrets_take_no_longer_and_leave_nothing() -> None:
    began = time.process_time()
    many = redact(["no 123456"] * 1000, [list(range(100_000, 100_000 + MOST // 2))])
    too_many = redact({"key": ["no 123456", 7]}, [list(range(100_000, 200_000))])
    took = time.process_time() - began

    assert many == ["no 123456"] * 1000
    assert too_many == {"key": ["[redacted]", 7]}
    assert took < 5


def test_what_a_task_raises_quotes_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    task = Queue().enqueue_call(log_in, ["ada", SECRET], {"token": {**TOKEN}})

    TWorker().run(raise_on_failure=False)

    task.refresh()
    told = str(task.error_message)
    assert "PermissionError: ada: [redacted] '[redacted]' \"[redacted]\"" in told
    assert not re.search(r"battery|staple|hush|1893456000", told + task.error_line + caplog.text)


def test_a_secret_is_found_before_the_middle_of_an_error_is_cut_out() -> None:
    task = Queue().enqueue_call(fail_at_length, ["hunter2" * 9])

    TWorker().run(raise_on_failure=False)

    task.refresh()
    assert "bytes cut" in str(task.error_message)
    assert "hunter" not in str(task.error_message)


@pytest.mark.parametrize(
    "args", ['[["ada","hunter2"],{}]', '[["ada","hunter2",{"$":["date","hunter2"]}],{}]']
)
def test_middleware_that_quotes_them_is_logged_without_them(
    args: str,
    use_settings: UseSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use_settings(MIDDLEWARE=[f"{__name__}.Careless"])
    task = Queue().enqueue_call(log_in, ["ada", "hunter2"])
    connection.hset(keys.task(task.id), mapping={"fn": "tests.test_redaction.gone", "args": args})

    TWorker().run(raise_on_failure=False)

    task.refresh()
    assert task.failure_reason == "unimportable"
    assert "hunter2" not in str(task.error_message)
    assert "was not reported by Careless" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_a_worker_leaves_behind_has_a_secret_but_the_arguments(
    log_format: str,
    start_worker: StartWorker,
    ledger: Ledger,
    redis_client: "redis.Redis",
) -> None:
    task = Queue().enqueue_call(log_in, ["ada", "hunter2"])
    worker = start_worker("--burst", "--log-format", log_format)

    assert worker.wait_exit(20) == 0

    task.refresh()
    assert "ada: [redacted]" in str(task.error_message)
    assert "hunter2" not in worker.text()
    for key in redis_client.keys("*"):
        assert b"hunter2" not in key
        if redis_client.type(key) == b"hash":
            fields: dict[Any, Any] = redis_client.hgetall(key)
            assert not [name for name in fields if name != b"args" and b"hunter2" in fields[name]]
