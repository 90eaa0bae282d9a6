"""Change single lines of the Lua scripts, in memory, for the time of a ``with`` block."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from unittest import mock

from redis_tasks.store import client
from redis_tasks.store.client import Script
from tests.support.store_view import CLOCK

CLOCK_LINE = "  local time = redis.call('TIME')"
TEST_CLOCK_LINE = f"  local time = {{0, redis.call('GET', '{CLOCK}') * 1000}}"


@contextmanager
def altered_scripts(lines: Mapping[str, str]) -> Iterator[None]:
    """Replace each of *lines* by its value, wherever it stands.

    A line that is in no script, or twice in one, is an error.
    """
    original = client.script
    altered = {name: _alter(original(name), lines) for name in _names()}
    for line in lines:
        assert any(line in found for _, found in altered.values()), f"no script has {line!r}"

    def script(name: str) -> Script:
        return altered[name][0] if name in altered else original(name)

    with mock.patch.object(client, "script", script):
        yield


@contextmanager
def hand_driven_clock() -> Iterator[None]:
    """Let the scripts read the time where the test has put it: in the key ``clock``."""
    with altered_scripts({CLOCK_LINE: TEST_CLOCK_LINE}):
        yield


def _alter(script: Script, lines: Mapping[str, str]) -> tuple[Script, set[str]]:
    text, found = script.text.split("\n"), set()
    for line, instead in lines.items():
        assert text.count(line) <= 1, f"{script.name} has the line {line!r} more than once"
        if line in text:
            text[text.index(line)] = instead
            found.add(line)
    whole = "\n".join(text)
    digest = hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest()
    return Script(script.name, whole, digest), found


def _names() -> list[str]:
    folder = files("redis_tasks.store") / "lua"
    return sorted(
        path.name.removesuffix(".lua") for path in folder.iterdir() if path.name.endswith(".lua")
    )
