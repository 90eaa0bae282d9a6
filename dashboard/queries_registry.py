"""Read parts of the registries: tasks that have ended, in the order of their ends."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from dashboard.queries_reading import ask, ask_one
from redis_tasks import keys
from redis_tasks.registries import split_entry

FAN_OUT = 64  # entries that each round trip of a search looks at
BEGINNING, FOREVER = 0, 10**15  # ms: before and after all ends

Entry = tuple[int, bytes]  # when it ended (ms), the task's id


def sizes(names: Sequence[str]) -> list[int]:
    """Return how many tasks each registry has."""
    return [number or 0 for number in ask(("LLEN", keys.registry(name)) for name in names)]


def count_before(bounds: Sequence[tuple[str, int]]) -> list[int]:
    """Return how many tasks of a registry ended before a moment (ms), for each pair of them.

    A task that ended before the clock was set back may be on the wrong side of a moment. What is
    added and dropped meanwhile moves the places of the others.
    """
    names = [name for name, _ in bounds]
    found = [0] * len(bounds)
    open_ends = [
        0 if moment <= BEGINNING else size
        for size, (_, moment) in zip(sizes(names), bounds, strict=True)
    ]
    for i, (_, moment) in enumerate(bounds):
        if moment >= FOREVER:
            found[i] = open_ends[i]
    while found != open_ends:
        looked_at = [_pivots(*span) for span in zip(found, open_ends, strict=True)]
        ends = iter(_ends(names, looked_at))
        for i, (pivots, (_, moment)) in enumerate(zip(looked_at, bounds, strict=True)):
            before = bisect_left([next(ends) for _ in pivots], moment)
            if before < len(pivots):
                open_ends[i] = pivots[before]
            if before:
                found[i] = pivots[before - 1] + 1
    return found


def entries(name: str, first: int, end: int) -> Iterator[Entry]:
    """Yield the tasks in a registry from one place up to, but without, another."""
    if first < end:
        yield from map(split_entry, ask_one("LRANGE", keys.registry(name), first, end - 1) or ())


def _pivots(first: int, end: int) -> range:
    return range(first, end, 1 + (end - first) // FAN_OUT)


def _ends(names: Sequence[str], looked_at: Sequence[range]) -> list[int]:
    asked = [
        ("LINDEX", keys.registry(name), place)
        for name, pivots in zip(names, looked_at, strict=True)
        for place in pivots
    ]
    # One that is gone meanwhile was at the end.
    return [FOREVER if raw is None else split_entry(raw)[0] for raw in ask(asked)]
