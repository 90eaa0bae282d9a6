import html
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

from dashboard import create_app
from dashboard.access import Access
from dashboard.api_parameters import LONGEST
from redis_tasks import Queue, clock, keys
from redis_tasks.conf import connection
from redis_tasks.store import client, scripts
from tests.dashboard.conftest import ACT, Tasks
from tests.support import hostile
from tests.support.redis_server import RedisServer

FEW = hypothesis_settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def get(web: FlaskClient, path: str) -> Any:
    answer = web.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_its_document_is_one_of_openapi(web: FlaskClient) -> None:
    validate(get(web, "/api/openapi.json"))


def test_it_keeps_to_its_document(app: Flask, tasks: Tasks) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app)

    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]

        @FEW
        @given(case=operation.as_strategy())
        def keeps_to_it(case: Any) -> None:
            case.call_and_validate()

        keeps_to_it()


def test_the_overview_counts_everything(web: FlaskClient, tasks: Tasks) -> None:
    found = get(web, "/api/overview")

    assert found["totals"]["waiting"] == 1
    assert found["totals"]["running"] == 1
    assert found["totals"]["failed_last_hour"] == found["totals"]["failed"] == 1
    assert found["totals"]["finished_last_hour"] == found["totals"]["finished"] == 1
    assert [queue["name"] for queue in found["queues"]] == ["alpha"]
    assert found["queues"][0]["workers"] == 2
    assert found["problems"] == []
    assert [group["error_line"] for group in found["groups"]] == ["ValueError: no"]


@pytest.mark.parametrize("state", ["waiting", "running", "finished", "failed"])
def test_a_task_is_found_in_its_list_and_by_itself(
    web: FlaskClient, tasks: Tasks, state: str
) -> None:
    task = getattr(tasks, state)
    path = {"waiting": "queues/alpha"}.get(state, state)

    listed = get(web, f"/api/{path}")["tasks"]["items"]
    alone = get(web, f"/api/tasks/{task.id}")

    assert [line["id"] for line in listed] == [task.id]
    assert alone["task"] == listed[0] | {
        "position": None,
        **{name: alone["task"][name] for name in ("waited", "ran", "left")},
    }
    assert alone["task"]["call"]["shown"].startswith(f"{ACT}(")
    assert alone["segments"]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("function=tests.support", 1),
        ("function=other", 0),
        ("text=VALUEERROR", 1),
        ("text=nothing", 0),
        ("queue=alpha", 1),
        ("queue=beta", 0),
        ("since=2000-01-01T00:00:00Z", 1),
        ("until=2000-01-01T00:00:00Z", 0),
        ("group=nothing", 0),
    ],
)
def test_a_filter_says_how_many_it_looked_at(
    web: FlaskClient, tasks: Tasks, query: str, number: int
) -> None:
    found = get(web, f"/api/failed?{query}")["tasks"]

    assert found["total"] == len(found["items"]) == number
    assert found["scanned"] == (None if "=2000" in query else 1)
    assert found["is_complete"]


def test_a_group_of_failures_leads_to_its_tasks(web: FlaskClient, tasks: Tasks) -> None:
    group = get(web, "/api/failed")["groups"]["items"][0]

    found = get(web, f"/api/failed?group={group['id']}")

    assert group["count"] == group["sparkline"][-1] == 1
    assert group["task_ids"] == [tasks.failed.id]
    assert found["group"]["id"] == group["id"]
    assert [line["id"] for line in found["tasks"]["items"]] == [tasks.failed.id]


def test_long_arguments_are_cut_and_whole_one_click_away(web: FlaskClient) -> None:
    letters = "abcdefghij" * 30_000
    task = Queue("long").enqueue_call(ACT, [["note", letters]])

    (line,) = get(web, "/api/queues/long")["tasks"]["items"]
    page = get(web, f"/api/tasks/{task.id}")
    whole = get(web, f"/api/tasks/{task.id}/arguments")
    text = web.get(f"/task/{task.id}/arguments").text

    assert line["call"]["shown"] == f"{ACT}(<300 kB of arguments>)"
    assert page["arguments"]["is_cut"]
    assert len(page["arguments"]["shown"]) == 2048
    assert page["arguments"]["size"] == whole["size"] == len(text) > 300_000
    assert letters in text
    assert not whole["is_cut"]
    assert "Show all of it" in web.get(f"/task/{task.id}").text


def test_secret_arguments_stay_secret_in_whole_texts(web: FlaskClient, tasks: Tasks) -> None:
    connection.hset(keys.task(tasks.waiting.id), "sec", "[0]")

    texts = [
        web.get(f"{path}/{tasks.waiting.id}{part}").text
        for path in ("/task", "/api/tasks")
        for part in ("", "/arguments")
    ]

    assert all("[redacted]" in text for text in texts)
    assert not any("'note', 3" in html.unescape(text) for text in texts)
    assert "shown to nobody" in texts[0]


