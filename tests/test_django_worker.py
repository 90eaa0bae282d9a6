"""manage.py's commands and workers, with a real database: SQLite in a file, and PostgreSQL."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django")

from redis_tasks import Queue, Task
from tests.support import django_project
from tests.support.ledger import Ledger
from tests.support.postgres_server import PostgresServer, is_installed
from tests.support.process_table import signal_process
from tests.support.waiting import wait_until
from tests.support.worker_process import ROOT, WorkerProcess

AT_A_TIME = 8
INTERRUPTIONS = 500

Manage = Callable[..., WorkerProcess]


class Site:
    """The project in processes of its own, with a database that is kept connected."""

    def __init__(self, database: dict[str, Any], values: dict[str, Any]) -> None:
        databases = {"default": {**database, "CONN_MAX_AGE": None}}
        self.variables = django_project.environment(databases, values)
        self.processes: list[WorkerProcess] = []

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(django_project.MANAGE), *arguments],
            env={**os.environ, **self.variables, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def worker(self, *arguments: str) -> WorkerProcess:
        process = WorkerProcess(
            {},
            ["worker", *arguments],
            command="redis_tasks",
            environment={**self.variables, "PYTHONPATH": str(ROOT)},
            program=(str(django_project.MANAGE),),
        )
        self.processes.append(process)
        process.wait_line("Worker .* started", 30)
        return process

    def texts(self) -> list[str]:
        said = self.manage("dumpdata", "django_site.row").stdout
        return [row["fields"]["text"] for row in json.loads(said)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if not is_installed():
        pytest.skip("NO POSTGRESQL HERE: what Django does with it is not tested, SQLite only")
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param == "sqlite":
        return django_project.sqlite(tmp_path / "rows.sqlite3")
    folder = request.getfixturevalue("postgres").folder
    place = {"HOST": str(folder), "USER": "tests", "NAME": "postgres"}
    return {"ENGINE": "django.db.backends.postgresql", **place}


@pytest.fixture
def site(
    database: dict[str, Any],
    settings_for_test: dict[str, Any],
    ledger: Ledger,
    django_site: None,
) -> Iterator[Site]:
    connect = "tests.django_site.tasks.connect"
    values = {"MAX_RELEASES": 100_000, "WORKER_PRELOAD_FUNCTION": connect}
    site = Site(database, {**settings_for_test, **values})
    commands = [["migrate", "--run-syncdb", "--verbosity=0"]]
    if "postgresql" in database["ENGINE"]:  # one for all tests, a file is a test's own
        commands.append(["flush", "--noinput"])
    for command in commands:
        done = site.manage(*command)
        assert done.returncode == 0, done.stderr
    yield site
    for process in site.processes:
        process.close()


def test_manage_py_has_the_whole_command_line(site: Site) -> None:
    version = site.manage("redis_tasks", "--version")
    text = site.manage("redis_tasks", "worker", "--help", "--settings=tests.django_site.settings")
    wrong = site.manage("redis_tasks", "worker", "--concurrency", "none")
    info = site.manage("redis_tasks", "info")

    assert version.stdout.startswith("redis_tasks, version ")
    assert "Usage: manage.py redis_tasks worker" in text.stdout
    assert wrong.returncode == 2
    assert info.returncode == 0, info.stderr


def test_a_worker_of_manage_py_runs_what_waits_for_commits(site: Site) -> None:
    task = Queue().enqueue_call("tests.django_site.tasks.write_and_enqueue", ["a"])
    worker = site.worker("default", "later", "--burst")

    assert worker.wait_exit(30) == 0, worker.text()
    assert Task.fetch(task.id).status == "finished"
    assert site.texts() == ["a", "a later"]


def test_tasks_are_loaded_before_the_fork_and_connections_are_not_inherited(
    site: Site, ledger: Ledger
) -> None:
    Queue().enqueue_call("tests.django_site.tasks.tell_about_connection")
    worker = site.worker("--burst")

    assert worker.wait_exit(30) == 0, worker.text()
    [told] = ledger.events("connection")
    loader, runner, connection_was_there = told.extra.split()
    assert loader == str(worker.pid)
    assert runner != loader
    assert connection_was_there == "False"


def test_a_coroutine_of_the_tasks_framework_is_cancelled_by_a_shutdown(
    site: Site, ledger: Ledger
) -> None:
    from tests.django_site.framework_tasks import wait

    result = wait.enqueue(60)
    worker = site.worker()
    ledger.wait_for("start", count=1, timeout=30)
    worker.terminate()

    assert worker.wait_exit(30) == 0, worker.text()
    assert len(ledger.events("cancelled")) == 1
    assert Task.fetch(result.id).status == "queued"


def test_coroutines_may_write_by_the_orm(site: Site) -> None:
    for text in ("a", "b"):
        Queue().enqueue_call("tests.django_site.tasks.write_in_thread", [text])
    worker = site.worker("--burst")

    assert worker.wait_exit(30) == 0, worker.text()
    assert site.texts() == ["a", "b"]


@pytest.mark.timeout(180)
def test_after_500_interruptions_each_committed_row_has_its_hook_and_its_task(
    site: Site, ledger: Ledger
) -> None:
    chance = random.Random(20261124)
    for _ in range(AT_A_TIME):
        Queue().enqueue_call("tests.django_site.tasks.write_for_ever")
    worker = site.worker("--concurrency", str(AT_A_TIME))
    ledger.wait_for("start", count=AT_A_TIME, timeout=60)

    def interrupt_some() -> bool:
        for pid in worker.workhorses():
            if chance.random() < 0.5:
                signal_process(pid, signal.SIGUSR1)
        return len(ledger.events("interrupted")) >= INTERRUPTIONS

    wait_until(interrupt_some, 120, worker.text)
    worker.terminate()
    assert worker.wait_exit(30) == 0, worker.text()

    rows = set(site.texts())
    committed = {event.extra for event in ledger.events("committed")}
    sent = set(Queue("sink").get_task_ids())
    assert len(rows) > INTERRUPTIONS / 2
    assert rows == committed
    assert rows == sent
    assert "Traceback" not in worker.text()
