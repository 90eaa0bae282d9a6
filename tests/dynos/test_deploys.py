"""Deploy after deploy, under load: nobody notices."""

import itertools
from collections import Counter
from datetime import UTC, datetime

import pytest

from redis_tasks import Queue, entries
from redis_tasks.conf import settings
from redis_tasks.registries import worker_registry
from redis_tasks.schedule_view import read_schedule
from tests.dynos.conftest import StartApp
from tests.dynos.load import Load, all_ids, wrongs
from tests.dynos.settings import SCHEDULE
from tests.support.dyno import Ending
from tests.support.ledger import Ledger
from tests.support.router import Visitor
from tests.support.waiting import wait_until

DEPLOYS = 20
WAIT = 15.0  # seconds that a visitor may have to wait: a dyno boots as long as the machine is busy


@pytest.mark.timeout(400)
def test_twenty_deploys_under_load_lose_nothing(start_app: StartApp, ledger: Ledger) -> None:
    began = datetime.now(UTC)
    app = start_app()
    app.config["WORKER_CONCURRENCY"] = "4"
    app.scale(web=1, worker=1, scheduler=1)
    app.wait_up()
    endings: list[Ending] = []

    with Load(ledger) as load, Visitor(app.router) as visitor:
        for _ in range(DEPLOYS):
            endings += app.deploy()
            app.wait_up()
    wait_until(lambda: not Queue().count() and not worker_registry.get_running_tasks(), 60)
    endings += app.scale()

    assert len(endings) == 3 * (DEPLOYS + 1)
    assert {(ending.code, ending.was_killed, ending.outlived) for ending in endings} == {
        (0, False, ())
    }
    assert load.errors == []
    assert len(all_ids(load, ledger)) > 100
    assert wrongs(load, ledger) == []
    assert ledger.events("interrupted"), "no deploy has interrupted anything: there was no load"
    assert [answer for answer in visitor.answers if answer.status == 0] == []
    assert {answer.status for answer in visitor.answers if answer.path == "/"} == {200}
    assert max(answer.seconds for answer in visitor.answers) <= WAIT
    assert ticks_that_did_not_run(ledger, began) == []
    assert ticks_that_ran_twice(ledger) == []


def ticks_that_did_not_run(ledger: Ledger, began: datetime) -> list[datetime]:
    """Return the moments between the first tick that ran and the last one that was made."""
    with settings.override(SCHEDULE=SCHEDULE):
        (entry,) = entries.load()
        last = read_schedule().entries[0].last_tick
    assert last is not None
    # One that was made after the last worker had gone waits in its queue.
    ran = {event.task_id for event in ledger.events("tick")} | set(Queue().get_task_ids())
    moments, moment = [], entry.schedule.get_next(began)
    while moment <= last:
        moments.append(moment)
        moment = entry.schedule.get_next(moment)
    made = itertools.dropwhile(lambda moment: entry.task_id(moment) not in ran, moments)
    return [moment for moment in made if entry.task_id(moment) not in ran]


def ticks_that_ran_twice(ledger: Ledger) -> list[str]:
    ticks = {event.task_id for event in ledger.events("tick")}
    ended = Counter(event.task_id for event in ledger.events("end"))
    return [task_id for task_id in ticks if ended[task_id] != 1]
