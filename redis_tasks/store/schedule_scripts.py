"""Name each Lua script of the schedulers as a Python function of the same name.

As in ``scripts``; ticks and Redis' present moment are aware datetimes of whole microseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis_tasks import clock, keys
from redis_tasks.store.client import Argument, Call, Reply
from redis_tasks.store.scripts import NewTask, counting

LEASE = 3.0  # seconds that a scheduler leads unless it says so again
MICROSECOND = timedelta(microseconds=1)
NO_TASK = NewTask("", "", b"", reentrant=False, timeout=0)


@dataclass(frozen=True, slots=True)
class Lead:
    """Who leads: *mine* if it is the one that asked, *taken* if it did not until now.

    *now* is the present moment.
    """

    now: datetime
    mine: bool
    taken: bool
    term: int
    description: str


@dataclass(frozen=True, slots=True)
class TickCall:
    """What the tick script needs of one tick; *how* as there, *keep* in seconds."""

    entry_id: str
    tick: datetime
    how: str
    missed: int
    keep: float
    queue: str = ""
    task: NewTask = NO_TASK


@dataclass(frozen=True, slots=True)
class Ticked:
    """When, and for each tick the word of tick.lua, with the id of the task that is busy."""

    now: datetime
    words: tuple[str, ...]
    busy: tuple[str, ...]


def lead(scheduler_id: str, description: str) -> Call[Lead]:
    """Take or keep the lead for ``LEASE`` seconds, if nobody else has it."""
    args = (keys.prefix(), scheduler_id, description, round(LEASE * 1000))
    return Call("lead", (keys.lead(),), args, _read_lead)


def _read_lead(reply: Reply) -> Lead:
    now, word, term, description = reply
    mine, taken = word != b"held", word == b"taken"
    return Lead(from_us(now), mine, taken, int(term), description.decode(errors="replace"))


def resign(scheduler_id: str, term: int) -> Call[int]:
    """Give the lead up, if it still is that scheduler's."""
    return Call("resign", (keys.lead(),), (keys.prefix(), scheduler_id, term), int)


def adopt(
    scheduler_id: str, term: int, entries: Sequence[tuple[str, str, float]]
) -> Call[list[datetime] | None]:
    """Take note of entries (id, fingerprint, seconds for which their state is kept).

    Returns up to when the ticks of each are done; None if the lead was lost.
    """
    args: list[Argument] = [keys.prefix(), scheduler_id, term]
    for entry_id, fingerprint, keep in entries:
        args += [entry_id, fingerprint, round(keep * 1000)]
    return Call("adopt", (keys.lead(),), tuple(args), _read_adopted)


def _read_adopted(reply: Reply) -> list[datetime] | None:
    return None if reply is None else [from_us(last) for last in reply]


def tick(scheduler_id: str, term: int, ticks: Sequence[TickCall]) -> Call[Ticked | None]:
    """Enqueue the tasks of some ticks, each once; None if the lead was lost."""
    args: list[Argument] = [keys.prefix(), scheduler_id, term]
    for each in ticks:
        task = each.task
        args += [each.entry_id, to_us(each.tick), each.how, each.missed, round(each.keep * 1000)]
        args += [each.queue, task.id, task.func_name, task.arguments, 1 if task.reentrant else 0]
        args += [task.timeout, task.meta, task.secret]
    fixed = (keys.lead(), keys.totals(), keys.queues(), *counting())
    return Call("tick", fixed, tuple(args), _read_ticked)


def _read_ticked(reply: Reply) -> Ticked | None:
    if reply is None:
        return None
    words = [word.decode(errors="replace").partition(" ") for word in reply[1:]]
    said, busy = tuple(word for word, _, _ in words), tuple(id_ for _, _, id_ in words)
    return Ticked(from_us(reply[0]), said, busy)


def from_us(microseconds: bytes | str | int) -> datetime:
    """Return the moment that Redis holds as microseconds since 1970."""
    return clock.EPOCH + int(microseconds) * MICROSECOND


def to_us(moment: datetime) -> int:
    return (moment - clock.EPOCH) // MICROSECOND
