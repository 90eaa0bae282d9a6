"""Read from Redis who ran what when."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter

from dashboard import queries_lists, queries_workers
from dashboard.queries_reading import ask, ask_columns, now
from dashboard.queries_registry import count_before, entries
from dashboard.shapes import MOST_BARS, Bar, HistoryPage, Lane
from redis_tasks import clock, keys
from redis_tasks.task import Task

FIELDS = ("st", "q", "fn", "w", "start", "end", "cut")
LATER = 500  # tasks that ended after the window which may have run in it
NOWHERE = "(unknown)"


# A run among thousands, so that it stays a tuple of numbers and texts until it is known to be
# shown: began, ended (ms), status, function, queue, worker's id, worker's name, task's id.
_Run = tuple[int, int | None, str, str, str, str, str, str]


def history(start: datetime, end: datetime, by: str) -> HistoryPage:
    """Return the runs between two moments, in lanes by ``worker`` or ``function``."""
    ids, is_complete = _candidates(start, end)
    low, high = clock.to_ms(start), clock.to_ms(end)
    runs = [run for run in _runs(ids) if run[0] <= high and (run[1] is None or run[1] >= low)]
    runs.sort(key=itemgetter(0))
    workers = queries_workers.names({run[5] for run in runs})
    lanes: dict[str, list[Bar]] = {}
    for began, ended, status, function, queue, worker_id, name, task_id in runs:
        worker = name or workers.get(worker_id, worker_id)
        moments = (_moment(began), None if ended is None else _moment(ended))
        lane = (worker if by == "worker" else function) or NOWHERE
        if lane not in lanes:
            lanes[lane] = []
        lanes[lane].append(Bar(task_id, function, status, *moments, queue, worker))
    drawn = tuple(Lane(name, tuple(bars)) for name, bars in sorted(lanes.items()))
    return HistoryPage(now(), start, end, by, drawn, is_complete)


def _moment(milliseconds: int) -> datetime:
    return clock.EPOCH + milliseconds * clock.MILLISECOND


def _candidates(start: datetime, end: datetime) -> tuple[list[bytes], bool]:
    ended, later = _ended(clock.to_ms(start), clock.to_ms(end) + 1)
    names = queries_lists.queue_names()
    running = [("ZRANGE", keys.leases(name), 0, MOST_BARS) for name in names]
    interrupted = ("-inf", "(-900000000000", "BYSCORE", "LIMIT", 0, LATER)  # that wait again
    again = [("ZRANGE", keys.queue(name), *interrupted) for name in names]
    ids = ended[:MOST_BARS]
    for part in (*ask([*running, *again]), later):
        ids += part or []
    found = list(dict.fromkeys(ids))
    return found[: MOST_BARS + 2 * LATER], len(ended) <= MOST_BARS


def _ended(low: int, above: int) -> tuple[list[bytes], list[bytes]]:
    """Return the tasks that ended between two moments, newest first, and the first ones after."""
    registries = (keys.FINISHED, keys.FAILED)
    found = count_before([(name, moment) for name in registries for moment in (low, above)])
    within, later = [], []
    for name, first, end in zip(registries, found[::2], found[1::2], strict=True):
        for entry in entries(name, max(first, end - MOST_BARS - 1), end + LATER):
            if entry[0] >= above:
                later.append(entry)
            elif entry[0] >= low:
                within.append(entry)
    within.sort(reverse=True)
    return [task_id for _, task_id in within], [task_id for _, task_id in later]


def _runs(ids: Sequence[bytes]) -> Iterator[_Run]:
    text = cache(lambda raw: (raw or b"").decode(errors="replace"))  # there are few words
    for raw, *words, start, end, cut in zip(ids, *ask_columns(ids, FIELDS), strict=True):
        task_id = raw.decode(errors="replace")
        status, queue, function, worker = map(text, words)
        began, ended = _number(start), _number(end)
        if cut:
            for moments, where in _aborted(task_id, cut):
                yield (*moments, "interrupted", function, queue, "", where, task_id)
        if began is not None and status in ("running", "finished", "failed"):
            ended = None if status == "running" else ended
            yield began, ended, status, function, queue, worker, "", task_id


def _aborted(task_id: str, cut: bytes) -> Iterator[tuple[tuple[int, int], str]]:
    for began, ended, where in Task.from_record(task_id, {"cut": cut}).aborted_on:
        yield (clock.to_ms(began), clock.to_ms(ended)), where


def _number(raw: bytes | None) -> int | None:
    return int(raw) if raw and raw.isdigit() and len(raw) < 14 else None
