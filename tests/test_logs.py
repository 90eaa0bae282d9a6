"""One event is one line, whatever is in it and wherever it goes."""

import json
import logging
import re

import pytest

from redis_tasks.logs import JsonFormatter, LineFormatter

PIPE_BYTES = 65536


def record(
    message: object,
    *args: object,
    level: int = logging.INFO,
    name: str = "redis_tasks.task",
    error: BaseException | None = None,
    **extra: object,
) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord(name, level, "shop/tasks.py", 12, message, args, info)
    vars(made).update(extra)
    return made


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error) as caught:
        return caught


class UnshowableError(Exception):
    def __str__(self) -> str:
        raise LookupError("no text")


@pytest.mark.parametrize(
    ("level", "name", "line"),
    [
        (logging.INFO, "redis_tasks.worker", "INFO    redis_tasks.worker: Worker started"),
        (logging.INFO, "redis_tasks.task", "INFO      redis_tasks.task: Worker started"),
        (logging.WARNING, "shop", "WARN                  shop: Worker started"),
        (logging.CRITICAL, "shop", "CRIT                  shop: Worker started"),
        (
            logging.ERROR,
            "a.module.of.a.long.name",
            "ERROR a.module.of.a.long.name: Worker started",
        ),
        (25, "shop", "Level                 shop: Worker started"),
    ],
)
def test_a_line_has_its_columns(level: int, name: str, line: str) -> None:
    written = LineFormatter().format(record("Worker %s", "started", level=level, name=name))

    assert re.fullmatch(r"\d\d:\d\d:\d\d " + re.escape(line), written)


HOSTILE = "a\nb\r\x1b[31m\x00\x7f\x85\u2028\u2029\u202e\ud800é😀\t"


def test_characters_that_act_are_shown_instead() -> None:
    written = LineFormatter().format(record("%s", HOSTILE, name="x\ny"))

    assert written.endswith(r": a\nb\r\x1b[31m\x00\x7f\x85\u2028\u2029\u202e\ud800é😀\t")
    assert r"x\ny: " in written


def test_an_exception_ends_its_line() -> None:
    error = raised(ValueError("wrong\nindeed"))

    written = LineFormatter().format(record("Task failed", error=error))

    assert written.endswith(r"Task failed (ValueError: wrong\nindeed)")


@pytest.mark.parametrize("text", ["x" * 20_000, "é" * 20_000, "\n" * 20_000, "😀" * 9_000])
def test_a_long_line_is_cut(text: str) -> None:
    written = LineFormatter().format(record("%s", text)).encode()

    assert 9_990 < len(written) < 9_999
    assert written.endswith("…".encode())


def test_a_json_line_has_what_the_event_carries() -> None:
    made = record(
        "Task %s", "done", task_id="4f", func="a.b", queue="q", worker="w", duration=1.5, other=1
    )
    made.created = 1795467600.1234

    assert json.loads(JsonFormatter().format(made)) == {
        "time": "2026-11-23T21:00:00.123Z",
        "level": "INFO",
        "logger": "redis_tasks.task",
        "message": "Task done",
        "task_id": "4f",
        "func": "a.b",
        "queue": "q",
        "worker": "w",
        "duration": 1.5,
    }


def test_a_json_line_has_the_traceback() -> None:
    error = raised(ValueError("wrong"))

    fields = json.loads(JsonFormatter().format(record("failed", error=error)))

    assert fields["message"] == "failed"
    assert fields["traceback"].startswith("Traceback (most recent call last):\n")
    assert fields["traceback"].endswith("ValueError: wrong\n")


def test_a_json_line_is_one_line_of_ascii_that_keeps_every_character() -> None:
    written = JsonFormatter().format(record("%s", HOSTILE))

    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written)["message"] == HOSTILE


def test_a_long_json_line_stays_json_and_keeps_what_matters() -> None:
    error = raised(ValueError("start" + "\x1b" * 20_000 + "the end"))

    written = JsonFormatter().format(
        record("begin%s", "é" * 20_000, error=error, task_id="4f", func="f" * 20_000)
    )

    assert len(written) < 9_999
    fields = json.loads(written)
    assert fields["task_id"] == "4f"
    assert fields["message"].startswith("begin")
    assert fields["traceback"].endswith("the end\n")


def test_an_exception_without_text_still_has_its_traceback_in_json() -> None:
    fields = json.loads(JsonFormatter().format(record("x", error=raised(UnshowableError()))))

    assert fields["traceback"].endswith("UnshowableError: <exception str() failed>\n")
