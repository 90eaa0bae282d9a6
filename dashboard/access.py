"""Decide who may see the dashboard.

Closed unless ``DASHBOARD_USERNAME`` and ``DASHBOARD_PASSWORD`` are set, or ``DASHBOARD_PUBLIC`` is
``1``.
"""

import hashlib
import hmac
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_FAILURES = 10  # wrong passwords from one address in PERIOD, after which it has to wait
PERIOD = 60.0  # seconds
MOST_ADDRESSES = 10_000  # that are remembered, the latest
UNPROTECTED = (
    "The dashboard has no password: set DASHBOARD_USERNAME and DASHBOARD_PASSWORD,"
    " or DASHBOARD_PUBLIC=1 to let everybody see it."
)
CONTRADICTION = (
    "The dashboard has a password, and DASHBOARD_PUBLIC=1 lets everybody see it:"
    " unset DASHBOARD_PUBLIC, or DASHBOARD_USERNAME and DASHBOARD_PASSWORD."
)


class Unprotected(SystemExit):
    """Nothing says who may see the dashboard; ends a process that does not catch it with 1."""


@dataclass(frozen=True)
class Access:
    """Who may see it: everybody, or who knows both the username and the password.

    *is_elsewhere*: the app that mounts the dashboard has decided already.
    """

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    is_public: bool = False
    is_elsewhere: bool = False

    @property
    def is_open(self) -> bool:
        return self.is_public or self.is_elsewhere

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Access":
        """Return what the variables say. Raises ``Unprotected`` where they do not."""
        username = environment.get("DASHBOARD_USERNAME", "")
        password = environment.get("DASHBOARD_PASSWORD", "")
        is_public = environment.get("DASHBOARD_PUBLIC", "").strip() == "1"
        if is_public and (username or password):
            raise Unprotected(CONTRADICTION)
        if is_public:
            return cls(is_public=True)
        if not (username and password):
            raise Unprotected(UNPROTECTED)
        return cls(username, password)

    @classmethod
    def decided_elsewhere(cls) -> "Access":
        """Let everybody in that the app around the dashboard lets in."""
        return cls(is_elsewhere=True)

    def admits(self, username: str, password: str) -> bool:
        """Compare both in a time that tells nothing about where they differ."""
        given, right = _digest(username, password), _digest(self.username, self.password)
        return hmac.compare_digest(given, right)


def _digest(username: str, password: str) -> bytes:
    # Of equal length, whatever is compared: neither length can be measured.
    parts = (hashlib.sha256(part.encode(errors="surrogatepass")) for part in (username, password))
    return b"".join(part.digest() for part in parts)


class Failures:
    """Count wrong passwords by the address that they came from, for one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, list[float]] = OrderedDict()

    def note(self, address: str, now: float | None = None) -> None:
        """Count one more."""
        moment = time.monotonic() if now is None else now
        with self._lock:
            moments = self._recent(_network(address), moment)
            self._seen[_network(address)] = [*moments, moment][-MOST_FAILURES:]
            self._seen.move_to_end(_network(address))
            if len(self._seen) > MOST_ADDRESSES:
                self._seen.popitem(last=False)

    def wait(self, address: str, now: float | None = None) -> float:
        """Return the seconds for which this address is refused unheard; 0 if it is not."""
        moment = time.monotonic() if now is None else now
        with self._lock:
            moments = self._recent(_network(address), moment)
        return moments[0] + PERIOD - moment if len(moments) >= MOST_FAILURES else 0.0

    def _recent(self, network: str, now: float) -> list[float]:
        return [moment for moment in self._seen.get(network, ()) if moment > now - PERIOD]


def _network(address: str) -> str:
    # Who has one address of IPv6 has 2**64 of them.
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
