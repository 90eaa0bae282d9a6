"""Define what the pages show.

Plain frozen values, made by ``dashboard.queries`` alone. Moments are aware UTC datetimes by the
Redis server's clock, durations are seconds, sizes are bytes; None is what nobody knows (yet). A
``Text`` is at most 2 KiB: ``queries.text()`` returns the whole of one that was cut. Nothing is
escaped here: templates do that. ``status`` is a word of ``dashboard.states``; templates
must take words that they do not know, since later ones follow.
"""

from dataclasses import dataclass, field
from datetime import datetime

from dashboard.chart_shapes import Chart, Charts, Series
from dashboard.task_shapes import (
    LARGEST_PAGE,
    SPANS,
    WINDOW,
    Filter,
    Frame,
    GraphLink,
    Page,
    Segment,
    TaskLine,
    TaskPage,
    Text,
)

__all__ = [
    "LARGEST_PAGE",
    "MOST_BARS",
    "SPANS",
    "WINDOW",
    "Bar",
    "Chart",
    "Charts",
    "Dyno",
    "Edge",
    "FailedPage",
    "FailureGroup",
    "Filter",
    "Frame",
    "GraphLink",
    "GraphPage",
    "HistoryPage",
    "Lane",
    "Node",
    "Overview",
    "Page",
    "Problem",
    "QueueLine",
    "QueuePage",
    "ScheduleEntry",
    "SchedulePage",
    "SchedulerLine",
    "Segment",
    "Series",
    "TaskLine",
    "TaskPage",
    "TasksPage",
    "Text",
    "Totals",
    "WorkerLine",
    "WorkersPage",
]


# ---- Overview, queues


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue. *latency* is for how long its oldest task has waited; rates are tasks a minute."""

    name: str
    waiting: int
    running: int
    latency: float | None = None
    rate_in: float | None = None  # over the last 5 minutes
    rate_out: float | None = None
    failed_last_hour: int | None = None
    workers: int = 0  # live ones that serve it
    is_paused: bool = False
    scheduled: int = 0
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should look at: *kind* stuck, dead, scheduler, failing or behind.

    *text* is a sentence that begins with *subject*: the queue, process or function that it is
    about, empty if of none.
    """

    kind: str
    text: str
    subject: str = ""
    is_severe: bool = True


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over everything; *finished* and *failed* are kept, not ever."""

    waiting: int = 0
    running: int = 0
    finished: int = 0
    failed: int = 0
    workers: int = 0
    busy: int = 0
    failed_last_hour: int | None = None
    finished_last_hour: int | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page. *problems* are the worst first; none: everything is well."""

    taken_at: datetime
    problems: tuple[Problem, ...]
    totals: Totals
    queues: tuple[QueueLine, ...]
    dynos: "tuple[Dyno, ...]"
    charts: Charts
    groups: "tuple[FailureGroup, ...]" = ()  # the 5 that failed last
    queues_left_out: int = 0  # of very many those with the fewest tasks


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One queue with the tasks that wait in it, next first."""

    taken_at: datetime
    queue: QueueLine
    tasks: Page[TaskLine]
    charts: Charts


@dataclass(frozen=True, slots=True)
class TasksPage:
    """Running or finished tasks; running ones longest first, finished ones newest first."""

    taken_at: datetime
    tasks: Page[TaskLine]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures of one function with the same last line of the error, since they are counted."""

    id: str
    func_name: str
    error_line: str
    count: int
    first_at: datetime | None
    last_at: datetime | None
    sparkline: tuple[int, ...] = ()  # failures in each of the last 24 hours, oldest first
    task_ids: tuple[str, ...] = ()  # the newest, newest first; they may be gone


@dataclass(frozen=True, slots=True)
class FailedPage:
    """Failed tasks, newest first; *groups* by their last failure; *group* is the one chosen."""

    taken_at: datetime
    groups: Page[FailureGroup]
    tasks: Page[TaskLine]
    group: FailureGroup | None = None


# ---- Workers


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """A worker: runs one task at a time. *state*: idle, busy or dead."""

    id: str
    description: str
    state: str
    task_id: str = ""
    task: TaskLine | None = None


@dataclass(frozen=True, slots=True)
class Dyno:
    """A supervisor with its workers.

    *is_late*: its sign of life is overdue; *is_dead*: for longer than its lease, but nobody has
    taken it off the live ones so far.
    """

    id: str
    description: str
    workers: tuple[WorkerLine, ...]
    queues: tuple[str, ...]
    started_at: datetime | None = None
    last_beat_at: datetime | None = None
    memory: int | None = None  # resident bytes of supervisor and workhorses
    is_late: bool = False
    is_dead: bool = False

    @property
    def busy(self) -> int:
        return sum(worker.state == "busy" for worker in self.workers)


@dataclass(frozen=True, slots=True)
class WorkersPage:
    """Everything that lives."""

    taken_at: datetime
    dynos: tuple[Dyno, ...]


# ---- Schedule


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """An entry of the schedule; *words* say when it is due, *wrong* what is wrong with it."""

    name: str
    words: str
    func_name: str = ""
    call: Text = field(default_factory=Text)
    queue: str = ""
    zone: str = ""
    is_singleton: bool = False
    last_tick: datetime | None = None
    last_task_id: str = ""
    next_ticks: tuple[datetime, ...] = ()  # the next 5
    strip: tuple[datetime, ...] = ()  # ticks of the next 24 hours, at most 288
    skipped: int = 0  # ticks left out since the task before was still there
    skipped_at: datetime | None = None
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class SchedulerLine:
    """The scheduler process that leads, *since* when; those that stand by are not known."""

    id: str
    description: str
    is_leader: bool
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """*is_known* is False where this process' settings have no schedule to show."""

    taken_at: datetime
    entries: tuple[ScheduleEntry, ...] = ()
    schedulers: tuple[SchedulerLine, ...] = ()
    is_known: bool = True


# ---- History, graphs


@dataclass(frozen=True, slots=True)
class Bar:
    """A run in a lane; *status* finished, failed, running or interrupted."""

    task_id: str
    func_name: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    queue: str = ""
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """The runs of one worker or function, oldest first."""

    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Who ran what from *start* to *end*; one lane a worker or function, as *by* says.

    Of more than ``MOST_BARS`` runs the newest are shown, and *is_complete* is False.
    """

    taken_at: datetime
    start: datetime
    end: datetime
    by: str
    lanes: tuple[Lane, ...] = ()
    is_complete: bool = True


MOST_BARS = 2_000


@dataclass(frozen=True, slots=True)
class Node:
    """A task of a graph; *level* is the longest way to it from a node without dependencies."""

    id: str
    label: str
    status: str
    task_id: str = ""
    level: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """*target* waits for *source*: ids of nodes."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class GraphPage:
    """A graph as it is to be drawn."""

    taken_at: datetime
    id: str
    status: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    is_complete: bool = True  # False: more nodes than are drawn
