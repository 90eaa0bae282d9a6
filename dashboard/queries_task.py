"""Read one task from Redis with all that is known of its runs."""

from collections.abc import Iterator

from dashboard import queries_graph, queries_workers, states, tracebacks
from dashboard.queries_reading import ask_one, now
from dashboard.queries_tasks import call, fetch, line, shown
from dashboard.shapes import Segment, TaskLine, TaskPage, Text
from redis_tasks import keys
from redis_tasks.exceptions import DeserializationError
from redis_tasks.task import Task

WHOLE = 1024 * 1024  # bytes of a text that are shown where all of it is asked for


def task(task_id: str) -> TaskPage | None:
    """Return everything about one task; None if there is no such task."""
    found = _whole(task_id)
    if found is None:
        return None
    workers = queries_workers.names([found.worker_id or ""])
    shown_line = line(found, workers)
    error = _error(task_id) or Text()
    return TaskPage(
        taken_at=now(),
        task=shown_line,
        words=_words(shown_line),
        arguments=shown(call(found, WHOLE)),
        error=shown(error.shown, error.size),
        meta=shown(_notes(found)),
        is_reentrant=found.is_reentrant,
        is_redacted=found.has_secrets,
        is_shortened=found.is_shortened,
        frames=tracebacks.frames(error.shown),
        segments=tuple(_segments(found, shown_line)),
        group=found.failure_group,
        graph=queries_graph.link(found),
    )


def _whole(task_id: str) -> Task | None:
    # A record of ours fits in; of another one its large fields are left out.
    return fetch([task_id], light=2 * WHOLE).get(task_id)


def text(task_id: str, name: str) -> Text | None:
    """Return one of a task's texts whole, that is at most ``WHOLE`` of it."""
    if name == "error":
        return _error(task_id)
    found = _whole(task_id)
    if found is None:
        return None
    whole = call(found, WHOLE) if name == "arguments" else _notes(found)
    return Text(whole, len(whole.encode(errors="backslashreplace"))) if whole else None


def _error(task_id: str) -> Text | None:
    size = ask_one("HSTRLEN", keys.task(task_id), "err")
    if not size:
        return None
    if size > WHOLE:
        return Text(f"<{size:,} bytes are more than can be shown>", size, is_cut=True)
    raw = ask_one("HGET", keys.task(task_id), "err") or b""
    return Text(raw.decode(errors="replace"), len(raw))


def _notes(found: Task) -> str:
    try:
        return repr(found.meta) if found.meta else ""
    except DeserializationError as error:
        return f"<undecodable: {error}>"


def _words(task: TaskLine) -> str:
    said = states.meaning(task.status)
    if task.status == "failed":
        said = states.REASONS.get(task.reason, said)
    elif task.status == "queued" and task.run:
        said += " again, after it was interrupted"
    return said


def _segments(found: Task, shown_line: TaskLine) -> Iterator[Segment]:
    since = found.enqueued_at
    for begin, end, worker in found.aborted_on:
        if since is not None and begin > since:
            yield Segment("waiting", since, begin, "waiting")
        yield Segment("interrupted", begin, end, "interrupted", worker)
        since = end
    started, status = found.started_at, shown_line.status
    if since is not None and (started is None or started > since):
        until = found.ended_at if started is None else started
        yield Segment("waiting", since, until, "waiting")
    if started is not None:
        kind = status if status in ("running", "finished", "failed") else "interrupted"
        yield Segment(
            kind,
            started,
            found.ended_at,
            (shown_line.reason if kind == "failed" else "") or kind,
            shown_line.worker,
            shown_line.worker_id,
            found.run,
        )
