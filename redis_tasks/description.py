"""Write a call in the words in which people read it."""

import inspect
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

LONGEST = 1024  # bytes of UTF-8
REDACTED = "[redacted]"
UNDECODABLE = "<undecodable arguments>"
NAMELESS = "<no function>"

Places = frozenset[int | str] | None
"""Which arguments are secret, by position or keyword; None: perhaps all of them."""


def describe(
    func_name: str,
    args: Sequence[object],
    kwargs: dict[str, object],
    secret: Places,
    longest: int = LONGEST,
) -> str:
    """Return ``path(value, key=value)``, cut to *longest* bytes."""
    words = [_word(place, value, secret) for place, value in enumerate(args)]
    words += [f"{_shown_key(key)}={_word(key, value, secret)}" for key, value in kwargs.items()]
    return around(func_name, ", ".join(words), longest)


def around(func_name: str, arguments: str, longest: int = LONGEST) -> str:
    """Return ``path(arguments)``, cut to *longest* bytes."""
    return cut(f"{func_name or NAMELESS}({arguments})", longest)


def cut_arguments(raw: bytes, secret: Places) -> str:
    """Return what stands for arguments of which only the beginning was kept."""
    kept = "<arguments cut to 1 KiB"
    # Secrets cannot be told from the rest in half a text.
    return f"{kept}: {raw.decode(errors='replace')}>" if secret == frozenset() else f"{kept}>"


def cut(text: str, longest: int = LONGEST) -> str:
    """Return *text* in at most *longest* bytes, ending in ``...`` if something was cut off."""
    raw = text.encode(errors="backslashreplace")
    if len(raw) <= longest:
        return raw.decode()
    return raw[: longest - 3].decode(errors="ignore") + "..."


def _word(place: int | str, value: object, secret: Places) -> str:
    if secret is None or place in secret:
        return repr(REDACTED)
    return repr(value)


def _shown_key(key: str) -> str:
    return key if key.isidentifier() else repr(key)


def secret_places(
    function: Callable[..., Any], names: Collection[str], count: int, keywords: Collection[str]
) -> Places:
    """Find which of *count* positional arguments, and of *keywords*, go to the given *names*."""
    if not names:
        return frozenset()
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return None  # nobody can tell
    by_position = [p.name for p in parameters if p.kind in _POSITIONAL]
    rest = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), "")
    others = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD), "")
    by_position += [rest] * (count - len(by_position))
    known = {p.name for p in parameters if p.kind is not inspect.Parameter.POSITIONAL_ONLY}
    places: set[int | str] = {place for place in range(count) if by_position[place] in names}
    places |= {key for key in keywords if key in names or (key not in known and others in names)}
    return frozenset(places)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def write_places(places: Places) -> bytes:
    """Return the field ``sec`` of a task's record; empty if nothing is secret."""
    if places is None:
        return b"null"
    return json.dumps(sorted(places, key=str)).encode() if places else b""


def read_places(raw: bytes | None) -> Places:
    """Return what ``write_places`` wrote; what it cannot have written hides everything."""
    if not raw:
        return frozenset()
    try:
        places = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    is_right = isinstance(places, list) and all(type(place) in (int, str) for place in places)
    return frozenset(places) if is_right else None
