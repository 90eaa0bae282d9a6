"""Take secret values out of texts that may quote them.

A value is looked for as a whole, as it is and as Python, JSON and URLs write it. Values of fewer
than ``SHORTEST`` characters are left: they stand everywhere by chance.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

from redis_tasks.description import REDACTED

SHORTEST = 4  # characters
MOST = 10_000  # values that are looked for; with more of them no text is shown at all
PARTS = re.compile(r'[^\s"\[\]{},:]+')  # of JSON


def redact(value: Any, secrets: Iterable[object]) -> Any:
    """Return *value* with ``[redacted]`` in place of *secrets* and of what is inside of them.

    A text, or lists, tuples and dicts with texts at any depth; the keys of dicts stay.
    """
    words = list(islice(_words(secrets), MOST + 1))
    if len(words) > MOST:
        return _map(value, lambda _: REDACTED)
    texts: list[str] = []
    _map(value, texts.append)
    everything = "\0".join(texts)
    forms = {form for word in words for form in _forms(word) if form in everything}
    if not forms:
        return value
    # The longest first: a shorter one may be a part of it.
    found = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))
    return _map(value, lambda text: found.sub(REDACTED, text))


def parts_of(raw: bytes) -> list[str]:
    """Return what may be secret in JSON that cannot be read."""
    return PARTS.findall(raw.decode(errors="replace"))


def _map(value: Any, change: Callable[[str], object]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _map(member, change) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map(member, change) for member in value]
    return value


def _forms(word: str) -> Iterator[str]:
    if len(word) >= SHORTEST:
        yield word
        yield repr(word)[1:-1]
        yield json.dumps(word)[1:-1]
        yield json.dumps(word, ensure_ascii=False)[1:-1]
        yield quote(word, safe="", errors="replace")
        yield quote_plus(word, errors="replace")


def _words(secret: object) -> Iterator[str]:
    if isinstance(secret, str):
        yield secret
    elif isinstance(secret, bytes):
        yield secret.decode(errors="replace")
        yield repr(secret)[2:-1]
    elif isinstance(secret, Mapping):
        for pair in secret.items():
            yield from _words(pair)
    elif isinstance(secret, Iterable):
        for member in secret:
            yield from _words(member)
    elif secret is not None and not isinstance(secret, bool):
        yield str(secret)
        yield repr(secret)
