"""The doctor finds each fault, and says which of them are reasons to refuse a release."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from redis_tasks import Queue, app_checks, doctor, keys
from redis_tasks.finding import ERROR, OK, WARNING, Finding
from redis_tasks.schedules import crontab
from tests.conftest import Run, StartServer, UseSettings, WriteModule
from tests.support.actions import act
from tests.support.certificates import Certificates
from tests.support.hand_worker import HandWorker
from tests.support.redis_server import RedisServer
from tests.support.tls_server import TlsServer


def told(result: Result) -> dict[str, dict[str, str]]:
    """Return the findings of `doctor --json` by their names, of each name the last one."""
    return {finding["name"]: finding for finding in json.loads(result.output)["findings"]}


@pytest.fixture
def server(start_redis: StartServer, use_settings: UseSettings) -> RedisServer:
    """A server without faults, which the settings name."""
    started = start_redis(aof=True)
    use_settings(REDIS_URL=started.url)
    return started


def configure(server: RedisServer, **values: str) -> None:
    with server.client() as client:
        for name, value in values.items():
            client.config_set(name.replace("_", "-"), value)


def test_a_healthy_app_has_a_line_for_each_check_and_ends_with_0(
    server: RedisServer, run: Run
) -> None:
    result = run("doctor")

    lines = [line.split()[:2] for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert lines == [
        ["ok", name]
        for name in (
            *("settings", "code", "schedule", "tls", "redis", "version", "role", "persistence"),
            *("eviction", "memory", "connections", "clock", "workers", "tasks"),
        )
    ]


def test_json_has_the_worst_level_and_everything_that_lines_have(
    server: RedisServer, run: Run
) -> None:
    configure(server, maxmemory_policy="volatile-lru")

    result = run("doctor", "--json")

    assert result.exit_code == 0
    assert json.loads(result.output)["level"] == "warning"
    assert set(told(result)["eviction"]) == {"name", "level", "text", "advice"}


@pytest.mark.parametrize(
    ("fault", "name", "level", "at_release", "what"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, "eviction", ERROR, ERROR, "throws tasks away"),
        ({"maxmemory_policy": "volatile-lru"}, "eviction", WARNING, WARNING, "volatile-lru"),
        ({"maxclients": "5"}, "connections", ERROR, WARNING, "7 of 5 for 1 web, 1 worker"),
        ({"maxclients": "12"}, "connections", WARNING, WARNING, "while old and new"),
        ({"maxclients": "14"}, "connections", OK, OK, "7 of 14"),
        ({"maxmemory": "1"}, "memory", ERROR, WARNING, "full, enqueueing is refused"),
        ({"maxmemory": "1gb"}, "memory", OK, OK, "of 1,073.7 MB"),
        ({"appendonly": "no"}, "persistence", WARNING, WARNING, "tasks in it are lost"),
    ],
    ids=["allkeys", "volatile", "clients", "overlap", "enough", "full", "roomy", "persistence"],
)
def test_a_fault_of_the_server_is_found(
    fault: dict[str, str],
    name: str,
    level: str,
    at_release: str,
    what: str,
    server: RedisServer,
    run: Run,
) -> None:
    configure(server, **fault)

    by_hand, release = run("doctor", "--json"), run("doctor", "--json", "--release")

    assert what in told(by_hand)[name]["text"]
    assert told(by_hand)[name]["level"] == level
    assert told(release)[name]["level"] == at_release
    assert bool(told(by_hand)[name]["advice"]) == (level != OK)
    assert by_hand.exit_code == (level == ERROR)
    assert release.exit_code == (at_release == ERROR)


def test_a_replica_is_no_place_for_tasks(
    server: RedisServer, start_redis: StartServer, run: Run
) -> None:
    master = start_redis(tcp=True)
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(master.port))

    result = run("doctor", "--json", "--release")

    assert told(result)["role"]["level"] == ERROR
    assert result.exit_code == 1


def test_an_absent_redis_is_an_error_by_hand_and_a_warning_at_a_release(
    tmp_path: Path, use_settings: UseSettings, run: Run
) -> None:
    use_settings(REDIS_URL=f"unix://{tmp_path}/nobody.sock")

    by_hand, release = run("doctor"), run("doctor", "--release")

    assert by_hand.exit_code == 1
    assert "error   redis" in by_hand.output
    assert "cannot be reached" in by_hand.output
    assert release.exit_code == 0
    assert "warning redis" in release.output


def test_a_wrong_password_is_an_error_even_at_a_release_and_is_not_shown(
    start_redis: StartServer, use_settings: UseSettings, run: Run
) -> None:
    server = start_redis(tcp=True, options={"requirepass": "right"})
    use_settings(REDIS_URL=f"redis://:wrong-one@127.0.0.1:{server.port}")

    result = run("doctor", "--release")

    assert result.exit_code == 1
    assert "refuses the login" in result.output
    assert "wrong-one" not in result.output


def test_missing_rights_are_named(
    server: RedisServer, use_settings: UseSettings, run: Run
) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "poor", "on", ">poor", "~*", "+@all", "-info")
    use_settings(REDIS_URL=f"unix://poor:poor@{server.socket}")

    result = run("doctor")

    assert result.exit_code == 1
    assert "refuses: " in result.output
    assert "'info'" in result.output


@pytest.fixture
def tls_server(certificates: Certificates) -> Iterator[TlsServer]:
    server = TlsServer(certificates.self_signed_file)
    yield server
    server.close()


def test_tls_without_verification_is_a_warning_and_a_refused_certificate_an_error(
    tls_server: TlsServer, use_settings: UseSettings, run: Run
) -> None:
    use_settings(REDIS_URL=tls_server.url, REDIS_TLS_VERIFY="none")
    believed = run("doctor", "--json")
    use_settings(REDIS_TLS_VERIFY="required")
    refused = run("doctor", "--json", "--release")

    assert told(believed)["tls"]["level"] == WARNING
    assert "self-signed" in told(believed)["tls"]["advice"]
    assert told(believed)["version"]["level"] == OK
    assert told(refused)["tls"]["level"] == OK
    assert told(refused)["redis"]["level"] == ERROR
    assert refused.exit_code == 1


# ---- The app


def test_wrong_settings_are_all_told_before_anything_else(
    use_settings: UseSettings, run: Run
) -> None:
    use_settings(MAX_CRASHES="many", SHUTDOWN_TIMEOUT=40)

    result = run("doctor", "--release")

    lines = result.output.splitlines()
    assert result.exit_code == 1
    assert [line.split()[:3] for line in lines] == [
        ["error", "settings", "MAX_CRASHES"],
        ["error", "settings", "SHUTDOWN_TIMEOUT"],
    ]


def test_code_of_the_settings_that_cannot_be_imported_is_an_error(
    server: RedisServer, use_settings: UseSettings, run: Run
) -> None:
    use_settings(MIDDLEWARE=["nowhere.Layer"], WORKER_PRELOAD_FUNCTION="tests.nothing.load")

    result = run("doctor", "--release")

    lines = [line for line in result.output.splitlines() if line.startswith("error   code")]
    assert result.exit_code == 1
    assert len(lines) == 2
    assert "nowhere.Layer" in lines[0]
    assert "tests.nothing.load" in lines[1]


@pytest.mark.parametrize(
    ("task", "level"),
    [("tests.support.actions.act", OK), ("tests.support.actions.gone", ERROR)],
)
def test_a_scheduled_function_that_cannot_be_imported_is_an_error(
    task: str, level: str, server: RedisServer, use_settings: UseSettings, run: Run
) -> None:
    use_settings(SCHEDULE={"nightly": {"task": task, "schedule": crontab("2 4 * * *")}})

    result = run("doctor", "--json", "--release")

    assert told(result)["schedule"]["level"] == level
    assert result.exit_code == (level == ERROR)
    assert level == OK or "SCHEDULE['nightly']" in told(result)["schedule"]["text"]


def test_an_entry_without_a_schedule_is_an_error(
    server: RedisServer, use_settings: UseSettings, run: Run
) -> None:
    use_settings(SCHEDULE={"nightly": {"task": "tests.support.actions.act"}})

    result = run("doctor", "--json")

    assert told(result)["schedule"]["level"] == ERROR
    assert "schedule" in told(result)["schedule"]["text"]


def test_dead_workers_are_named(server: RedisServer, run: Run) -> None:
    HandWorker(supervisor_id="alive")
    HandWorker(supervisor_id="gone", description="worker.3")
    with server.client() as client:
        client.zadd(keys.workers(), {"gone": 1})

    result = run("doctor", "--json")

    assert told(result)["workers"]["level"] == WARNING
    assert "1 dead worker: worker.3" in told(result)["workers"]["text"]
    assert result.exit_code == 0


def test_live_workers_count_where_they_are_more_than_planned(
    server: RedisServer, run: Run
) -> None:
    for number in range(3):
        HandWorker(supervisor_id=f"w{number}", workers=8)

    result = run("doctor", "--json")

    assert "11 of 10000 for 1 web, 3 worker, 1 scheduler" in told(result)["connections"]["text"]


def test_tasks_of_functions_that_this_release_lacks_are_a_warning(
    server: RedisServer, write_module: WriteModule, run: Run, use_settings: UseSettings
) -> None:
    text = "from redis_tasks import redis_task\n@redis_task()\ndef old(): pass\n"
    write_module("left_behind", text)
    use_settings(TASK_MODULES=["left_behind", "tests"])
    Queue("mail").enqueue_call("left_behind.old")
    for _ in range(120):
        Queue("mail").enqueue_call(act)
    Queue("mail").enqueue_call("left_behind.old")

    known = run("doctor", "--json")
    use_settings(TASK_MODULES=["tests"])
    unknown = run("doctor", "--json")

    assert told(known)["tasks"]["level"] == OK
    assert "100 tasks looked at" in told(known)["tasks"]["text"]
    assert told(unknown)["tasks"]["level"] == WARNING
    assert "2 of 100 tasks looked at in queue mail" in told(unknown)["tasks"]["text"]
    assert "left_behind.old" in told(unknown)["tasks"]["text"]
    assert unknown.exit_code == 0


def test_control_characters_in_what_redis_holds_do_not_act(server: RedisServer, run: Run) -> None:
    with server.client() as client:
        client.zadd(keys.workers(), {"gone": 1})
        client.hset(keys.supervisor("gone"), "desc", "\x1b[2Jnobody\nok      everything")

    result = run("doctor")

    assert "\x1b" not in result.output
    assert r"\x1b[2Jnobody\nok" in result.output


def test_at_a_release_only_what_may_pass_by_itself_becomes_a_warning() -> None:
    passing = Finding.fault("a", "text", "advice", passing=True)
    lasting = Finding.fault("b", "text", "advice")

    softened = doctor.for_release([passing, lasting, Finding.ok("c", "text")])

    assert [finding.level for finding in softened] == [WARNING, ERROR, OK]
    assert doctor.worst([]) == OK
    assert doctor.worst(softened) == ERROR


def test_a_formation_is_read_from_app_json(tmp_path: Path, settings_for_test: Any) -> None:
    text = json.dumps({"formation": {"worker": {"quantity": 4}, "web": {"quantity": 2}}})
    (tmp_path / "app.json").write_text(text)

    found = app_checks.formation(tmp_path)

    assert found == {"worker": 4, "web": 2}


@pytest.mark.parametrize("text", ["", "[]", '{"formation": {"worker": {}}}', '{"formation": [1]}'])
def test_an_app_json_without_a_formation_means_one_of_each(
    text: str, tmp_path: Path, settings_for_test: Any
) -> None:
    (tmp_path / "app.json").write_text(text)

    found = app_checks.formation(tmp_path)

    assert found == {"web": 1, "worker": 1, "scheduler": 1}
