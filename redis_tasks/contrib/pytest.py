"""Run the tasks of a test that asks for the fixture ``redis_tasks_worker``."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from redis.exceptions import RedisError

from redis_tasks import hooks
from redis_tasks.conf import connection, redacted_url, settings, without_password
from redis_tasks.exceptions import SettingsError
from redis_tasks.queue import Queue
from redis_tasks.task import Task
from redis_tasks.testing import TWorker

BATCH = 500  # keys that are deleted at a time
SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\*?[]^-"})


class DrainingWorker:
    """Runs tasks in the test's process: when it is asked to, or as soon as they are enqueued.

    ``succeeded`` and ``failed`` list the tasks that it has run, in this order.
    """

    def __init__(self) -> None:
        self.succeeded: list[Task] = []
        self.failed: list[Task] = []
        self._is_running = False

    def drain(self, *queues: str, raise_on_failure: bool = True) -> int:
        """Run what waits in *queues* (none named: in all), and what that enqueues in them.

        Returns how many tasks it ran. Raises ``RuntimeError`` with the task's traceback at the
        first failure, unless told not to.
        """
        count = 0
        while ran := self._pass(queues, raise_on_failure=raise_on_failure):
            count += ran
        return count

    def eager(self, *, raise_on_failure: bool = True) -> None:
        """From now on run each task as it is enqueued, before the call that enqueues it returns.

        What a task enqueues runs after it. Tasks sent by a pipeline wait for ``drain()``.
        """

        def run_now(_queue: str) -> None:
            if not self._is_running:
                self.drain(raise_on_failure=raise_on_failure)

        hooks.enqueued = run_now

    def _pass(self, queues: tuple[str, ...], *, raise_on_failure: bool) -> int:
        names = queues or tuple(queue.name for queue in Queue.all())
        if not names:
            return 0
        worker = TWorker(names)
        self._is_running = True
        try:
            return worker.run(raise_on_failure)
        finally:
            self._is_running = False
            self.succeeded += worker.succeeded
            self.failed += worker.failed


@contextmanager
def own_worker() -> Iterator[DrainingWorker]:
    """Give a worker, and a prefix of its own to all keys, which are deleted at the end."""
    prefix = _prefix()
    with settings.override(REDIS_PREFIX=prefix):
        _reach()
        try:
            yield DrainingWorker()
        finally:
            hooks.enqueued = None
            _delete_keys(prefix)
            connection.reset()


def _prefix() -> str:
    try:
        return f"{settings.REDIS_PREFIX}-test-{uuid4().hex[:12]}"
    except SettingsError as error:
        return pytest.fail(f"redis_tasks_worker cannot know your Redis: {error}", pytrace=False)


def _reach() -> None:
    try:
        connection.ping()
    except (RedisError, OSError) as error:
        url, why = redacted_url(settings.REDIS_URL), without_password(str(error))
        pytest.fail(
            f"redis_tasks_worker needs a Redis at {url} (the setting REDIS_URL): {why}",
            pytrace=False,
        )


def _delete_keys(prefix: str) -> None:
    pattern = prefix.translate(SPECIAL) + ":*"
    batch: list[bytes] = []
    for key in connection.scan_iter(pattern, count=BATCH):
        batch.append(key)
        if len(batch) == BATCH:
            connection.unlink(*batch)
            batch.clear()
    if batch:
        connection.unlink(*batch)
