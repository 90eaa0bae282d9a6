"""Say in JSON what JSON lacks.

A tag is an object with the one key ``$``: the name of a type, then what its reader is called
with. The writers take single values only; containers are the codec's business.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Context, Decimal, InvalidOperation
from math import isfinite
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

TAG = "$"
_PLAIN_INT = 1 << 1024  # larger ones are written in base 16, which takes linear time to read
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_MICROSECOND = timedelta(microseconds=1)
# What malformed input may raise, in the standard library's parsers as in ours.
UNREADABLE = (ValueError, TypeError, ArithmeticError, LookupError, OSError, ImportError)
_DECIMALS = Context(traps=[InvalidOperation])


def type_name(kind: type) -> str:
    """Return a type's name as it is written in code."""
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def is_encodable(text: str) -> bool:
    """Tell whether JSON gives *text* back: it has no lone half of a surrogate pair."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_str(text: str) -> object:
    if is_encodable(text):
        return text
    # JSON would join two halves of a surrogate pair that stand side by side.
    return {TAG: ["str", b64encode(text.encode("utf-8", "surrogatepass")).decode()]}


def _write_int(number: int) -> object:
    return number if -_PLAIN_INT < number < _PLAIN_INT else {TAG: ["int", f"{number:x}"]}


def _write_float(number: float) -> object:
    return number if isfinite(number) else {TAG: ["float", repr(number)]}


def _write_moment(moment: datetime | time) -> object:
    parts: list[object] = [type(moment).__name__, moment.replace(tzinfo=None, fold=0).isoformat()]
    if moment.tzinfo is not None or moment.fold:
        parts.append(_write_zone(moment.tzinfo))
    if moment.fold:
        parts.append(moment.fold)
    return {TAG: parts}


def _write_zone(zone: tzinfo | None) -> object:
    """Return None, the key of a ZoneInfo, or an offset in microseconds, perhaps with a name."""
    if zone is None:
        return None
    if type(zone) is ZoneInfo and _ZONE_NAME.fullmatch(zone.key or ""):
        return zone.key
    if type(zone) is not timezone:
        raise TypeError(
            f"has a time zone of type {type_name(type(zone))}: use a fixed offset or a"
            " zoneinfo.ZoneInfo with a name"
        )
    offset = zone.utcoffset(None)
    name = zone.tzname(None)
    written = offset // _MICROSECOND
    return written if name == timezone(offset).tzname(None) else [written, _write_str(name)]


WRITERS: dict[type, Callable[[Any], object]] = {
    type(None): lambda nothing: nothing,
    bool: lambda truth: truth,
    int: _write_int,
    float: _write_float,
    str: _write_str,
    bytes: lambda data: {TAG: ["bytes", b64encode(data).decode()]},
    datetime: _write_moment,
    date: lambda day: {TAG: ["date", day.isoformat()]},
    time: _write_moment,
    timedelta: lambda span: {TAG: ["timedelta", span.days, span.seconds, span.microseconds]},
    Decimal: lambda number: {TAG: ["Decimal", str(number)]},
    UUID: lambda number: {TAG: ["UUID", str(number)]},
}


def untag(found: dict[str, Any]) -> Any:
    """Return the value of a tag, any other object as it is; one of UNREADABLE if malformed."""
    if TAG not in found:
        return found
    tag = found[TAG]
    if len(found) != 1 or type(tag) is not list or not tag:
        raise ValueError("a tag of another form")
    return _READERS[tag[0]](*tag[1:])


def _read_items(items: object) -> list[Any]:
    if type(items) is not list:
        raise TypeError("items that are not a list")
    return items


def _read_datetime(text: str, zone: object = None, fold: int = 0) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError("a time zone in the wrong place")
    return moment.replace(tzinfo=_read_zone(zone), fold=fold)


def _read_time(text: str, zone: object = None, fold: int = 0) -> time:
    moment = time.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError("a time zone in the wrong place")
    return moment.replace(tzinfo=_read_zone(zone), fold=fold)


def _read_zone(zone: object) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, int):
        return timezone(zone * _MICROSECOND)
    if isinstance(zone, str) and _ZONE_NAME.fullmatch(zone):
        return ZoneInfo(zone)
    offset, name = _read_items(zone)
    return timezone(offset * _MICROSECOND, name)


_READERS: dict[str, Callable[..., object]] = {
    "int": lambda text: int(text, 16),
    "float": float,
    "str": lambda text: b64decode(text, validate=True).decode("utf-8", "surrogatepass"),
    "bytes": lambda text: b64decode(text, validate=True),
    "tuple": lambda items: tuple(_read_items(items)),
    "set": lambda items: set(_read_items(items)),
    "frozenset": lambda items: frozenset(_read_items(items)),
    "dict": lambda items: {key: value for key, value in _read_items(items)},  # noqa: C416
    "datetime": _read_datetime,
    "date": date.fromisoformat,
    "time": _read_time,
    "timedelta": timedelta,
    "Decimal": lambda text: Decimal(text, _DECIMALS),
    "UUID": lambda text: UUID(str(text)),
}
