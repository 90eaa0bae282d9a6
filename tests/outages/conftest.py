"""A Redis of the test's own for the worker and the test alike."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_tasks.conf import connection, settings
from tests.conftest import StartServer
from tests.faults.conftest import within
from tests.support.redis_server import RedisServer

__all__ = ["within"]  # the same slack as in the fault matrix


@pytest.fixture
def server(settings_for_test: dict[str, Any], start_redis: StartServer) -> Iterator[RedisServer]:
    """A server that the test may stop, freeze, fill: settings name it, workers' ones too."""
    server = start_redis(aof=True)
    settings_for_test["REDIS_URL"] = server.url
    with settings.override(REDIS_URL=server.url):
        connection.reset()
        yield server
        connection.reset()
