"""Bring a worker to a chosen moment in the life of one task."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redis_tasks import Queue, Task
from tests.support import actions, slow_module
from tests.support.ledger import Event, Ledger
from tests.support.process_table import is_pending
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

LONG = 60  # seconds: more than any test takes
MIDDLEWARE = "tests.support.middleware.TracingMiddleware"

KINDS = ("reentrant", "once")
ACT = {"reentrant": actions.act, "once": actions.act_once}
IMPORTED = {
    "reentrant": slow_module.slowly_imported,
    "once": slow_module.slowly_imported_once,
}


@dataclass(frozen=True)
class Moment:
    """Where a task may be; *seen* is the event in the ledger that tells that it is there.

    With *stop_at* a process of the worker freezes there, until it is thawed.
    """

    name: str
    seen: str
    steps: tuple[list[Any], ...] = ()
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=lambda: ACT)
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_at: str = ""

    def settings(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if self.stop_at:
            values["WORKER_PRELOAD_FUNCTION"] = "tests.support.preload.stop_at_sync_point"
        if "RT_MIDDLEWARE" in self.environment:
            values["MIDDLEWARE"] = [MIDDLEWARE]
        return values


def frozen_at(name: str) -> Moment:
    return Moment(name, "reached", stop_at=name, environment={"RT_STOP_AT": name})


def in_middleware(name: str, moment: str, seconds: float) -> Moment:
    return Moment(name, moment, environment={"RT_MIDDLEWARE": f"{moment}=sleep:{seconds}"})


CLAIM = frozen_at("after_claim")
IMPORT = Moment(
    "import", "importing", functions=IMPORTED, environment={"RT_SLOW_IMPORT": str(LONG)}
)
MIDDLEWARE_BEFORE = in_middleware("middleware_before", "before", LONG)
MIDDLEWARE_MADE = in_middleware("middleware_made", "made", LONG)
BEFORE_STARTED = frozen_at("before_started")
USER_CODE = Moment("user_code", "start", steps=(["sleep", LONG],))
POSTPONED = Moment("postponed", "postponed", steps=(["postpone", 0.7], ["sleep", LONG]))
MIDDLEWARE_AFTER = in_middleware("middleware_after", "after", 1)
MIDDLEWARE_OUTCOME = in_middleware("middleware_outcome", "outcome", 1)
BEFORE_OUTCOME = frozen_at("before_outcome")
AFTER_OUTCOME = frozen_at("after_outcome")
BEFORE_ACK = frozen_at("before_ack")


@dataclass
class Scene:
    """A worker with a task at the moment; *behind* waits in the same queue."""

    worker: WorkerProcess
    task: Task
    behind: Task
    event: Event
    is_frozen: bool

    def thaw(self) -> None:
        """Let the process go on that froze at the moment; a workhorse, when it was interrupted."""
        if not self.is_frozen:
            return
        if self.event.pid != self.worker.pid:
            wait_until(
                lambda: is_pending(self.event.pid, signal.SIGUSR1), message=self.worker.text
            )
        os.kill(self.event.pid, signal.SIGCONT)

    @property
    def workhorse(self) -> int:
        """The id of the process that has the task."""
        inside = self.event.pid != self.worker.pid
        return self.event.pid if inside else self.worker.workhorses()[0]

    def task_now(self) -> Task:
        return Task.fetch(self.task.id)

    def line(self) -> list[str]:
        """Return who waits, in the order in which they will run."""
        names = {self.task.id: "task", self.behind.id: "behind"}
        return [names[task_id] for task_id in Queue().get_task_ids()]


def arrive(
    moment: Moment,
    kind: str,
    start: Callable[..., WorkerProcess],
    ledger: Ledger,
    **values: Any,
) -> Scene:
    """Start a worker and return when its task is at the moment."""
    task = Queue().enqueue_call(moment.functions[kind], moment.steps)
    worker = start(environment=moment.environment, **{**moment.settings(), **values})
    event = ledger.wait_for(moment.seen)
    behind = Queue().enqueue_call(actions.act)
    return Scene(worker, task, behind, event, bool(moment.stop_at))
