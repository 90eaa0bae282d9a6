"""Tasks of all sorts, enqueued all the time; and what the ledger says became of them."""

import itertools
import threading
from types import TracebackType
from typing import Any, Self

from redis_tasks import Queue, Task
from redis_tasks.exceptions import EnqueueFailed, EnqueueUncertain
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger

PAUSE = 0.05  # seconds between two tasks
MOST = 60  # tasks that may be on their way
MIX: tuple[tuple[Any, list[Any]], ...] = (
    (act, ["sleep", 0.02]),
    (act_once, ["sleep", 0.02]),
    (act, ["sleep", 0.4]),
    (act_once, ["sleep", 0.4]),
    (act, ["postpone", 0.3]),
    (act, ["enqueue", "default", ["sleep", 0.05]]),
    (act, ["clean_up", 0.3, 0.1]),
    (act_once, ["postpone", 0.2]),
    (act, ["run_child", 0.2]),
)


class Load:
    """Enqueues from a thread: `with Load(ledger) as load: ...`; then `load.tasks` has them."""

    def __init__(self, ledger: Ledger) -> None:
        self.tasks: list[Task] = []
        self.errors: list[Exception] = []
        self._ledger = ledger
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._enqueue, name="load", daemon=True)

    def _enqueue(self) -> None:
        for function, step in itertools.cycle(MIX):
            if self._enough.wait(PAUSE):
                return
            try:
                if Queue().count() < MOST:
                    self.tasks.append(Queue().enqueue_call(function, [step]))
            except (EnqueueFailed, EnqueueUncertain) as error:
                self.errors.append(error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        self._thread.join(20)


def all_ids(load: Load, ledger: Ledger) -> list[str]:
    """Return the ids of all tasks whose enqueue was acknowledged, within tasks, too."""
    return [*(task.id for task in load.tasks), *(e.extra for e in ledger.events("enqueued"))]


def wrongs(load: Load, ledger: Ledger) -> list[str]:
    """Return a line for each task of which Redis and the ledger do not tell the same, right tale.

    To be asked when nothing is left to run.
    """
    counts: dict[tuple[str, str], int] = {}
    for event in ledger.events():
        counts[event.task_id, event.name] = counts.get((event.task_id, event.name), 0) + 1
    found = []
    for task_id in all_ids(load, ledger):
        starts, ends, cuts = (
            counts.get((task_id, name), 0) for name in ("start", "end", "interrupted")
        )
        kept = Task.fetch_many([task_id])
        if not kept:
            found.append(f"{task_id} is lost: {starts} starts, {ends} ends")
            continue
        task = kept[0]
        right = _finished(task, starts, ends) if task.status == "finished" else _cut(task, starts)
        if not right:
            what = f"{task.description} is {task.status} ({task.failure_reason})"
            found.append(f"{what}: {starts} starts, {ends} ends, {cuts} interruptions")
    return found


def _finished(task: Task, starts: int, ends: int) -> bool:
    return ends == 1 and starts >= 1 and (task.is_reentrant or starts == 1)


def _cut(task: Task, starts: int) -> bool:
    # It may have been interrupted before its first line.
    is_once = not task.is_reentrant and starts <= 1
    return is_once and task.status == "failed" and task.failure_reason == "interrupted"
