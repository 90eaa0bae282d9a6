"""Read tasks from Redis as lines of a list."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from dashboard import words
from dashboard.queries_reading import ask, now, once
from dashboard.shapes import TaskLine, Text
from redis_tasks import keys
from redis_tasks.task import Task

SHOWN = 2048  # bytes of a text
LIGHT = 24 * 1024  # bytes of a record that is read without a closer look
FIELDS = (
    *("st", "q", "fn", "args", "enq", "start", "end", "to", "run", "try", "w", "why", "gist"),
    *("sec", "less", "re", "cut", "meta", "g"),
)


def shown(text: str, size: int | None = None) -> Text:
    """Return the beginning of a text; *size* is its whole length if this is not all of it."""
    raw = text.encode(errors="backslashreplace")
    whole = len(raw) if size is None else size
    if len(raw) <= SHOWN:
        return Text(raw.decode(), whole, is_cut=whole > len(raw))
    return Text(raw[:SHOWN].decode(errors="ignore"), whole, is_cut=True)


def fetch(task_ids: Sequence[str], light: int = LIGHT) -> dict[str, Task]:
    """Return the tasks of these ids that there are.

    Of a record larger than *light* bytes the fields that are large are left out: somebody else
    may have written anything. Takes up to three round trips.
    """
    fields = FIELDS
    sizes = ask(("MEMORY", "USAGE", keys.task(task_id), "SAMPLES", 0) for task_id in task_ids)
    small = [i for i, size in zip(task_ids, sizes, strict=True) if size and size <= light]
    heavy = [i for i, size in zip(task_ids, sizes, strict=True) if size and size > light]
    lengths = ask(
        [("HMGET", keys.task(task_id), *fields) for task_id in small]
        + [("HSTRLEN", keys.task(task_id), name) for task_id in heavy for name in fields]
    )
    records = dict(zip(small, lengths, strict=False))
    tasks = {i: Task.from_record(i, _named(fields, values)) for i, values in records.items()}
    wanted = {}
    for number, task_id in enumerate(heavy):
        begin = len(small) + number * len(fields)
        of_each = lengths[begin : begin + len(fields)]
        short = [n for n, size in zip(fields, of_each, strict=True) if size and size <= SHOWN]
        _left_out()[task_id] = of_each[fields.index("args")] or 0
        if short:
            wanted[task_id] = short
    found = ask(("HMGET", keys.task(i), *names) for i, names in wanted.items())
    for (task_id, names), values in zip(wanted.items(), found, strict=True):
        tasks[task_id] = Task.from_record(task_id, _named(names, values))
    return {task_id: tasks[task_id] for task_id in task_ids if task_id in tasks}


def _left_out() -> dict[str, int]:
    """Return how many bytes of arguments this page has not read of which task."""
    return once("arguments left out", dict)


def call(task: Task, longest: int) -> str:
    """Return a task's call in words, in at most so many bytes."""
    size = _left_out().get(task.id, 0)
    if size > SHOWN:
        return f"{task.func_name}(<{words.size(size)} of arguments>)"
    return task.describe(longest)


def _named(names: Sequence[str], values: Sequence[bytes | None] | None) -> dict[str, bytes]:
    pairs = zip(names, values or [None] * len(names), strict=True)
    return {name: value for name, value in pairs if value is not None}


def line(task: Task, workers: Mapping[str, str], position: int | None = None) -> TaskLine:
    """Return one task as a line; *workers* gives the descriptions of workers by their ids."""
    present = now()
    started, ended = task.started_at, task.ended_at
    is_running = task.status == "running"
    over = ended if ended is not None else (present if is_running else None)
    ran = _seconds(started, over)
    worker = task.worker_id or ""
    return TaskLine(
        id=task.id,
        status=task.status or "unknown",
        func_name=task.func_name,
        call=shown(call(task, SHOWN)),
        queue=task.origin or "",
        enqueued_at=task.enqueued_at,
        started_at=started,
        ended_at=ended,
        waited=_seconds(task.enqueued_at, started or over or present),
        ran=ran,
        timeout=task.timeout,
        left=task.timeout - ran if is_running and ran is not None else None,
        worker=workers.get(worker, worker),
        worker_id=worker,
        run=task.run,
        attempt=task.attempt,
        reason=task.failure_reason or "",
        error_line=task.error_line,
        position=position,
    )


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    if begin is None or end is None:
        return None
    return max(0.0, (end - begin).total_seconds())
