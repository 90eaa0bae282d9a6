"""What the dashboard says when something is wrong."""

import threading
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from dashboard import create_app
from dashboard.access import Access
from redis_tasks import Queue, clock, keys, run_every
from redis_tasks.conf import connection, settings
from redis_tasks.record import Record
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Settlement
from redis_tasks.task import Task
from tests.conftest import StartServer, StartWorker, UseSettings
from tests.dashboard.conftest import ACT, Tasks
from tests.support.waiting import wait_until

LIMIT = 2.0  # seconds within which a page says that Redis is away
SCHEDULE = {"often": {"task": "demo.tasks.count_words", "schedule": run_every(seconds=20)}}


def problems(web: FlaskClient) -> list[tuple[str, str]]:
    """Return kind and subject of what the overview says."""
    found = web.get("/api/overview").json
    assert found is not None
    return [(problem["kind"], problem["subject"]) for problem in found["problems"]]


def silence(supervisor_id: str, seconds: float) -> None:
    """Let a supervisor have given its last sign of life some time ago."""
    now = clock.to_ms(clock.utcnow())
    connection.zadd(keys.workers(), {supervisor_id: now - int(seconds * 1000)})
    connection.hdel(keys.supervisor(supervisor_id), "seen")


def test_a_dead_worker_that_nobody_buried_does_not_count_as_live(
    web: FlaskClient, tasks: Tasks
) -> None:
    before = web.get("/health").status_code

    silence("s", settings.WORKER_HEARTBEAT_TIMEOUT + 1)

    workers = web.get("/api/workers").json
    assert before == 200
    assert web.get("/health").status_code == 503
    assert problems(web) == [("stuck", "alpha"), ("dead", "dyno.1")]
    assert workers is not None
    assert workers["dynos"][0]["is_dead"]
    assert {worker["state"] for worker in workers["dynos"][0]["workers"]} == {"dead"}
    assert 'redis_tasks_workers{state="dead"} 2.0' in web.get("/metrics").text
    assert "Dead" in web.get("/workers").text


def test_a_claim_is_a_sign_of_life(web: FlaskClient, tasks: Tasks) -> None:
    now = clock.to_ms(clock.utcnow())
    silence("s", settings.WORKER_HEARTBEAT_TIMEOUT + 1)

    connection.hset(keys.supervisor("s"), "seen", now)

    assert web.get("/health").status_code == 200


def test_a_schedule_that_nobody_keeps_is_a_problem(
    web: FlaskClient, use_settings: UseSettings
) -> None:
    before = problems(web)
    use_settings(SCHEDULE=SCHEDULE)

    assert before == []
    assert problems(web) == [("scheduler", "")]
    assert "No scheduler is alive" in web.get("/schedule").text


@pytest.mark.parametrize("rank", [-1e12 + 1, -1, 7], ids=["interrupted", "front", "back"])
def test_latency_is_that_of_the_oldest_task_wherever_it_stands(
    web: FlaskClient, rank: float
) -> None:
    others = {"interrupted": -1e12 + 5, "pushed to the front later": -3, "back": 9}
    now = clock.to_ms(clock.utcnow())
    for name, its_rank in {**others, "oldest": rank}.items():
        age = 100_000 if name == "oldest" else 1_000
        connection.hset(keys.task(name), mapping={"st": "queued", "q": "q", "enq": now - age})
        connection.zadd(keys.queue("q"), {name: its_rank})
    connection.sadd(keys.queues(), "q")

    found = web.get("/api/queues/q").json

    assert found is not None
    assert 99 < found["queue"]["latency"] < 110


def test_the_worker_of_an_interrupted_run_is_known_later(web: FlaskClient, tasks: Tasks) -> None:
    run = Settlement(tasks.running.id, "s#1", 1, "interrupt", "interrupted")
    client.run(scripts.settle([run]))
    client.run(scripts.retire("s"))
    connection.delete(keys.supervisor("s"))

    segments = _get(web, f"/api/tasks/{tasks.running.id}")["segments"]
    lanes = _get(web, "/api/history")["lanes"]

    interrupted = [part for part in segments if part["kind"] == "interrupted"]
    assert [part["worker"] for part in interrupted] == ["dyno.1#1"]
    assert "dyno.1#1" in [lane["name"] for lane in lanes]


