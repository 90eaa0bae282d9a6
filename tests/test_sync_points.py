"""A test may watch a process pass its named moments; nobody else notices them."""

import re
from pathlib import Path

import pytest

from redis_tasks import sync_points

LIBRARY = Path(sync_points.__file__).parent


def test_without_an_observer_nothing_happens() -> None:
    assert sync_points.observer is None

    sync_points.reached("after_claim")


def test_the_observer_is_told_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(sync_points, "observer", seen.append)

    sync_points.reached("after_claim")

    assert seen == ["after_claim"]


def test_the_table_names_exactly_the_moments_that_there_are() -> None:
    sources = [path.read_text(encoding="utf-8") for path in LIBRARY.rglob("*.py")]

    reached = {name for text in sources for name in re.findall(r'\breached\("(\w+)"\)', text)}

    assert set(re.findall(r"^``(\w+)``  ", str(sync_points.__doc__), re.MULTILINE)) == reached
