"""Follow one run of a task in a workhorse of this supervisor."""

from dataclasses import dataclass

from redis_tasks import page
from redis_tasks.clock import boottime
from redis_tasks.lifecycle import TaskOutcome
from redis_tasks.page import Line
from redis_tasks.store.scripts import Claimed, Settlement


@dataclass(slots=True, eq=False)
class Run:
    """One run of a task in a workhorse of this supervisor; moments are ``boottime()``."""

    task_id: str
    worker_id: str
    number: int
    reentrant: bool
    timeout: float
    func_name: str
    queue: str
    in_graph: bool
    told: list[bytes]
    given_at: float
    renewed_at: float
    place: int = 0  # among all that its workhorse was given
    line: Line | None = None  # of its workhorse's page; None: no workhorse has it
    returned: TaskOutcome | None = None
    is_late: bool = False  # failed as lost, but it goes on: nobody else may start it
    is_lost: bool = False  # somebody else's, or gone

    @classmethod
    def of(cls, claimed: Claimed, asked_at: float) -> "Run":
        return cls(
            claimed.task_id,
            claimed.worker_id,
            claimed.run,
            claimed.reentrant,
            _seconds(claimed.timeout),
            claimed.func_name or "?",
            claimed.queue,
            claimed.in_graph,
            claimed.told,
            boottime(),
            asked_at,
        )

    @property
    def phase(self) -> int:
        """How far it has got, as ``page`` tells."""
        return page.IDLE if self.line is None else self.line.phase

    @property
    def label(self) -> str:
        """What the log calls it."""
        return f"{self.func_name} [{self.task_id}]"

    @property
    def log_fields(self) -> dict[str, object]:
        """What a log line in JSON says beside the message."""
        return {
            "task_id": self.task_id,
            "func": self.func_name,
            "queue": self.queue,
            "worker": self.worker_id,
        }

    def settlement(self, outcome: TaskOutcome) -> Settlement:
        move = outcome.move.name
        return Settlement(
            self.task_id, self.worker_id, self.number, move, outcome.reason, outcome.text
        )


def _seconds(raw: bytes) -> float:
    try:
        return max(0.0, float(raw))
    except ValueError:
        return 86400.0
