import logging
from typing import Any

import pytest
import redis

from redis_tasks import DeserializationError, Queue, Task, redis_task
from redis_tasks.description import describe, secret_places
from tests.support.actions import act
from tests.support.foreign_record import store
from tests.support.hand_worker import HandWorker

pytestmark = pytest.mark.usefixtures("settings_for_test")

ACT = "tests.support.actions.act"


@redis_task(secret_args=["password", "pins", "more"])
def log_in(user: str, password: str, *pins: int, retries: int = 0, **more: str) -> None:
    """A task with secrets of every kind."""


@redis_task(secret_args=["token"])
def send(token: str, text: str) -> None:
    """A task with one secret."""


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, ""),
        ((1, "it's"), {"key": None}, '1, "it\'s", key=None'),
        (("ü",), {"not a name": (1,)}, "'ü', 'not a name'=(1,)"),
        (("line\nend\x1b",), {}, r"'line\nend\x1b'"),
    ],
)
def test_a_description_is_the_call_in_words(
    args: tuple[Any, ...], kwargs: dict[str, Any], words: str
) -> None:
    task = Task(act, args, kwargs)

    assert task.description == f"{ACT}({words})"


def test_a_description_has_at_most_a_kibibyte() -> None:
    task = Task(act, ["ü" * 2000])

    assert 1000 < len(task.description.encode()) <= 1024
    assert task.description.endswith("ü...")


def test_a_finished_task_shows_the_beginning_of_long_arguments() -> None:
    Queue().enqueue_call(act, ["x" * 5000])

    task = HandWorker().run()

    assert task.is_shortened
    assert task.description.startswith(f'{ACT}(<arguments cut to 1 KiB: [["xxx')
    with pytest.raises(DeserializationError, match="only the beginning"):
        _ = task.args


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        (("joe", "hush"), {}, "'joe', '[redacted]'"),
        (("joe",), {"password": "hush"}, "'joe', password='[redacted]'"),
        (("joe", "hush", 11, 22), {}, "'joe', '[redacted]', '[redacted]', '[redacted]'"),
        (("joe",), {"retries": 3, "color": "hush"}, "'joe', retries=3, color='[redacted]'"),
    ],
)
def test_secret_arguments_are_shown_to_nobody(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    task = Queue().enqueue_call(log_in, args, kwargs)
    fetched = Task.fetch(task.id)

    assert task.description == fetched.description == f"tests.test_descriptions.log_in({words})"
    assert fetched.args == args
    assert "hush" not in caplog.text


def test_secrets_stay_secret_where_the_function_is_unknown(redis_client: "redis.Redis") -> None:
    task = store(redis_client, fn="elsewhere.send", args='[["hush","hello"],{}]', sec="[0]")

    assert task.description == "elsewhere.send('[redacted]', 'hello')"


def test_cut_arguments_with_a_secret_are_not_shown_at_all() -> None:
    Queue().enqueue_call(send, ["hush", "x" * 5000])

    task = HandWorker().run()

    assert task.description == "tests.test_descriptions.send(<arguments cut to 1 KiB>)"


@pytest.mark.parametrize("spoilt", ["null", "{}", "[1.5]", "no json"])
def test_a_spoilt_list_of_secrets_hides_everything(
    spoilt: str, redis_client: "redis.Redis"
) -> None:
    task = store(redis_client, fn="f.g", args='[["a"],{"key":"b"}]', sec=spoilt)

    assert task.description == "f.g('[redacted]', key='[redacted]')"


def test_all_arguments_are_secret_where_the_parameters_cannot_be_told() -> None:
    places = secret_places(min, ["token"], 1, {"key": 2})

    assert describe("f.g", [1], {"key": 2}, places) == "f.g('[redacted]', key='[redacted]')"
