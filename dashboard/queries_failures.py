"""Read the groups of failures from Redis."""

import re
from dataclasses import replace
from datetime import datetime

from dashboard.queries_reading import ask, ask_one, now
from dashboard.shapes import FailureGroup, Page
from redis_tasks import clock, keys
from redis_tasks.record import decode_names

HOUR = 3_600_000  # ms
_COUNTED = re.compile(r"(\d{1,9}) (\d{1,9})", re.ASCII)


def page(number: int, size: int) -> Page[FailureGroup]:
    """Return groups, those first that failed last."""
    total = ask_one("ZCARD", keys.failures()) or 0
    found: Page[FailureGroup] = Page(size=size, total=total)
    found = replace(found, number=max(1, min(number, found.last)))
    begin = (found.number - 1) * size
    ids = ask_one("ZRANGE", keys.failures(), begin, begin + size - 1, "REV") or []
    return replace(found, items=groups([raw.decode(errors="replace") for raw in ids]))


def groups(ids: list[str]) -> tuple[FailureGroup, ...]:
    """Return the groups of these ids that there are."""
    records = ask(
        command
        for group in ids
        for command in (
            ("HGETALL", keys.failure(group)),
            ("ZSCORE", keys.failures(), group),
        )
    )
    return tuple(
        _group(group, decode_names(records[2 * i]), records[2 * i + 1])
        for i, group in enumerate(ids)
        if records[2 * i]
    )


def _group(group_id: str, record: dict[str, bytes], last: object) -> FailureGroup:
    texts = {name: value.decode(errors="replace") for name, value in record.items()}
    number = texts.get("n", "0")
    return FailureGroup(
        id=group_id,
        func_name=texts.get("fn", ""),
        error_line=texts.get("line", ""),
        count=int(number) if number.isdecimal() else 0,
        first_at=_moment(record.get("first")),
        last_at=_moment(last),
        sparkline=_sparkline(texts.get("hours", "")),
        task_ids=tuple(filter(None, texts.get("ids", "").split("\n"))),
    )


def _sparkline(hours: str) -> tuple[int, ...]:
    counted = {int(hour): int(number) for hour, number in _COUNTED.findall(hours)}
    present = clock.to_ms(now()) // HOUR
    return tuple(counted.get(hour, 0) for hour in range(present - 23, present + 1))


def _moment(raw: object) -> datetime | None:
    try:
        return clock.from_ms(int(float(raw)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
