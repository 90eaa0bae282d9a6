"""The benchmarks' scripts do not rot: they load, fit together, and measure what needs no peer."""

import ast
import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.contest import measures, report
from benchmarks.contest.__main__ import join
from benchmarks.contest.arena import Arena
from benchmarks.contest.contestants import ADAPTERS, Contestant, everybody
from benchmarks.reach import peers
from benchmarks.reach.figures import Figure, at_least, at_most, table

from .conftest import StartServer

NAMES = {"GUARANTEE", "SETTINGS", "NOOP_SLOTS", "worker", "enqueue"}
MODULES = [
    f"benchmarks.{path.stem}"
    if path.parent.name == "benchmarks"
    else f"benchmarks.reach.{path.stem}"
    for folder in ("benchmarks", "benchmarks/reach")
    for path in sorted((Path(__file__).parent.parent / folder).glob("[a-z]*.py"))
    if path.stem != "settings"
]
NOT_INSTALLED = {"title": "Broken", "not_installed": "no such version"}


class Local(Contestant):
    """A contestant that is run by the interpreter of the tests: nothing is installed."""

    @property
    def python(self) -> str:
        return sys.executable


def names_at_top_level(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def results(**rates: float) -> dict[str, Any]:
    contestants: dict[str, Any] = {
        name: {"title": name, "guarantee": "none", "rounds": [{"noop.per_s": rate}]}
        for name, rate in rates.items()
    }
    return {"contestants": contestants | {"broken": NOT_INSTALLED}}


@pytest.mark.parametrize("module", MODULES)
def test_a_benchmark_can_be_loaded(module: str) -> None:
    importlib.import_module(module)


@pytest.mark.parametrize("name", everybody())
def test_an_adapter_has_what_the_driver_asks_for(name: str) -> None:
    path = ADAPTERS / f"with_{name}.py"

    assert names_at_top_level(path) >= NAMES


def test_every_adapter_takes_part() -> None:
    adapters = {path.stem.removeprefix("with_") for path in ADAPTERS.glob("with_*.py")}

    assert adapters == set(everybody())


@pytest.mark.parametrize(("name", "slots"), [("redis_tasks", 2), ("least", 2), ("least", 48)])
def test_an_adapter_that_needs_no_peer_is_measured(
    name: str, slots: int, tmp_path: Path, start_redis: StartServer
) -> None:
    ledger = tmp_path / "marks"
    ledger.touch()
    arena = Arena(Local(name, name, ()), start_redis(tcp=True).url, ledger)

    found = measures.rate(arena, "noop", slots, seconds=0.5)

    assert (found["connections"] or 0) <= (2 if slots == 2 else 4)
    assert (found["per_s"] or 0) > 0


def test_the_table_shows_who_could_not_be_installed() -> None:
    shown = report.table(results(huey=10.0))

    assert "| Broken | could not be installed |" in shown
    assert "| 10 |" in shown


def test_the_pictures_have_a_bar_for_each_that_was_measured() -> None:
    picture = report.pictures(results(huey=10.0, redis_tasks=20.0))["throughput"]

    assert picture.count("<rect") == 2
    assert picture.count('class="own"') == 1


def test_rounds_join_those_of_an_earlier_run() -> None:
    earlier = results(huey=10.0, rq=1.0) | {"evalsha_per_s": [1.0]}
    later = results(huey=12.0) | {"evalsha_per_s": [2.0]}

    join(later, earlier)

    assert [one["noop.per_s"] for one in later["contestants"]["huey"]["rounds"]] == [10.0, 12.0]
    assert later["contestants"]["rq"]["rounds"] == [{"noop.per_s": 1.0}]
    assert later["evalsha_per_s"] == [1.0, 2.0]


def test_a_peer_is_no_floor_and_not_ourselves() -> None:
    ours = {"redis_tasks": 30.0, "redis_tasks_forking": 40.0}
    raw = results(**ours, bare_loop=50.0, least=60.0, huey=10.0, rq=1.0)

    assert peers.Field(raw).best("noop.per_s") == 10.0


def test_what_was_not_measured_is_not_met() -> None:
    assert not at_least("x", 2, float("nan")).met
    assert not at_most("x", 2, float("nan")).met


def test_a_figure_says_what_was_wanted() -> None:
    assert table([at_most("start", 0.4, 0.5, " s")]).endswith(
        "| start | at most 0.4 s | 0.5 s | **no** |\n"
    )
    assert at_least("rate", 40_000, 50_000.4) == Figure(
        "rate", "at least 40,000", "50,000", met=True
    )