@pytest.mark.parametrize(
    "path",
    [
        "/api/failed?page=0",
        "/api/failed?size=101",
        "/api/failed?since=yesterday",
        "/api/failed?colour=red",
        "/api/overview?span=year",
        "/api/history?by=queue",
    ],
)
def test_a_wrong_parameter_is_named(web: FlaskClient, path: str) -> None:
    answer = web.get(path)

    assert answer.status_code == 400
    assert answer.json is not None
    assert path.partition("?")[2].partition("=")[0] in answer.json["error"]


def test_a_page_beyond_the_last_is_the_last(web: FlaskClient, app: Flask) -> None:
    queue = Queue("long")
    queue.enqueue_many([{"func": ACT, "args": [["note", n]]} for n in range(250)])

    found = get(web, "/api/queues/long?page=9&size=100")["tasks"]

    assert (found["number"], found["total"], len(found["items"])) == (3, 250, 50)
    assert [line["position"] for line in found["items"]] == list(range(201, 251))


def test_the_history_has_a_lane_a_worker_or_a_function(web: FlaskClient, tasks: Tasks) -> None:
    by_worker = get(web, "/api/history")["lanes"]
    by_function = get(web, "/api/history?by=function")["lanes"]

    assert [lane["name"] for lane in by_worker] == ["dyno.1#1", "dyno.1#2"]
    assert [lane["name"] for lane in by_function] == [ACT]
    assert [bar["status"] for bar in by_worker[0]["bars"]] == ["finished", "running"]


def test_metrics_are_in_the_format_of_prometheus(web: FlaskClient, tasks: Tasks) -> None:
    families = {f.name: f for f in text_string_to_metric_families(web.get("/metrics").text)}

    values = {
        sample.labels["outcome"]: sample.value
        for sample in families["redis_tasks_tasks"].samples
        if sample.name.endswith("_total")
    }
    waits = [s for s in families["redis_tasks_wait_seconds"].samples if s.name.endswith("_count")]
    assert values == {"enqueued": 4, "finished": 1, "failed": 1, "requeued": 0}
    assert [sample.value for sample in waits] == [2]
    assert families["redis_tasks_queue_waiting"].samples[0].value == 1
    workers = {s.labels["state"]: s.value for s in families["redis_tasks_workers"].samples}
    assert workers == {"idle": 1, "busy": 1, "dead": 0}


def test_metrics_can_be_parsed_whatever_queues_are_called(web: FlaskClient) -> None:
    for number, payload in enumerate(hostile.PAYLOADS):
        hostile.plant(number, payload)

    families = {f.name: f for f in text_string_to_metric_families(web.get("/metrics").text)}

    samples = families["redis_tasks_queue_waiting"].samples
    assert {sample.labels["queue"] for sample in samples} == set(hostile.PAYLOADS)
    assert all(sample.value == 1 for sample in samples)


def test_health_is_red_where_tasks_wait_for_nobody(web: FlaskClient, tasks: Tasks) -> None:
    before = web.get("/health")
    Queue("beta").enqueue_call(ACT, [["note", 1]])
    after = web.get("/health")
    client.run(scripts.register("t", "dyno.2", ["beta"], 1))
    served = web.get("/health")

    assert [answer.status_code for answer in (before, after, served)] == [200, 503, 200]
    assert after.text == "unwell\n"


def test_a_redis_that_is_away_is_told_of_within_two_seconds(
    start_redis: Any, use_settings: Any
) -> None:
    server: RedisServer = start_redis()
    use_settings(REDIS_URL=server.url)
    web = create_app(Access.decided_elsewhere()).test_client()
    assert web.get("/api/workers").status_code == 200

    for way in (server.pause, server.kill):
        way()
        for path in ("/api/overview", "/health", "/metrics", "/", "/failed"):
            begin = clock.boottime()
            answer = web.get(path)
            took = timedelta(seconds=clock.boottime() - begin)

            assert answer.status_code == 503
            assert took < timedelta(seconds=2.5)
    away = web.get("/api/overview").json
    server.restart()

    assert away is not None
    assert away["last_answer"] is not None
    assert web.get("/api/workers").status_code == 200


def test_the_longest_filter_fits_into_an_address(web: FlaskClient) -> None:
    query = {name: "\U0001f40d" * longest for name, longest in LONGEST.items()}
    query |= dict.fromkeys(("since", "until"), "2030-01-31T12:00:00.123456+02:00")

    answer = web.get("/api/failed", query_string={**query, "page": "1000000", "size": "100"})

    assert answer.status_code == 200
    assert len(answer.request.url) + 100 < 8190
