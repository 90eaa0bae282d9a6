"""Fixtures: the app, with tasks in every state that it can show."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_app
from dashboard.access import Access
from redis_tasks import Queue, Task
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Settlement
from tests.conftest import forget_connections

ACT = "tests.support.actions.act"
ERROR = 'Traceback (most recent call last):\n  File "acme.py", line 1, in f\nValueError: no'


@dataclass(frozen=True)
class Tasks:
    """One task in each state."""

    waiting: Task
    running: Task
    finished: Task
    failed: Task


@pytest.fixture
def app(settings_for_test: dict[str, Any]) -> Iterator[Flask]:
    """The dashboard as one that mounts it and has let everybody in."""
    yield create_app(Access.decided_elsewhere())
    forget_connections()


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def tasks(app: Flask) -> Tasks:
    """Four tasks of queue ``alpha``, which the two workers of a supervisor serve."""
    calls = [{"func": ACT, "args": [["note", number]]} for number in range(4)]
    finished, failed, running, waiting = Queue("alpha").enqueue_many(calls)
    client.run(scripts.register("s", "dyno.1", ["alpha"], 2))
    client.run(scripts.claim("s", 1, ["alpha"], ["s#1", "s#2"]))
    settle(finished, "s#1", "finish")
    settle(failed, "s#2", "fail", ERROR)
    client.run(scripts.claim("s", 2, ["alpha"], ["s#1"]))
    return Tasks(waiting, running, finished, failed)


def settle(task: Task, worker: str, move: str, text: str = "") -> None:
    settlement = Settlement(task.id, worker, 1, move, "exception" if text else "", text)
    client.run(scripts.settle([settlement]))
