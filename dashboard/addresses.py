"""Keep in the URL what a page shows: filter, page, span, names."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from werkzeug.routing import BaseConverter

from dashboard.shapes import SPANS, Filter

SINCE = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}
FIELDS = ("function", "queue", "text", "since", "until", "group")
LONGEST = 300  # characters of a field
FURTHEST = 1_000_000  # number of a page

_UNSAFE = re.compile(rb"[^A-Za-z0-9_:@.-]|^\.+$")


class NameConverter(BaseConverter):
    """A name as one part of a path.

    Slashes, dots alone, percent signs: routers, proxies and browsers each change one or another of
    them on the way. So bytes other than those of a plain name are written ``~2f``, which nobody
    touches.
    """

    regex = r"[^/]+"

    def to_url(self, value: Any) -> str:
        return write_name(str(value))

    def to_python(self, value: str) -> str:
        raw = re.sub(
            rb"~([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), value.encode()
        )
        return raw.decode(errors="surrogateescape")


def write_name(name: str) -> str:
    """Return a name as the part of a path that ``NameConverter`` reads."""
    raw = name.encode(errors="surrogateescape")
    return _UNSAFE.sub(lambda found: _escape(found[0]), raw).decode()


def _escape(raw: bytes) -> bytes:
    return b"".join(b"~%02x" % byte for byte in raw)


def read_filter(query: Mapping[str, str], now: datetime) -> Filter:
    """Return the filter in a query; a time that cannot be read is left out."""
    given = {name: query.get(name, "")[:LONGEST].strip() for name in FIELDS}
    since, until = read_moment(given["since"], now), read_moment(given["until"], now)
    words = {name: given[name] for name in ("function", "queue", "text", "group")}
    return replace(Filter(), **words, since=since, until=until)


def read_moment(text: str, now: datetime) -> datetime | None:
    """Return the moment that *text* names: "6h" ago, or in ISO 8601, in UTC if it has no zone."""
    if text in SINCE:
        return now - SINCE[text]
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_moment(moment: datetime) -> str:
    """Return what ``read_moment`` reads, in whole milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_page(query: Mapping[str, str], name: str = "page") -> int:
    """Return the number of a page, 1 for what is none."""
    text = query.get(name, "")
    return min(max(1, int(text)), FURTHEST) if text.isascii() and text.isdigit() else 1


def read_choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """Return one of the *choices*, the first for what is none of them."""
    return text if (text := query.get(name, "")) in choices else choices[0]


def read_span(query: Mapping[str, str]) -> str:
    return read_choice(query, "span", tuple(SPANS))


def changed(query: Mapping[str, str], **changes: object) -> str:
    """Return the query with some of its fields changed; None or empty removes one."""
    fields = {**query, **changes}
    kept = [(name, str(value)) for name, value in fields.items() if value not in (None, "")]
    return "?" + urlencode(kept, errors="surrogatepass") if kept else "?"
