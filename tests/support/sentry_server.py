"""A server that speaks Sentry's envelope protocol, as far as its SDK needs an answer."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.collector import Collector
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Item:
    kind: str  # "event", "transaction", "check_in", ...
    payload: dict[str, Any]
    port: int  # of the client's connection


class SentryServer(Collector):
    """Keeps what it is sent: `items("event")`."""

    def __init__(self, *, mute: bool = False) -> None:
        self._items: list[Item] = []
        super().__init__(mute=mute)

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.port}/1"

    def items(self, kind: str) -> list[dict[str, Any]]:
        return [item.payload for item in self._items if item.kind == kind]

    def ports(self, kind: str) -> set[int]:
        return {item.port for item in self._items if item.kind == kind}

    def wait_for(self, kind: str, count: int = 1, timeout: float = 15.0) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.items(kind)) >= count, timeout, lambda: f"{self._items}")
        return self.items(kind)

    def take(self, body: bytes, port: int) -> None:
        lines = body.split(b"\n")
        position = 1  # the first line is the envelope's head
        while position + 1 < len(lines) and lines[position]:
            head = json.loads(lines[position])
            if head["type"] in ("event", "transaction", "check_in"):
                self._items.append(Item(head["type"], json.loads(lines[position + 1]), port))
            position += 2
