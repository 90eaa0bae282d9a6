"""Read from Redis which workers live."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dashboard.queries_reading import ask, ask_one, now, once
from dashboard.queries_tasks import fetch, line
from dashboard.shapes import Dyno, WorkerLine
from redis_tasks import clock, keys
from redis_tasks.conf import settings
from redis_tasks.record import decode_names
from redis_tasks.registries import worker_ids
from redis_tasks.worker import DEAD, Worker

MOST = 1_000  # supervisors that are shown


def dynos() -> tuple[Dyno, ...]:
    """Return the live supervisors by description, their workers without their tasks."""
    return once("dynos", _read)


def _read() -> tuple[Dyno, ...]:
    # Those that lived last: of very many that died at once nobody wants to see all.
    beats = ask_one("ZRANGE", keys.workers(), 0, MOST - 1, "REV", "WITHSCORES")
    ids = [(raw.decode(errors="replace"), float(score)) for raw, score in _pairs(beats)]
    records = ask(("HGETALL", keys.supervisor(supervisor_id)) for supervisor_id, _ in ids)
    found = [
        _dyno(supervisor_id, beat, decode_names(record))
        for (supervisor_id, beat), record in zip(ids, records, strict=True)
        if record
    ]
    return tuple(sorted(found, key=lambda dyno: (dyno.description, dyno.id)))


def with_tasks(found: tuple[Dyno, ...]) -> tuple[Dyno, ...]:
    """Return the same with what each worker runs."""
    running = {w.id: w.task_id for dyno in found for w in dyno.workers if w.task_id}
    tasks = fetch(list(running.values()))
    known = names(running)
    lines = {task_id: line(task, known) for task_id, task in tasks.items()}
    return tuple(
        replace(dyno, workers=tuple(replace(w, task=lines.get(w.task_id)) for w in dyno.workers))
        for dyno in found
    )


def _pairs(reply: list[Any]) -> list[tuple[bytes, float]]:
    """Return members of a sorted set with their scores."""
    # The client has paired members with their scores already, or has not: as it likes.
    if reply and isinstance(reply[0], (tuple, list)):
        return [(pair[0], pair[1]) for pair in reply]
    return list(zip(reply[::2], reply[1::2], strict=True))


def _dyno(supervisor_id: str, beat: float, record: dict[str, bytes]) -> Dyno:
    workers = [Worker(worker_id, record) for worker_id in worker_ids(supervisor_id, record)]
    beat_at = clock.from_ms(int(max(beat, _number(record.get("seen")))))
    age = (now() - beat_at).total_seconds() if beat_at else 0.0
    # Nobody may be left who would take it off the live ones.
    is_dead = age > settings.WORKER_HEARTBEAT_TIMEOUT
    return Dyno(
        id=supervisor_id,
        description=record.get("desc", b"?").decode(errors="replace"),
        workers=tuple(
            WorkerLine(w.id, w.description, DEAD if is_dead else w.state, w.current_task_id or "")
            for w in workers
        ),
        queues=tuple(queue.name for queue in workers[0].queues),
        started_at=workers[0].started_at,
        last_beat_at=beat_at,
        memory=_number(record.get("mem")) or None,
        is_late=age > 3 * settings.WORKER_HEARTBEAT_FREQ,
        is_dead=is_dead,
    )


def _number(raw: bytes | None) -> int:
    return int(raw) if raw and raw.isdigit() and len(raw) < 18 else 0


def live(found: Iterable[Dyno]) -> tuple[Dyno, ...]:
    """Return those that live."""
    return tuple(dyno for dyno in found if not dyno.is_dead)


def names(worker_ids: Iterable[str]) -> dict[str, str]:
    """Return descriptions by the ids of workers, also of dead ones that are still known."""
    found = {worker.id: worker.description for dyno in dynos() for worker in dyno.workers}
    wanted = {worker_id for worker_id in worker_ids if worker_id and worker_id not in found}
    gone = sorted({worker_id.partition("#")[0] for worker_id in wanted})[:MOST]
    described = ask(("HGET", keys.supervisor(supervisor_id), "desc") for supervisor_id in gone)
    of_gone = {sid: raw for sid, raw in zip(gone, described, strict=True) if raw}
    for worker_id in wanted:
        supervisor_id, mark, number = worker_id.partition("#")
        if raw := of_gone.get(supervisor_id):
            found[worker_id] = raw.decode(errors="replace") + mark + number
    return found
