"""What the button makes works, and so does what `redis_tasks init` writes for an app."""

import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from redis_tasks import Task
from tests.conftest import Run
from tests.dynos.conftest import StartApp
from tests.support.deployment import ROOT, app_json
from tests.support.dyno import FOR_GUNICORN
from tests.support.waiting import wait_until

GREET = """
from redis_tasks import redis_task


@redis_task()
def greet(name):
    print(f"hello {name}", flush=True)
"""
ENQUEUE = """
from redis_tasks import Queue
print(Queue().enqueue_call({function!r}, ["Ada", "1"]).id)
"""


@pytest.fixture
def shop(tmp_path: Path, run: Run) -> Path:
    """An app of one package that was made deployable by `redis_tasks init`."""
    package = tmp_path / "app" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(GREET.replace("name", "name, times=1", 1))
    assert run("init", str(package.parent)).exit_code == 0
    return package.parent


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("of", "function", "says", "sets"),
    [
        ("template", "demo.tasks.charge", "charged Ada with 1.00", FOR_GUNICORN),
        ("init", "shop.tasks.greet", "hello Ada", {}),
    ],
    ids=["template on the classic platform", "init on the newer one"],
)
def test_a_fresh_deploy_works_without_anything_typed(
    of: str, function: str, says: str, sets: Mapping[str, str], start_app: StartApp, shop: Path
) -> None:
    folder = ROOT if of == "template" else shop
    app = start_app(folder, settings=None, sets=sets)

    released = app.release()
    formation = app_json(folder)["formation"]
    app.scale(**{name: entry["quantity"] for name, entry in formation.items()})
    app.wait_up()
    enqueue = app.run("python -c " + shlex.quote(ENQUEUE.format(function=function)))
    task_id = enqueue.lines()[-1]
    app.of("worker")[0].wait_line(says)
    health, page = app.router.get("/health", as_visitor=True), app.router.get("/")
    refused = app.router.get("/", as_visitor=True)
    wait_until(lambda: Task.fetch(task_id).status == "finished")
    endings = app.scale()

    assert released.exit_code == 0, released.text()
    assert "error" not in released.text()
    assert "self-signed" in released.text()
    assert (health.status, health.text) == (200, "ok\n")
    assert page.status == 200
    assert refused.status == 401
    assert [(ending.code, ending.was_killed) for ending in endings] == [(0, False)] * 3
