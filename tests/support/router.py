"""The platform's router: what the web dynos see of the world, and the world of them."""

import base64
import http.client
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from redis_tasks.clock import boottime
from tests.support.waiting import wait_until

FIRST_BYTE = 30  # seconds: after that the platform answers in the dyno's place (H12)


@dataclass(frozen=True)
class Answer:
    """What a visitor got, *seconds* after asking; status 0 is the platform's own error page."""

    path: str
    status: int
    seconds: float
    text: str


class Router:
    """Passes requests on to the web dyno at `port`; holds them while it still boots."""

    def __init__(self, login: tuple[str, str]) -> None:
        self.port = 0
        self._login = base64.b64encode(":".join(login).encode()).decode()

    def get(self, path: str, *, as_visitor: bool = False) -> Answer:
        """Return the answer to a visitor, or to who has the password."""
        headers = {
            "Host": "app.example.com",
            "X-Forwarded-For": "192.0.2.7",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Port": "443",
            "Connection": "close",
        }
        if not as_visitor:
            headers["Authorization"] = f"Basic {self._login}"
        began = boottime()
        try:
            status, text = self._pass_on(path, headers)
        except (OSError, http.client.HTTPException, AssertionError) as error:
            status, text = 0, f"{type(error).__name__}: {error}"
        return Answer(path, status, boottime() - began, text)

    def _pass_on(self, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        link = wait_until(self._connect, FIRST_BYTE, "no web dyno takes connections")
        assert link is not None
        try:
            link.request("GET", path, headers=dict(headers))
            response = link.getresponse()
            return response.status, response.read().decode()
        finally:
            link.close()

    def _connect(self) -> http.client.HTTPConnection | None:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=FIRST_BYTE)
        try:
            link.connect()
        except ConnectionRefusedError:
            return None
        return link


class Visitor:
    """Looks at two pages all the time: `with Visitor(router) as visitor: ...; visitor.answers`.

    *windows* are as many of it at a time.
    """

    PAGES = ("/health", "/")
    PAUSE = 0.2  # seconds

    def __init__(self, router: Router, windows: int = 1) -> None:
        self.answers: list[Answer] = []
        self._router = router
        self._enough = threading.Event()
        self._threads = [
            threading.Thread(target=self._look, name="visitor", daemon=True)
            for _ in range(windows)
        ]

    def _look(self) -> None:
        while not self._enough.wait(self.PAUSE):
            for path in self.PAGES:
                self.answers.append(self._router.get(path, as_visitor=path == "/health"))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(FIRST_BYTE + 5)
