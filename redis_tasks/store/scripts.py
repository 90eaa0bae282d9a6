"""Name each Lua script as a Python function of the same name.

Each function takes ids, names and plain values, and returns a ``Call``: what to send, with the
reading of its reply. ``client.run`` carries one out; the supervisor sends several together.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from redis_tasks import conf, keys
from redis_tasks.conf import settings
from redis_tasks.store.client import Argument, Call, Reply

BATCH = 100  # tasks that one script call takes away at most
ENQUEUE_BATCH = 1000  # tasks that one script call enqueues at most
FALLBACK_BYTES = 64 * 1024 * 1024  # kept by the registries where the server has no limit

UNREPORTED = frozenset({"timeout", "killed", "crash", "lost", "poison", "unstartable"})
"""Reasons of failures that come without the task's own process, as ends.lua knows them."""

Fields = dict[str, bytes]


class NewTask(NamedTuple):
    """What the enqueue script needs of one task."""

    id: str
    func_name: str
    arguments: bytes
    reentrant: bool
    timeout: float
    meta: bytes = b""
    secret: bytes = b""
    again: bool = False


CLAIMED = (
    *("w", "id", "run", "q", "fn", "to", "re", "g"),
    *("try", "start", "args", "enq", "meta", "sec", "cut"),
)
"""What claim.lua tells of a task: its worker and id, then fields of its record."""


class Claimed(NamedTuple):
    """A task that was given to a worker; *told* is all that was told of it, see ``CLAIMED``."""

    worker_id: str
    task_id: str
    run: int
    queue: str
    func_name: str
    timeout: bytes
    reentrant: bool
    in_graph: bool
    told: list[bytes]

    @property
    def fields(self) -> Fields:
        return run_fields(self.told)


class Settlement(NamedTuple):
    """How one run ended; *move* as in settle.lua."""

    task_id: str
    worker_id: str
    run: int
    move: str
    reason: str = ""
    text: str = ""


class Settled(NamedTuple):
    """What a settlement came to: finished, failed, queued, already, lost or gone."""

    word: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A task taken back from a lost worker: now queued or failed."""

    task_id: str
    worker_id: str
    run: int
    func_name: str
    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A killed run that middleware is to hear of; *name*: what ``report`` strikes off."""

    name: str
    task_id: str
    record: list[bytes]


@dataclass(frozen=True, slots=True)
class Renewed:
    """Whether the supervisor is registered; for each run: ok, late, lost or gone."""

    registered: bool
    words: tuple[str, ...]


class Enqueued(NamedTuple):
    """When (ms since 1970); for each task: new, repeated or other, and its status if repeated."""

    moment: int
    words: tuple[str, ...]
    statuses: tuple[str, ...]


registries_bytes = FALLBACK_BYTES
"""Bytes that both registries keep together unless the setting says; see ``learn_limits``."""


def learn_limits(maxmemory: int) -> None:
    """Derive the registries' share from the server's memory limit (bytes, 0: none)."""
    global registries_bytes
    registries_bytes = maxmemory * 15 // 100 if maxmemory else FALLBACK_BYTES


def enqueue(queue: str, tasks: Sequence[NewTask], *, at_front: bool = False) -> Call[Enqueued]:
    """Put new tasks into one queue, at most ``ENQUEUE_BATCH``: all or none."""
    args: list[Argument] = [keys.prefix(), queue, "front" if at_front else "back"]
    for task in tasks:
        again = "again" if task.again else "new"
        reentrant = 1 if task.reentrant else 0
        args += [task.id, again, task.func_name, task.arguments]
        args += [reentrant, task.timeout, task.meta, task.secret]
    fixed = (keys.totals(), keys.queues(), keys.queue(queue), keys.wake(queue), *counting())

    def repeated() -> Call[Enqueued]:
        return enqueue(queue, [task._replace(again=True) for task in tasks], at_front=at_front)

    return Call("enqueue", fixed, tuple(args), _read_enqueued, repeated)


def _read_enqueued(reply: Reply) -> Enqueued:
    words = [word.decode().partition(" ") for word in reply[1:]]
    return Enqueued(
        int(reply[0]), tuple(word for word, _, _ in words), tuple(status for _, _, status in words)
    )


