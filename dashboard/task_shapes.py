"""Define what the pages show of tasks: plain frozen values, see ``dashboard.shapes``."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")

SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
LARGEST_PAGE = 100  # tasks
WINDOW = 10_000  # tasks that a filter looks at: the newest, in a queue the next


@dataclass(frozen=True, slots=True)
class Text:
    """A text of which at most 2 KiB are shown; *size* is its whole length in bytes."""

    shown: str = ""
    size: int = 0
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tasks are asked for: all conditions hold at once, an empty one always.

    *function* is the beginning of an import path, *queue* a whole name, *text* a part (in any
    case) of id, function, arguments or the error's last line. *since* and *until* are about the
    end of a task that is over, the start of one that runs, the enqueueing of one that waits.
    """

    function: str = ""
    queue: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    group: str = ""  # id of a failure group

    @property
    def is_empty(self) -> bool:
        return self == Filter()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list: page *number* (from 1) of *size* items each.

    *total* counts the whole list; with a filter, what was found among *scanned* tasks. *scanned*
    is None where nothing had to be scanned; *is_complete* is False where there were more tasks
    than the window that was scanned.
    """

    items: tuple[T, ...] = ()
    number: int = 1
    size: int = 50
    total: int = 0
    scanned: int | None = None
    is_complete: bool = True

    @property
    def last(self) -> int:
        """Number of the last page, at least 1."""
        return max(1, -(-self.total // self.size))

    @property
    def has_next(self) -> bool:
        return self.number < self.last


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task as one line of a list. *position* is its place in a queue, 1 runs next."""

    id: str
    status: str
    func_name: str
    call: Text  # the call in words, secret arguments redacted
    queue: str
    enqueued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    waited: float | None = None  # from enqueueing to the last start, or to now
    ran: float | None = None  # from the last start to the end, or to now
    timeout: float | None = None  # that a run may take
    left: float | None = None  # of a running task: until its timeout, negative if overdue
    worker: str = ""  # description of the worker of its last run, its id if that is gone
    worker_id: str = ""
    run: int = 0  # how often it was started
    attempt: int = 0
    reason: str = ""  # of a failure, one word: error, timeout, crash, lost, poison, ...
    error_line: str = ""  # the error's last line, at most 200 characters
    position: int | None = None
    progress: float | None = None  # 0 to 1; None: it does not tell


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a task's life: *kind* waiting, running, interrupted, failed or finished.

    The last four are runs. *ended_at* is None while it goes on. *run* is the number of the run,
    None where it is not known. *words* say it for a person.
    """

    kind: str
    started_at: datetime
    ended_at: datetime | None
    words: str
    worker: str = ""
    worker_id: str = ""
    run: int | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A line of a traceback; *is_own*: it is the user's code, not a library's."""

    file: str
    line: int
    function: str
    code: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class GraphLink:
    """The graph that a task belongs to."""

    id: str
    node: str = ""


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Everything about one task. The names of the texts are those ``queries.text()`` takes."""

    taken_at: datetime
    task: TaskLine
    words: str  # its status in a sentence
    arguments: Text
    error: Text
    meta: Text
    is_reentrant: bool = False
    is_redacted: bool = False  # some of its arguments are shown to nobody
    is_shortened: bool = False  # only the beginning of the arguments was kept
    frames: tuple[Frame, ...] = ()  # of the error, innermost last
    segments: tuple[Segment, ...] = ()  # oldest first, without gaps
    graph: GraphLink | None = None
    group: str = ""  # id of its failure group
