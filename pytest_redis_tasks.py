"""Offer ``redis_tasks_worker`` to the test-suites of applications.

pytest loads this module into every session of an environment in which redis_tasks is installed, so
it stands outside of the package: nothing of redis_tasks is imported until a test asks for it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from redis_tasks.contrib.pytest import DrainingWorker


@pytest.fixture
def redis_tasks_worker() -> Iterator["DrainingWorker"]:
    """Give a worker without processes, with queues of the test's own, deleted after it."""
    from redis_tasks.contrib.pytest import own_worker

    with own_worker() as worker:
        yield worker
