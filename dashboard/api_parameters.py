"""Read the parameters of the API: each is declared once, for its reader and its document."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.shapes import LARGEST_PAGE, SPANS, Filter

# Characters of a text: all of them together, each as twelve bytes, fit into a line that servers
# take (8,190 bytes).
LONGEST = {"function": 200, "queue": 255, "text": 100, "group": 40}
FURTHEST = 1_000_000  # number of a page
LONGEST_WINDOW = timedelta(days=60)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class WrongParameter(ValueError):
    """A parameter that cannot be read; its text names it and says what it must be."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the query: *read* raises ``ValueError`` for what it is not."""

    name: str
    what: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any]
    default: Any = None


def _choice(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return read


def _whole(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[1-9]\d{0,8}", text, re.ASCII) or int(text) > most:
            raise ValueError(f"a whole number from 1 to {most}")
        return int(text)

    return read


def _text(longest: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > longest:
            raise ValueError(f"text of at most {longest} characters")
        return text

    return read


def _moment(text: str) -> datetime:
    must_be = ValueError("a moment such as 2030-01-31T12:00:00Z")
    if not _MOMENT.fullmatch(text):
        raise must_be
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise must_be from None


def _texts(name: str, what: str) -> Parameter:
    longest = LONGEST[name]
    return Parameter(name, what, {"type": "string", "maxLength": longest}, _text(longest), "")


def _moments(name: str, what: str) -> Parameter:
    return Parameter(name, what, {"type": "string", "format": "date-time"}, _moment)


def _wholes(name: str, what: str, most: int, default: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter(name, what, schema, _whole(most), default)


def _choices(name: str, what: str, *words: str) -> Parameter:
    schema = {"type": "string", "enum": list(words), "default": words[0]}
    return Parameter(name, what, schema, _choice(*words), words[0])


SPAN = _choices("span", "How far back the charts go.", *SPANS)
BY = _choices("by", "What a lane is of.", "worker", "function")
PAGE = _wholes(
    "page", "Number of the page; a page beyond the last one is the last one.", FURTHEST, 1
)
SIZE = _wholes("size", "Items on a page.", LARGEST_PAGE, 50)
FUNCTION = _texts("function", "Beginning of the import path of the function.")
QUEUE = _texts("queue", "Name of the queue.")
SINCE = _moments("since", "Not before.")
UNTIL = _moments("until", "Not after.")
FROM = _moments(
    "from", "Begin of the window, at most 60 days before its end; an hour if left out."
)
TO = _moments("to", "End of the window; now if left out.")
IN_QUEUE = (
    FUNCTION,
    _texts("text", "Part of id, function or error's last line, in any case."),
    SINCE,
    UNTIL,
)
FILTER = (*IN_QUEUE, QUEUE)
GROUPED = (*FILTER, _texts("group", "Id of a group of failures."))


def read(parameters: tuple[Parameter, ...], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the values by name. Raises ``WrongParameter``, also for an unknown one."""
    known = {parameter.name: parameter for parameter in parameters}
    for name in query:
        if name not in known:
            raise WrongParameter(
                f"{name:.60} is not a parameter here: {', '.join(known) or 'none'} are"
            )
    found = {}
    for name, parameter in known.items():
        try:
            found[name] = parameter.read(query[name]) if name in query else parameter.default
        except ValueError as error:
            raise WrongParameter(f"{name} must be {error}") from None
    return found


def as_filter(values: Mapping[str, Any]) -> Filter:
    """Return the filter among values that were read."""
    names = ("function", "queue", "text", "since", "until", "group")
    return Filter(**{name: values[name] for name in names if name in values})
