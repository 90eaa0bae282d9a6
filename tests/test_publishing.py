"""Integrations may send headers along with tasks; users see nothing of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from redis_tasks import Queue, Task, keys, publishing
from redis_tasks.conf import connection
from tests.conftest import StartWorker
from tests.support.actions import act
from tests.support.ledger import Ledger

TRACE = {"traceparent": "00-1-2-01"}


@pytest.fixture
def published() -> Iterator[list[tuple[str, int]]]:
    """Sends the header along; what was published is in the list."""
    told: list[tuple[str, int]] = []

    @contextmanager
    def publish(queue: str, tasks: Sequence[Task]) -> Iterator[None]:
        publishing.attach(TRACE, tasks)
        yield
        told.append((queue, len(tasks)))

    publishing.publishers.append(publish)
    yield told
    publishing.publishers.remove(publish)


def test_headers_go_with_every_way_of_enqueueing(
    settings_for_test: object, published: list[tuple[str, int]]
) -> None:
    queue = Queue("mail")
    queue.enqueue_call(act)
    queue.push(Task(act), at_front=True)
    queue.enqueue_many([{"func": act}] * 3)
    with connection.pipeline() as pipeline:
        queue.enqueue_call(act, pipeline=pipeline)
        pipeline.execute()

    tasks = queue.get_tasks()

    assert [task.headers for task in tasks] == [TRACE] * 6
    assert published == [("mail", 1), ("mail", 1), ("mail", 3), ("mail", 1)]


def test_headers_are_not_a_part_of_meta_and_outlive_what_is_saved_there(
    start_worker: StartWorker, ledger: Ledger, published: object
) -> None:
    task = Queue().enqueue_call(act, [["save_meta", "note", 7]])
    assert Task.fetch(task.id).meta == {}
    start_worker("--burst").wait_exit(20)

    task = Task.fetch(task.id)
    assert (task.meta, task.headers) == ({"note": 7}, TRACE)
    task.meta = {}
    task.save_meta()
    assert Task.fetch(task.id).headers == TRACE


def test_without_an_integration_nothing_is_added(settings_for_test: object) -> None:
    task = Queue().enqueue_call(act)

    assert task.headers == {}
    assert connection.hget(keys.task(task.id), "meta") is None


def test_two_integrations_share_the_baggage(settings_for_test: object) -> None:
    task = Task(act)

    publishing.attach({"baggage": "a=1"}, [task])
    publishing.attach({"baggage": "b=2"}, [task])
    publishing.attach({"baggage": "c=" + 2048 * "x", "huge": 2049 * "x"}, [task])

    assert task.headers == {"baggage": "a=1,b=2"}


@pytest.mark.parametrize(
    "meta", ['{"redis_tasks.headers":[1]}', '{"redis_tasks.headers":{"a":1}}', "[", "[1]"]
)
def test_headers_that_nobody_has_written_are_none(settings_for_test: object, meta: str) -> None:
    task = Queue().enqueue_call(act)
    connection.hset(keys.task(task.id), "meta", meta)

    assert Task.fetch(task.id).headers == {}
