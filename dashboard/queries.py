"""Answer what the pages ask.

One function a page, each returning a value of ``dashboard.shapes`` (see its docstring for units).
``page`` counts from 1; a page that does not exist is the last one. Each raises ``RedisAway`` if
Redis does not answer within 2 seconds; what does not exist is None.

Wrap what one response asks in ``with reading():`` where it calls several of these functions: they
then share one time limit, one present moment.
"""

from dataclasses import replace
from datetime import datetime

from dashboard import (
    queries_failures,
    queries_graph,
    queries_history,
    queries_lists,
    queries_registry,
    queries_schedule,
    queries_statistics,
    queries_task,
    queries_workers,
)
from dashboard.queries_lists import queue_names
from dashboard.queries_overview import problems, queue_lines
from dashboard.queries_reading import RedisAway, ask, last_answer, now, prepare, reading
from dashboard.shapes import (
    Charts,
    FailedPage,
    Filter,
    GraphPage,
    HistoryPage,
    Overview,
    QueuePage,
    SchedulePage,
    TaskPage,
    TasksPage,
    Text,
    Totals,
    WorkersPage,
)
from redis_tasks import keys
from redis_tasks.conf import settings

__all__ = [
    "TEXTS",
    "RedisAway",
    "charts",
    "failed",
    "finished",
    "graph",
    "history",
    "is_well",
    "last_answer",
    "now",
    "overview",
    "prepare",
    "queue",
    "queue_names",
    "reading",
    "running",
    "schedule",
    "task",
    "text",
    "workers",
]

TEXTS = ("arguments", "error", "meta")
NEWEST_GROUPS = 5  # on the first page
GROUPS = 20  # on a page of them
PAGE = 50  # tasks, unless the URL says otherwise (at most LARGEST_PAGE)
NONE = Filter()


def overview(span: str = "hour") -> Overview:
    """Return the first page; *span* is a key of ``SPANS``."""
    with reading():
        dynos = queries_workers.dynos()
        live = queries_workers.live(dynos)
        queues = queue_lines(queries_lists.busiest(), live)
        finished, failed = queries_registry.sizes((keys.FINISHED, keys.FAILED))
        totals = Totals(
            waiting=sum(queue.waiting for queue in queues),
            running=sum(queue.running for queue in queues),
            finished=finished,
            failed=failed,
            workers=sum(len(dyno.workers) for dyno in live),
            busy=sum(dyno.busy for dyno in live),
            failed_last_hour=_last_hour("failed"),
            finished_last_hour=_last_hour("finished"),
        )
        newest = queries_failures.page(1, NEWEST_GROUPS).items
        found = problems(queues, dynos)
        left_out = len(queries_lists.queue_names()) - len(queues)
        return Overview(now(), found, totals, queues, dynos, charts(span), newest, left_out)


def _last_hour(what: str) -> int | None:
    if not settings.STATISTICS:
        return None
    counts = queries_statistics.by_queue(queries_statistics.last_hour()).values()
    return sum(int(getattr(each, what)) for each in counts)


def is_well() -> bool:
    """Tell whether each queue in which tasks wait has a live worker."""
    with reading():
        live = queries_workers.live(queries_workers.dynos())
        serving = {name for dyno in live for name in dyno.queues}
        idle = [name for name in queries_lists.queue_names() if name not in serving]
        return not any(ask(("ZCARD", keys.queue(name)) for name in idle))


def charts(span: str = "hour", *, queue: str = "", function: str = "") -> Charts:
    """Return charts of everything, or of one queue or one function."""
    with reading():
        return queries_statistics.charts(span, queue, function)


def queue(name: str, page: int = 1, wanted: Filter = NONE, size: int = PAGE) -> QueuePage | None:
    """Return a queue with the tasks that wait in it, next first; None for an unknown one."""
    with reading():
        if name not in queries_lists.queue_names():
            return None
        found = queue_lines([name], queries_workers.live(queries_workers.dynos()))[0]
        tasks = queries_lists.waiting(name, page, size, replace(wanted, queue=""))
        return QueuePage(now(), found, tasks, charts(queue=name))


def running(page: int = 1, wanted: Filter = NONE, size: int = PAGE) -> TasksPage:
    """Return the tasks that run, those first that have run for longest."""
    with reading():
        return TasksPage(now(), queries_lists.running(page, size, wanted))


def finished(page: int = 1, wanted: Filter = NONE, size: int = PAGE) -> TasksPage:
    """Return the finished tasks that are kept, newest first."""
    with reading():
        return TasksPage(now(), queries_lists.over(keys.FINISHED, page, size, wanted))


def failed(
    page: int = 1, wanted: Filter = NONE, size: int = PAGE, groups_page: int = 1
) -> FailedPage:
    """Return the failed tasks that are kept, newest first, with the groups of failures.

    ``wanted.group`` chooses a group: its tasks only.
    """
    with reading():
        tasks = queries_lists.over(keys.FAILED, page, size, wanted)
        groups = queries_failures.page(groups_page, GROUPS)
        chosen = queries_failures.groups([wanted.group]) if wanted.group else ()
        return FailedPage(now(), groups, tasks, chosen[0] if chosen else None)


def task(task_id: str) -> TaskPage | None:
    """Return everything about one task; None if there is no such task."""
    with reading():
        return queries_task.task(task_id)


def text(task_id: str, name: str) -> Text | None:
    """Return one of a task's ``TEXTS`` whole, that is at most 1 MiB of it."""
    with reading():
        return queries_task.text(task_id, name)


def workers() -> WorkersPage:
    """Return the live workers with what they run."""
    with reading():
        return WorkersPage(now(), queries_workers.with_tasks(queries_workers.dynos()))


def schedule() -> SchedulePage:
    """Return the entries of the schedule and the processes that keep it."""
    with reading():
        return queries_schedule.schedule()


def history(start: datetime, end: datetime, by: str = "worker") -> HistoryPage:
    """Return who ran what between two moments; *by* is ``worker`` or ``function``."""
    with reading():
        return queries_history.history(start, end, by)


def graph(graph_id: str) -> GraphPage | None:
    """Return a graph with the states of its tasks; None if there is no such graph."""
    with reading():
        return queries_graph.graph(graph_id)
