"""Find the tasks that a filter wants among many."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from dashboard.queries_reading import Column, ask_columns
from dashboard.shapes import Filter
from redis_tasks import clock
from redis_tasks.record import failure_group

Check = Callable[[int], bool]  # takes the place of a task
ALWAYS, NEVER = 0, 10**15  # ms


def matching(ids: Sequence[bytes], wanted: Filter) -> list[int]:
    """Return the places of those of the ids whose tasks fit, in their order."""
    # Ten thousand tasks may be asked: no field that is not needed, no call that can be spared.
    fields = _fields(wanted)
    columns = dict(zip(fields, ask_columns(ids, fields), strict=True))
    found = list(range(len(ids)))
    for check in _checks(wanted, ids, columns):
        found = list(filter(check, found))
    return found


def _fields(wanted: Filter) -> list[str]:
    names = set()
    if wanted.function or wanted.group or wanted.text:
        names.add("fn")
    if wanted.group or wanted.text:
        names.add("gist")
    if wanted.queue:
        names.add("q")
    if wanted.since or wanted.until:
        names |= {"st", "enq", "start", "end"}
    return sorted(names)


def _checks(
    wanted: Filter, ids: Sequence[bytes], columns: Mapping[str, Column]
) -> Iterator[Check]:
    if wanted.function:
        yield _begins(columns["fn"], _raw(wanted.function))
    if wanted.queue:
        yield _equals(columns["q"], _raw(wanted.queue))
    if wanted.group:
        yield _is_of_group(columns["fn"], columns["gist"], wanted.group)
    if wanted.text:
        yield _has(ids, columns["fn"], columns["gist"], wanted.text.casefold())
    if wanted.since or wanted.until:
        low = clock.to_ms(wanted.since) if wanted.since else ALWAYS
        high = clock.to_ms(wanted.until) if wanted.until else NEVER
        yield _is_within(columns, low, high)


def _begins(column: Column, beginning: bytes) -> Check:
    return lambda place: (column[place] or b"").startswith(beginning)


def _equals(column: Column, name: bytes) -> Check:
    return lambda place: column[place] == name


def _is_of_group(functions: Column, gists: Column, group: str) -> Check:
    group_of = cache(failure_group)  # there are few of them
    return lambda place: group_of(functions[place] or b"", gists[place] or b"") == group


def _has(ids: Sequence[bytes], functions: Column, gists: Column, part: str) -> Check:
    raw = part.encode(errors="surrogateescape")

    def check(place: int) -> bool:
        text = b"\n".join((ids[place], functions[place] or b"", gists[place] or b""))
        if text.isascii():
            return raw in text.lower()
        return part in text.decode(errors="replace").casefold()

    return check


def _is_within(columns: Mapping[str, Column], low: int, high: int) -> Check:
    begins = {b"queued": columns["enq"], b"running": columns["start"]}
    states, ends = columns["st"], columns["end"]

    def check(place: int) -> bool:
        raw = begins.get(states[place] or b"", ends)[place] or b""
        return low <= (int(raw) if raw.isdigit() and len(raw) < 15 else -1) <= high

    return check


def _raw(text: str) -> bytes:
    # From a URL: it may stand for any bytes.
    return text.encode(errors="surrogateescape")
