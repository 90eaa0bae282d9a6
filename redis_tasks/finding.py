"""Hold what the doctor found in one place."""

from dataclasses import dataclass
from typing import Self

OK, WARNING, ERROR = "ok", "warning", "error"
LEVELS = (OK, WARNING, ERROR)  # the worst one last


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says: *name* of what was looked at, *text* of what is so, *advice* if any.

    *passing*: it may be over in a minute by itself, so that it is no reason to refuse a release.
    """

    name: str
    level: str
    text: str
    advice: str = ""
    passing: bool = False

    @classmethod
    def ok(cls, name: str, text: str) -> Self:
        return cls(name, OK, text)

    @classmethod
    def doubt(cls, name: str, text: str, advice: str) -> Self:
        return cls(name, WARNING, text, advice)

    @classmethod
    def fault(cls, name: str, text: str, advice: str, *, passing: bool = False) -> Self:
        return cls(name, ERROR, text, advice, passing)
