"""Read pages of lists of tasks from Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dashboard import queries_workers
from dashboard.queries_reading import ask, ask_columns, ask_one, once
from dashboard.queries_registry import BEGINNING, FOREVER, count_before, entries
from dashboard.queries_scan import matching
from dashboard.queries_tasks import fetch, line
from dashboard.shapes import LARGEST_PAGE, WINDOW, Filter, Page, TaskLine
from redis_tasks import clock, keys

MOST_QUEUES = 200  # that are shown or measured at once


def queue_names() -> tuple[str, ...]:
    """Return the names of all queues, sorted."""
    raw = once("queues", lambda: ask_one("SMEMBERS", keys.queues())) or ()
    return tuple(sorted(name.decode(errors="replace") for name in raw))


def busiest() -> tuple[str, ...]:
    """Return the names of the queues, at most ``MOST_QUEUES``: those with the most tasks."""
    names = queue_names()
    if len(names) <= MOST_QUEUES:
        return names
    sizes = ask(("ZCARD", key(name)) for name in names for key in (keys.queue, keys.leases))
    tasks = {name: (sizes[2 * i] or 0) + (sizes[2 * i + 1] or 0) for i, name in enumerate(names)}
    return tuple(sorted(sorted(names, key=lambda name: -tasks[name])[:MOST_QUEUES]))


def waiting(queue: str, number: int, size: int, wanted: Filter) -> Page[TaskLine]:
    """Return tasks of a queue, next first."""
    key = keys.queue(queue)
    if wanted.is_empty:
        page = _page(number, size, ask_one("ZCARD", key) or 0)
        begin = (page.number - 1) * page.size
        ids = texts(ask_one("ZRANGE", key, begin, begin + page.size - 1))
        places = {task_id: begin + i for i, task_id in enumerate(ids, 1)}
        return replace(page, items=lines(ids, places))
    total, window = ask([("ZCARD", key), ("ZRANGE", key, 0, WINDOW - 1)])
    return _filtered(window or [], number, size, wanted, total or 0, has_places=True)


def over(registry: str, number: int, size: int, wanted: Filter) -> Page[TaskLine]:
    """Return tasks of a registry, newest first."""
    low = BEGINNING if wanted.since is None else clock.to_ms(wanted.since)
    above = FOREVER if wanted.until is None else clock.to_ms(wanted.until) + 1
    first, end = count_before([(registry, low), (registry, above)])

    def newest(after: int, most: int) -> list[bytes]:
        found = entries(registry, max(first, end - after - most), end - after)
        # Others may have moved what is there since the places were looked for.
        return [task_id for ended_at, task_id in found if low <= ended_at < above][::-1]

    rest = replace(wanted, since=None, until=None)
    total = max(0, end - first)
    if rest.is_empty:
        page = _page(number, size, total)
        return replace(page, items=lines(texts(newest((page.number - 1) * page.size, page.size))))
    return _filtered(newest(0, WINDOW), number, size, rest, total)


def running(number: int, size: int, wanted: Filter) -> Page[TaskLine]:
    """Return the running tasks, those first that have run for longest."""
    names = (wanted.queue,) if wanted.queue else queue_names()
    found = ask(("ZRANGE", keys.leases(name), 0, WINDOW - 1) for name in names)
    ids = [task_id for part in found for task_id in part or ()]
    starts = ask_columns(ids[:WINDOW], ["start"])[0]
    window = sorted(zip(map(_as_number, starts), ids, strict=False))
    ids[:WINDOW] = [task_id for _, task_id in window]
    if wanted.is_empty:
        page = _page(number, size, len(ids))
        begin = (page.number - 1) * page.size
        return replace(page, items=lines(texts(ids[begin : begin + page.size])))
    return _filtered(ids[:WINDOW], number, size, wanted, len(ids))


def _as_number(raw: bytes | None) -> tuple[int, bytes]:
    """Return what sorts like the number, what is none last."""
    return (len(raw), raw) if raw else (99, b"")


def lines(ids: Sequence[str], places: Mapping[str, int] | None = None) -> tuple[TaskLine, ...]:
    """Return the tasks of these ids as lines; ids of no task are passed over."""
    tasks = fetch(ids)
    workers = queries_workers.names(task.worker_id or "" for task in tasks.values())
    return tuple(line(task, workers, (places or {}).get(task.id)) for task in tasks.values())


def texts(reply: Sequence[bytes] | None) -> list[str]:
    return [raw.decode(errors="replace") for raw in reply or ()]


def _filtered(
    ids: Sequence[bytes],
    number: int,
    size: int,
    wanted: Filter,
    total: int,
    *,
    has_places: bool = False,
) -> Page[TaskLine]:
    found = matching(ids, wanted)
    page = _page(number, size, len(found))
    begin = (page.number - 1) * page.size
    shown = found[begin : begin + page.size]
    names = texts([ids[place] for place in shown])
    places = {name: place + 1 for name, place in zip(names, shown, strict=True)}
    items = lines(names, places if has_places else {})
    return replace(page, items=items, scanned=len(ids), is_complete=total <= len(ids))


def _page(number: int, size: int, total: int) -> Page[TaskLine]:
    page: Page[TaskLine] = Page(size=max(1, min(size, LARGEST_PAGE)), total=total)
    return replace(page, number=max(1, min(number, page.last)))
