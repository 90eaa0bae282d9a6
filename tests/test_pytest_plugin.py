"""The pytest plugin, in suites of others."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.worker_process import ROOT

pytest_plugins = ["pytester"]

SHOP = """
from redis_tasks import Queue, redis_task

sent = []

@redis_task()
def send(order):
    if order < 0:
        raise ValueError(f"no such order: {order}")
    sent.append(order)

@redis_task()
def send_twice(order):
    for _ in range(2):
        Queue("mail").enqueue_call(send, [order])
    sent.append("two more")
"""

SUITE = """
import pytest
import shop
from redis_tasks import Queue
from redis_tasks.conf import settings

prefixes = set()

@pytest.fixture(autouse=True)
def _note(redis_tasks_worker):
    shop.sent.clear()
    prefixes.add(settings.REDIS_PREFIX)

def test_drain(redis_tasks_worker):
    Queue().enqueue_call(shop.send_twice, [7])
    assert shop.sent == []
    assert redis_tasks_worker.drain() == 3
    assert shop.sent == ["two more", 7, 7]
    assert len(redis_tasks_worker.succeeded) == 3
    assert redis_tasks_worker.drain() == 0

def test_drain_of_one_queue(redis_tasks_worker):
    Queue().enqueue_call(shop.send_twice, [7])
    assert redis_tasks_worker.drain("default") == 1
    assert Queue("mail").count() == 2

def test_failure(redis_tasks_worker):
    Queue().enqueue_call(shop.send, [-1])
    with pytest.raises(RuntimeError, match="no such order"):
        redis_tasks_worker.drain()
    Queue().enqueue_call(shop.send, [-2])
    redis_tasks_worker.drain(raise_on_failure=False)
    assert [task.args for task in redis_tasks_worker.failed] == [(-1,), (-2,)]

def test_eager(redis_tasks_worker):
    redis_tasks_worker.eager()
    task = Queue().enqueue_call(shop.send_twice, [7])
    assert shop.sent == ["two more", 7, 7]
    task.refresh()
    assert task.status == "finished"
    with pytest.raises(RuntimeError, match="no such order"):
        Queue().enqueue_call(shop.send, [-1])

def test_eager_is_over(redis_tasks_worker):
    Queue().enqueue_call(shop.send, [7])
    assert shop.sent == []

def test_prefixes_differ():
    assert len(prefixes) == 6
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(pytester.path)]))
    monkeypatch.setenv("RT_SETTINGS_MODULE", "shop_settings")
    pytester.makepyfile(shop=SHOP)
    pytester.makepyfile(shop_settings="REDIS_URL = 'redis://127.0.0.1:1'")
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> Any:
    # Plugins that are there for other tests take seconds at each start.
    unneeded = [f"-pno:{name}" for name in ("cacheprovider", "schemathesis", "hypothesispytest")]
    return suite.runpytest_subprocess("-W", "error", *unneeded, *arguments, timeout=60)


def test_a_suite_drains_its_queues_or_runs_tasks_at_once_and_leaves_nothing(
    suite: pytest.Pytester, redis_url: str, redis_client: "redis.Redis"
) -> None:
    suite.makepyfile(shop_settings=f"REDIS_URL = {redis_url!r}; REDIS_PREFIX = 'shop[1]*'")
    redis_client.set("shop[1]*:own", "kept")
    suite.makepyfile(SUITE)

    run(suite).assert_outcomes(passed=6)

    assert redis_client.keys("*") == [b"shop[1]*:own"]


def test_a_suite_that_does_not_ask_for_it_does_not_load_redis_tasks(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        "import sys\n"
        "def test_it():\n"
        "    assert 'pytest_redis_tasks' in sys.modules\n"
        "    assert not {'redis', 'redis_tasks'} & set(sys.modules)\n"
    )

    run(suite).assert_outcomes(passed=1)


def test_a_redis_that_is_away_is_a_clear_error(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_it(redis_tasks_worker): pass")

    result = run(suite)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*needs a Redis at redis://127.0.0.1:1 (the setting REDIS_URL)*"])


def test_missing_settings_are_a_clear_error(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RT_SETTINGS_MODULE")
    suite.makepyfile("def test_it(redis_tasks_worker): pass")

    result = run(suite)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*redis_tasks_worker cannot know your Redis: *no settings*"])


def test_the_fixture_is_listed_with_its_description(suite: pytest.Pytester) -> None:
    text = run(suite, "--fixtures").stdout.str()

    assert re.search(r"redis_tasks_worker.*\n +Give a worker without processes", text)


def test_the_plugin_is_one_file_beside_the_package() -> None:
    assert Path(sys.modules["pytest_redis_tasks"].__file__ or "") == ROOT / "pytest_redis_tasks.py"
