"""What the model of the store is made of: tasks, supervisors, limits."""

from dataclasses import dataclass, field

Run = tuple[str, str, int]  # task, worker, number


@dataclass(frozen=True)
class Limits:
    """Settings as the scripts get them; times in ms."""

    lease: int
    guard: int
    grace: int
    finished: int
    failed: int
    size: int
    crashes: int
    releases: int


@dataclass
class Record:
    """One task."""

    id: str
    queue: str
    func: str
    arguments: bytes
    reentrant: bool
    seq: int
    enqueued_at: int
    status: str = "queued"
    run: int = 0
    attempt: int = 0
    crashes: int = 0
    releases: int = 0
    worker: str = ""
    why: str = ""
    lost: str = ""
    aborted: int = 0
    meta: bytes = b""
    size: int = 0
    less: bool = False

    def shown(self) -> dict[str, object]:
        """Return what its record in Redis should say, in the names of its fields."""
        return {
            "st": self.status,
            "q": self.queue,
            "run": self.run,
            "try": self.attempt,
            "crash": self.crashes,
            "rel": self.releases,
            "w": self.worker,
            "why": self.why,
            "lost": self.lost,
            "cut": self.aborted,
            "args": self.arguments,
            "meta": self.meta,
            "seq": self.seq if self.status in ("queued", "running") else None,
        }


@dataclass
class Host:
    """One supervisor as Redis knows it."""

    on: bool = True
    request: int = 0
    claimed_at: int = 0
    slots: dict[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """One task of a call of enqueue."""

    id: str
    func: str
    arguments: bytes
    reentrant: bool
    again: bool
