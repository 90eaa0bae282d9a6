import gc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis
from flask import url_for
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from dashboard import create_app, shapes, task_shapes
from dashboard.access import Access
from dashboard.queries_lists import MOST_QUEUES
from dashboard.queries_registry import FAN_OUT
from dashboard.shapes import WINDOW
from redis_tasks import clock, keys
from redis_tasks.conf import connection
from redis_tasks.contrib.graph import chain
from tests.conftest import StartServer, UseSettings
from tests.dashboard.conftest import Tasks
from tests.dashboard.test_access import addresses
from tests.dashboard.test_trouble import SCHEDULE
from tests.support import huge_redis
from tests.support.actions import act
from tests.support.redis_server import RedisServer

READING = {
    *("get", "hget", "hgetall", "hmget", "hstrlen", "memory|usage", "mget", "smembers", "time"),
    *("lindex", "llen", "lrange", "zcard", "zcount", "zrange", "zscore"),
}
PATHS = (
    *("/", "/?span=week", "/running", "/finished", "/failed", "/failed?page=180", "/workers"),
    *("/queue/big", "/queue/big?page=150", "/queue/big?text=9", "/queue/big?since=1h"),
    *("/failed?text=timeout", "/failed?queue=big", "/failed?group=x", "/failed?since=1h"),
    *("/history?last=7d", "/schedule", "/api/failed?size=100", "/metrics"),
)


@pytest.fixture
def reader(
    redis_client: "redis.Redis", redis_server: RedisServer, use_settings: UseSettings
) -> Iterator[str]:
    """Connect as a user that may only read; yields its name."""
    name, rights = "reader", ("+@read", "+@connection", "+time", "+info")
    redis_client.execute_command(
        "ACL", "SETUSER", name, "on", ">secret", f"%R~{keys.prefix()}*", *rights
    )
    yield f"unix://{name}:secret@{redis_server.socket}"
    redis_client.execute_command("ACL", "DELUSER", name)


def test_the_right_to_read_is_enough_for_every_route(
    tasks: Tasks, reader: str, use_settings: UseSettings, redis_client: "redis.Redis"
) -> None:
    graph = chain([{"func": act, "args": [["note", 1]], "queue": "alpha"}])
    graph.enqueue()
    redis_client.execute_command("ACL", "LOG", "RESET")
    use_settings(REDIS_URL=reader, SCHEDULE=SCHEDULE)
    web = create_app(Access.decided_elsewhere()).test_client()
    found = [
        *(address for _, address in addresses(web.application, tasks.failed.id, str(graph.id))),
        *("/failed?text=act", "/queue/alpha?text=act", "/history?by=function", "/?span=week"),
        *(f"/task/{task.id}" for task in (tasks.waiting, tasks.running, tasks.finished)),
    ]

    statuses = {}
    for address in found:
        with web.get(address) as answer:
            statuses[address] = answer.status_code

    assert {path: status for path, status in statuses.items() if status != 200} == {
        "/api/x": 404,
        f"/api/tasks/{tasks.failed.id}/meta": 404,
    }
    assert redis_client.execute_command("ACL", "LOG") == []
    with pytest.raises(redis.exceptions.NoPermissionError):
        connection.set(f"{keys.prefix()}x", 1)


def test_a_process_holds_at_most_two_connections(web: FlaskClient, tasks: Tasks) -> None:
    for path in ("/api/overview", "/api/failed", "/metrics", "/"):
        web.get(path)

    names = [entry["name"] for entry in connection.client_list()]
    assert 1 <= names.count("redis_tasks.dashboard") <= 2


def test_a_huge_foreign_record_is_not_loaded(web: FlaskClient, tasks: Tasks) -> None:
    connection.hset(keys.task(tasks.failed.id), "args", b"x" * 10_000_000)
    before = connection.info("stats")["total_net_output_bytes"]

    for path in ("/api/failed", "/failed", f"/api/tasks/{tasks.failed.id}", "/failed?text=act"):
        assert web.get(path).status_code == 200

    assert connection.info("stats")["total_net_output_bytes"] - before < 500_000


@pytest.mark.parametrize("field", ["fn", "q", "w", "err", "meta", "gist", "sec", "cut", "enq"])
@pytest.mark.parametrize("value", [b"\xff\xfe", b"", b"9" * 400, "<script>\u2028".encode()])
def test_no_record_breaks_a_page(web: FlaskClient, tasks: Tasks, field: str, value: bytes) -> None:
    for task in (tasks.waiting, tasks.running, tasks.finished, tasks.failed):
        connection.hset(keys.task(task.id), field, value)

    for path in (
        "overview",
        "queues/alpha",
        "running",
        "finished",
        "failed",
        "history",
        "workers",
    ):
        assert web.get(f"/api/{path}").status_code == 200, path
    assert web.get(f"/task/{tasks.failed.id}").status_code == 200


