"""Turn the values that pages show into JSON."""

from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any


def as_json(value: Any) -> Any:
    """Be the ``default`` of an encoder, which asks it only about what JSON does not have.

    Returns a moment in ISO 8601, a dataclass as a dict. Raises ``TypeError`` for anything else.
    """
    if isinstance(value, datetime):
        return value.isoformat()
    return {name: getattr(value, name) for name in _names(type(value))}  # type: ignore[arg-type]


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
