"""The smallest plan has 20 connections, and a deploy doubles the dynos that want 13 of them."""

import pytest

from redis_tasks import Queue
from tests.dynos.conftest import StartApp
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.router import Visitor
from tests.support.smallest_plan import CONNECTIONS, SmallestPlan
from tests.support.waiting import wait_until

WAITS = "Redis is out of reach, trying on"


@pytest.mark.timeout(240)
def test_who_finds_no_connection_at_a_deploy_waits_until_an_old_dyno_has_left(
    start_app: StartApp, store: SmallestPlan, ledger: Ledger
) -> None:
    app = start_app()
    app.config["WORKER_CONCURRENCY"] = "1"
    app.scale(web=1, scheduler=1, worker=4)
    app.wait_up()
    tasks = [Queue().enqueue_call(act, [["postpone", 6]]) for _ in range(4)]
    for task in tasks:
        ledger.wait_for("postponed", task.id, timeout=30)
    # Others use the rest: there is room for what the old workers keep until they end, no more.
    store.door.limit = len(tasks)

    with Visitor(app.router) as visitor:
        endings = app.restart()
        store.door.limit = CONNECTIONS
        app.wait_up()
        page = app.router.get("/")
        for task in tasks:
            ledger.wait_for("end", task.id)

    assert store.door.turned_away > 0
    assert all(WAITS in dyno.text() for dyno in app.of("worker"))
    assert [dyno.exit_code for dyno in app.dynos] == [None] * 6
    assert {(ending.code, ending.was_killed, ending.outlived) for ending in endings} == {
        (0, False, ())
    }
    assert {answer.status for answer in visitor.answers} <= {200, 503}
    assert page.status == 200


@pytest.mark.timeout(120)
def test_dynos_that_start_without_any_connection_left_serve_as_soon_as_there_is_one(
    start_app: StartApp, store: SmallestPlan, ledger: Ledger
) -> None:
    app = start_app()
    store.door.limit = 0
    app.scale(web=1, worker=1, scheduler=1)
    for dyno in (*app.of("worker"), *app.of("scheduler")):
        dyno.wait_line(WAITS, 30)
    pages = [app.router.get("/"), app.router.get("/health", as_visitor=True)]
    task = Queue().enqueue_call(act)

    store.door.limit = CONNECTIONS

    app.wait_up()
    ledger.wait_for("end", task.id)
    assert [page.status for page in pages] == [503, 503]
    assert app.router.get("/").status == 200
    assert [dyno.exit_code for dyno in app.dynos] == [None] * 3


@pytest.mark.timeout(120)
def test_a_release_does_not_fail_for_want_of_a_connection(
    start_app: StartApp, store: SmallestPlan
) -> None:
    app = start_app()
    store.door.limit = 0

    released, by_hand = app.release(), app.run("redis_tasks doctor")

    assert (released.exit_code, by_hand.exit_code) == (0, 1)
    assert "warning redis " in released.text()
    assert "error   redis " in by_hand.text()
    assert "has connections left" in released.text()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("store", [1], ids=["idle for a second"], indirect=True)
def test_nobody_notices_that_idle_connections_are_closed(
    start_app: StartApp, store: SmallestPlan, ledger: Ledger
) -> None:
    app = start_app()
    app.scale(web=1, worker=1)
    app.wait_up()
    before = app.router.get("/")

    # All but the worker's that blocks.
    wait_until(lambda: store.connections() == {"redis_tasks.worker": 1}, 30)
    task = Queue().enqueue_call(act)
    after = app.router.get("/")

    ledger.wait_for("end", task.id)
    assert (before.status, after.status) == (200, 200)
    assert WAITS not in app.of("worker")[0].text()