def claim(
    supervisor_id: str, request: int, queues: Sequence[str], worker_ids: Sequence[str]
) -> Call[list[Claimed] | None]:
    """Take the next tasks for free workers; None if the supervisor is not registered.

    *request* counts a supervisor's requests from 1; the same again gets the same reply.
    """
    fixed = [keys.supervisor(supervisor_id)]
    for queue in queues:
        fixed += [keys.queue(queue), keys.leases(queue), keys.wake(queue)]
    args: list[Argument] = [keys.prefix(), request, lease_ms(), len(worker_ids), *worker_ids]
    return Call("claim", tuple(fixed), tuple(args), _read_claimed)


def _read_claimed(reply: Reply) -> list[Claimed] | None:
    if reply is None:
        return None
    return [
        Claimed(
            _name(told[0]),
            _text(told[1]),
            int(told[2]),
            _name(told[3]),
            _name(told[4]),
            told[5],
            told[6] == b"1",
            bool(told[7]),
            told,
        )
        for told in reply
    ]


def run_fields(told: Sequence[bytes]) -> Fields:
    """Return the record of a claimed task as its run needs it, from what was told of it."""
    return {"st": b"running", **dict(zip(CLAIMED, told, strict=True))}


def read_fields(record: Sequence[bytes]) -> Fields:
    """Turn name, value, name, value, ... into a dict; the last of a repeated name counts."""
    return dict(zip(map(_name, record[::2]), record[1::2], strict=True))


def wake(queue: str) -> Call[int]:
    """Give back a wake-up token that nobody could use."""
    return Call("wake", (keys.queue(queue), keys.wake(queue)), (keys.prefix(),), int)


def settle(settlements: Iterable[Settlement]) -> Call[list[Settled]]:
    """Record how some runs ended, each under its fence."""
    args: list[Argument] = [keys.prefix(), *_registry_limits()]
    args += [settings.MAX_CRASHES, settings.MAX_RELEASES, _wants_reports()]
    for s in settlements:
        text = s.text.encode(errors="backslashreplace")
        args += [s.task_id, s.worker_id, s.run, s.move, s.reason, text]
    return Call("settle", (keys.totals(), *counting()), tuple(args), _read_settled)


def _read_settled(reply: Reply) -> list[Settled]:
    return [Settled(*map(_name, words)) for words in reply]


def counting() -> tuple[str, ...]:
    """Return the key that tells a script to count; none where statistics are switched off."""
    return (keys.counts("names"),) if settings.STATISTICS else ()


def _registry_limits() -> tuple[int, int, int]:
    limit = settings.REGISTRIES_MAX_BYTES
    return (
        settings.FINISHED_TASKS_MAX,
        settings.FAILED_TASKS_MAX,
        registries_bytes if limit is None else limit,
    )


def renew(
    supervisor_id: str, runs: Sequence[tuple[str, str, int]], memory: int = 0
) -> Call[Renewed]:
    """Give a sign of life for the supervisor and for runs (task, worker, run).

    *memory*: bytes that it takes with its workhorses, 0 if that is not known.
    """
    args: list[Argument] = [keys.prefix(), supervisor_id, lease_ms(), record_ttl_ms(), memory]
    for run in runs:
        args += run
    return Call(
        "renew", (keys.supervisor(supervisor_id), keys.workers()), tuple(args), _read_renewed
    )


def _read_renewed(reply: Reply) -> Renewed:
    return Renewed(reply[0] == 1, tuple(word.decode() for word in reply[1:]))


def recover(queue: str) -> Call[list[Recovered] | None]:
    """Take back tasks whose lease ran out, at most ``BATCH``; None during a grace period."""
    args: tuple[Argument, ...] = (
        keys.prefix(),
        *_registry_limits(),
        settings.MAX_CRASHES,
        queue,
        lease_ms(),
        _ms(conf.guard()),
        _ms(conf.grace()),
        _wants_reports(),
    )
    fixed = (keys.totals(), keys.leases(queue), keys.guard(), *counting())
    return Call("recover", fixed, args, _read_recovered)


def _read_recovered(reply: Reply) -> list[Recovered] | None:
    if reply is None:
        return None
    recovered = []
    for taken in reply:
        task, worker, run, func, word, reason = map(_text, taken)
        recovered.append(Recovered(task, worker, int(run), func, word, reason))
    return recovered


def register(
    supervisor_id: str, description: str, queues: Sequence[str], workers: int
) -> Call[int]:
    """Enter a supervisor among the live ones."""
    args = (
        keys.prefix(),
        supervisor_id,
        description,
        json.dumps(list(queues)),
        workers,
        record_ttl_ms(),
    )
    return Call("register", (keys.supervisor(supervisor_id), keys.workers()), args, int)