def test_what_a_page_asks_does_not_grow_with_what_there_is(
    start_redis: StartServer, use_settings: UseSettings
) -> None:
    server = start_redis()
    use_settings(REDIS_URL=server.url)
    web = create_app(Access.decided_elsewhere()).test_client()
    with server.client() as redis_client:
        huge_redis.add(redis_client, WINDOW + 1000, WINDOW + 1000)
        some = {path: asked(web, redis_client, path) for path in PATHS}
        huge_redis.add(redis_client, 4 * WINDOW, 4 * WINDOW)
        more = {path: asked(web, redis_client, path) for path in PATHS}

    for path in PATHS:
        # A search among the ends of tasks takes a step more for 64 times as many.
        assert some[path].trips <= more[path].trips <= some[path].trips + 1 < 20, path
        for name in some[path].commands | more[path].commands:
            before, after = (found[path].commands.get(name, 0) for found in (some, more))
            assert before == after or (name == "lindex" and abs(before - after) < FAN_OUT)
        assert set(some[path].commands) <= READING, path
        assert more[path].bytes < 1.1 * some[path].bytes + 1000, path
    page = web.get("/queue/big").text
    assert f"{4 * WINDOW:,}" in page


@pytest.mark.parametrize("task_id", ["a-plain-one", "a/b c", "..", "50%", '"><b>', "\u202e"])
def test_a_bar_of_the_history_leads_to_its_task(web: FlaskClient, task_id: str) -> None:
    ended = clock.to_ms(clock.utcnow()) - 1000
    run = {"st": "finished", "q": "q", "fn": "f", "start": ended - 60_000, "end": ended}
    connection.hset(keys.task(task_id), mapping=run)
    connection.rpush(keys.registry(keys.FINISHED), f"{ended} {task_id}")

    page = web.get("/history", environ_overrides={"SCRIPT_NAME": "/tools"}).text

    with web.application.test_request_context(environ_overrides={"SCRIPT_NAME": "/tools"}):
        address = url_for("pages.task", task_id=task_id)
    assert f'<a href="{address}"' in page


@pytest.fixture
def collections() -> Iterator[Callable[[], int]]:
    """Count collections of garbage, of which there is one for some hundred new containers."""
    begun: list[str] = []

    def count(phase: str, _: dict[str, int]) -> None:
        begun.extend([phase] if phase == "start" else [])

    before = gc.get_threshold()
    gc.set_threshold(500, *before[1:])
    gc.callbacks.append(count)
    yield lambda: len(begun)
    gc.callbacks.remove(count)
    gc.set_threshold(*before)


@pytest.mark.parametrize("wanted", ["function=shop", "queue=big", "text=no+such", "group=x"])
def test_what_a_filter_looks_at_leaves_no_garbage(
    wanted: str,
    web: FlaskClient,
    redis_client: "redis.Redis",
    collections: Callable[[], int],
) -> None:
    made = []
    for number in (100, WINDOW):
        huge_redis.add(redis_client, 0, number)
        web.get(f"/failed?{wanted}")
        before = collections()
        web.get(f"/failed?{wanted}")
        made.append(collections() - before)

    assert made[1] <= made[0] + 2, made


@pytest.fixture
def without_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_nothing_that_a_page_shows_stays_in_memory(
    tasks: Tasks, web: FlaskClient, without_collections: None
) -> None:
    paths = ("/", "/queue/alpha", "/failed", f"/task/{tasks.failed.id}", "/workers", "/history")
    for path in paths:
        web.get(path)
    before = shown_in_memory()

    for path in paths:
        web.get(path)

    assert shown_in_memory() == before


def shown_in_memory() -> Counter[str]:
    """Return how many of the values that pages show there are, by class."""
    kinds = [type(found) for found in gc.get_objects()]
    modules = (shapes.__name__, task_shapes.__name__)
    return Counter(kind.__name__ for kind in kinds if kind.__module__ in modules)


@dataclass(frozen=True)
class Asked:
    """What Redis was asked for a page: round trips, how often each command, bytes of replies."""

    trips: int
    commands: dict[str, int]
    bytes: int


def asked(web: FlaskClient, redis_client: "redis.Redis", path: str) -> Asked:
    web.get(path)  # the first one connects
    redis_client.config_resetstat()
    answer = web.get(path)
    stats = redis_client.info("commandstats")
    size = redis_client.info("stats")["total_net_output_bytes"]
    assert answer.status_code == 200, path
    trips = answer.headers["Server-Timing"].partition('desc="')[2].partition(" ")[0]
    calls = {name.removeprefix("cmdstat_"): found["calls"] for name, found in stats.items()}
    ours = {name: n for name, n in calls.items() if name not in ("info", "config|resetstat")}
    return Asked(int(trips), ours, size)


def test_the_queues_that_are_shown_are_bounded(web: FlaskClient) -> None:
    connection.sadd(keys.queues(), *(f"q{number}" for number in range(MOST_QUEUES + 50)))
    connection.zadd(keys.queue("q249"), {"t": 1})

    found = web.get("/api/overview").json
    families = {f.name: f for f in text_string_to_metric_families(web.get("/metrics").text)}

    assert found is not None
    assert len(found["queues"]) == MOST_QUEUES
    assert "q249" in [queue["name"] for queue in found["queues"]]
    assert found["queues_left_out"] == 50
    assert "50 queues with fewer tasks are not shown" in web.get("/").text
    assert len(families["redis_tasks_queue_waiting"].samples) == MOST_QUEUES