def test_the_worker_of_a_run_has_its_name_while_its_record_is_kept(
    web: FlaskClient, tasks: Tasks
) -> None:
    client.run(scripts.retire("s"))

    found = _get(web, "/api/finished")["tasks"]["items"]

    assert [line["worker"] for line in found] == ["dyno.1#1"]


def test_the_names_of_interrupted_runs_cannot_forge_others() -> None:
    record = Task.from_record("t", {"cut": b"1000-2000-a-b#2,3000-4000-"})

    assert isinstance(record, Record)
    assert [worker for _, _, worker in record.aborted_on] == ["a-b#2", ""]
    assert len(record.aborted_runs) == 2


def test_a_worker_tells_how_much_memory_it_takes(
    web: FlaskClient, start_worker: StartWorker
) -> None:
    start_worker("--concurrency", "2")

    wait_until(lambda: _get(web, "/api/workers")["dynos"][0]["memory"], 15)

    memory = _get(web, "/api/workers")["dynos"][0]["memory"]
    assert 5e6 < memory < 1e9


def test_a_worker_whose_record_is_spoilt_is_passed_over(web: FlaskClient, tasks: Tasks) -> None:
    connection.hset(keys.supervisor("s"), mapping={"mem": "much", "seen": "now", "start": "x"})
    connection.set(keys.supervisor("t"), "no record")
    connection.zadd(keys.workers(), {"t": 1})

    assert web.get("/workers").status_code == 200
    assert len(_get(web, "/api/workers")["dynos"]) == 1


def test_redis_that_hangs_holds_up_no_page_for_long(
    start_redis: StartServer, use_settings: UseSettings
) -> None:
    server = start_redis()
    use_settings(REDIS_URL=server.url)
    web = create_app(Access.decided_elsewhere())
    assert web.test_client().get("/").status_code == 200
    took: list[tuple[int, float]] = []
    server.pause()

    def ask() -> None:
        begin = clock.boottime()
        status = web.test_client().get("/failed?text=x").status_code
        took.append((status, clock.boottime() - begin))

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()

    assert {status for status, _ in took} == {503}
    assert max(seconds for _, seconds in took) < LIMIT


def test_the_connections_of_the_app_around_it_stay_as_they_are(
    settings_for_test: dict[str, Any],
) -> None:
    before = connection.connection_pool
    web = create_app(Access.decided_elsewhere()).test_client()

    web.get("/")
    web.get("/schedule")

    assert connection.connection_pool is before
    names = [entry["name"] for entry in connection.client_list()]
    assert names.count("redis_tasks.dashboard") == 1


def test_a_connection_that_redis_closed_meanwhile_is_made_anew(
    web: FlaskClient, redis_client: "redis.Redis"
) -> None:
    web.get("/")
    for entry in redis_client.client_list():
        if entry["name"] == "redis_tasks.dashboard":
            redis_client.client_kill_filter(_id=entry["id"])

    assert web.get("/").status_code == 200


def _get(web: FlaskClient, path: str) -> Any:
    answer = web.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_what_waits_is_not_stuck_while_a_worker_serves_it(web: FlaskClient, tasks: Tasks) -> None:
    Queue("beta").enqueue_call(ACT, [["note", 1]])

    assert problems(web) == [("stuck", "beta")]


@pytest.mark.parametrize("path", ["/workers", "/api/workers"])
def test_an_error_of_its_own_is_a_page_with_all_headers(
    settings_for_test: dict[str, Any], path: str
) -> None:
    app = create_app(Access.decided_elsewhere())
    app.view_functions = dict.fromkeys(app.view_functions, _fail)

    answer = app.test_client().get(path)

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert ("could not be made" in answer.text) == (path == "/workers")


def _fail(**_: object) -> str:
    raise ValueError("secret")


def test_a_scheduler_that_leads_is_known(
    web: FlaskClient, use_settings: UseSettings, redis_client: "redis.Redis"
) -> None:
    use_settings(SCHEDULE=SCHEDULE)
    now = clock.to_ms(clock.utcnow())
    lead = {"id": "x", "desc": "scheduler.1", "since": now - 5000, "until": now + 60_000}
    redis_client.hset(keys.lead(), mapping=lead)  # type: ignore[arg-type]

    found = _get(web, "/api/schedule")["schedulers"]

    assert [(line["description"], line["is_leader"]) for line in found] == [("scheduler.1", True)]
    assert problems(web) == []
    assert "redis_tasks_scheduler_leads 1.0" in web.get("/metrics").text