def retire(supervisor_id: str) -> Call[int]:
    """Take a supervisor off the live ones; its record is kept ``DEAD_WORKER_TTL``."""
    args = (keys.prefix(), supervisor_id, _ms(settings.DEAD_WORKER_TTL))
    return Call("retire", (keys.supervisor(supervisor_id), keys.workers()), args, int)


def bury() -> Call[list[tuple[str, str]]]:
    """Mark supervisors without a sign of life as dead; returns their ids and descriptions."""
    args = (keys.prefix(), lease_ms(), _ms(settings.DEAD_WORKER_TTL))
    return Call("bury", (keys.workers(),), args, _read_buried)


def _read_buried(reply: Reply) -> list[tuple[str, str]]:
    return [(_text(sid), _text(description)) for sid, description in reply]


def cancel(task_id: str) -> Call[str]:
    """Take a waiting task out of its queue: "cancelled", "gone" or the forbidding status."""
    return Call("cancel", (keys.task(task_id),), (keys.prefix(), task_id), _text)


def delete(task_ids: Sequence[str]) -> Call[list[str]]:
    """Delete tasks, at most ``BATCH``: for each "deleted", "running" (left alone) or "gone"."""
    return Call("delete", (keys.totals(),), (keys.prefix(), *task_ids), _texts)


def drain(queue: str) -> Call[int]:
    """Delete the next ``BATCH`` waiting tasks of a queue; returns how many there were."""
    return Call("drain", (keys.queue(queue), keys.wake(queue)), (keys.prefix(), BATCH), int)


def forget_queue(queue: str) -> Call[tuple[int, int]]:
    """Strike an empty queue off the list; returns how many tasks wait and run in it."""
    fixed = (keys.queues(), keys.queue(queue), keys.leases(queue), keys.guard())
    return Call("forget_queue", fixed, (keys.prefix(), queue), tuple)


def expire(registry: str, ttl: float) -> Call[int]:
    """Delete a registry's tasks that ended over *ttl* seconds ago, at most ``BATCH``."""
    fixed = (keys.totals(), keys.registry(registry))
    return Call("expire", fixed, (keys.prefix(), registry, _ms(ttl)), int)


def summarize() -> Call[int]:
    """Sum up the counts of the minutes that are over; returns how many there were."""
    fixed = (keys.totals(), keys.counts("names"), keys.counts("ever"), keys.failures())
    return Call("summarize", fixed, (keys.prefix(), _ms(settings.EXPIRING_REGISTRIES_TTL)), int)


def save_meta(task_id: str, worker_id: str, run: int | None, meta: bytes) -> Call[str]:
    """Replace a task's meta: "saved", "refused" (it runs elsewhere) or "gone"."""
    args = (keys.prefix(), task_id, worker_id, "" if run is None else run, meta)
    return Call("save_meta", (keys.totals(),), args, _text)


def report(done: str) -> Call[Taken | None]:
    """Take the next killed run to be reported for the length of a lease; strike off *done*."""
    return Call("report", (keys.post_mortem(),), (keys.prefix(), done, lease_ms()), _read_taken)


def _read_taken(reply: Reply) -> Taken | None:
    return None if reply is None else Taken(_text(reply[0]), _text(reply[1]), reply[2])


def _wants_reports() -> str:
    return "1" if settings.MIDDLEWARE else ""


def count_run(func_name: str, queue: str, outcome: str, seconds: float) -> Call[int]:
    """Add a run to the totals of its function in its queue."""
    args = (keys.prefix(), json.dumps([func_name, queue]), outcome, round(seconds * 1e6))
    return Call("count_run", (keys.timing(),), args, int)


def lease_ms() -> int:
    return _ms(settings.WORKER_HEARTBEAT_TIMEOUT)


def record_ttl_ms() -> int:
    return _ms(settings.WORKER_HEARTBEAT_TIMEOUT + settings.DEAD_WORKER_TTL)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _text(raw: Any) -> str:
    # Names and ids may be anybody's bytes; a worker must survive them.
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)


_name = lru_cache(256)(_text)
"""The same for what comes again and again."""


def _texts(reply: Reply) -> list[str]:
    return [_text(raw) for raw in reply]
