"""Keep the password of a Redis URL out of texts that people read."""

import re
from urllib.parse import unquote

HIDDEN = "***"
_IN_QUERY = re.compile(r"(?P<name>[?&][^=&#]*password=)(?P<value>[^&#]*)", re.IGNORECASE)


def redacted_url(url: str) -> str:
    """Return the URL with its passwords hidden, however malformed it is."""
    scheme, login, rest = _parts(url)
    if login is not None:
        user, colon, _ = login.partition(":")
        # What stands alone before the @ may well be a password in the wrong place.
        rest = f"{user}:{HIDDEN}@{rest}" if colon else f"{HIDDEN}@{rest}"
    return scheme + _IN_QUERY.sub(rf"\g<name>{HIDDEN}", rest)


def without_passwords(text: str, url: str) -> str:
    """Return *text* with every password of *url* hidden, as written there and unquoted."""
    for secret in sorted(_passwords(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _parts(url: str) -> tuple[str, str | None, str]:
    """Return scheme, login (None if there is none) and the rest, which together are the URL."""
    scheme, separator, address = url.partition("://")
    if not separator or not scheme.replace("+", "").isalnum():
        scheme, separator, address = "", "", url
    login, at, rest = address.rpartition("@")
    return scheme + separator, login if at else None, rest


def _passwords(url: str) -> set[str]:
    _, login, rest = _parts(url)
    written = [match["value"] for match in _IN_QUERY.finditer(rest)]
    if login is not None:
        user, colon, password = login.partition(":")
        written.append(password if colon else user)
    return {form for text in written for form in (text, unquote(text)) if form}
