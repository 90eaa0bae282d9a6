"""Find the tasks that a filter wants among many."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from dashboard.queries_reading import ask_records
from dashboard.shapes import Filter
from redis_tasks import clock
from redis_tasks.record import failure_group

Check = Callable[[bytes, list[bytes | None]], bool]  # takes the id and the fields of a task
ALWAYS, NEVER = 0, 10**15  # ms


def matching(ids: Sequence[bytes], wanted: Filter) -> list[bytes]:
    """Return those of the ids whose tasks fit, in their order."""
    # Ten thousand tasks may be asked: no field that is not needed, no call that can be spared.
    fields = _fields(wanted)
    found = [pair for pair in zip(ids, ask_records(ids, fields), strict=True) if pair[1]]
    for check in _checks(wanted, {name: place for place, name in enumerate(fields)}):
        found = [pair for pair in found if check(*pair)]  # type: ignore[arg-type]
    return [task_id for task_id, _ in found]


def _fields(wanted: Filter) -> list[str]:
    names = {"st"}
    if wanted.function or wanted.group or wanted.text:
        names.add("fn")
    if wanted.group or wanted.text:
        names.add("gist")
    if wanted.queue:
        names.add("q")
    if wanted.since or wanted.until:
        names |= {"enq", "start", "end"}
    return sorted(names)


def _checks(wanted: Filter, at: dict[str, int]) -> Iterator[Check]:
    if wanted.function:
        yield _begins(at["fn"], _raw(wanted.function))
    if wanted.queue:
        yield _equals(at["q"], _raw(wanted.queue))
    if wanted.group:
        yield _is_of_group(at["fn"], at["gist"], wanted.group)
    if wanted.text:
        yield _has(at["fn"], at["gist"], wanted.text.casefold())
    if wanted.since or wanted.until:
        low = clock.to_ms(wanted.since) if wanted.since else ALWAYS
        high = clock.to_ms(wanted.until) if wanted.until else NEVER
        yield lambda _, record: low <= _moment(record, at) <= high


def _begins(at: int, beginning: bytes) -> Check:
    return lambda _, record: (record[at] or b"").startswith(beginning)


def _equals(at: int, name: bytes) -> Check:
    return lambda _, record: record[at] == name


def _is_of_group(fn: int, gist: int, group: str) -> Check:
    group_of = cache(failure_group)  # there are few of them
    return lambda _, record: group_of(record[fn] or b"", record[gist] or b"") == group


def _has(fn: int, gist: int, part: str) -> Check:
    raw = part.encode(errors="surrogateescape")

    def check(task_id: bytes, record: list[bytes | None]) -> bool:
        text = b"%b\n%b\n%b" % (task_id, record[fn] or b"", record[gist] or b"")
        if text.isascii():
            return raw in text.lower()
        return part in text.decode(errors="replace").casefold()

    return check


def _raw(text: str) -> bytes:
    # From a URL: it may stand for any bytes.
    return text.encode(errors="surrogateescape")


def _moment(record: Sequence[bytes | None], at: dict[str, int]) -> int:
    which = {b"queued": "enq", b"running": "start"}.get(record[at["st"]] or b"", "end")
    raw = record[at[which]] or b""
    return int(raw) if raw.isdigit() and len(raw) < 15 else -1
