"""Let redis_tasks and its peers do the same work, one after the other, round after round.

    .venv/bin/python -m benchmarks.contest [--rounds 3] [--only redis_tasks,rq] [--into FOLDER]

Writes raw.json, table.md and pictures into FOLDER (default: .data/contest/results); with --append
the rounds join those that are there.
"""

import argparse
import datetime as dt
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import redis

from benchmarks.contest import measures, report
from benchmarks.contest.arena import Arena
from benchmarks.contest.contestants import ENVIRONMENTS, Contestant, NotInstalled, everybody
from benchmarks.throughput import bare_server, round_trips


def install(contestants: list[Contestant]) -> dict[str, Any]:
    """Install everybody; return what the table says of each."""
    table: dict[str, Any] = {}
    for contestant in contestants:
        print(f"installing {contestant.title}", flush=True)
        try:
            contestant.install()
        except NotInstalled as error:
            table[contestant.name] = {"title": contestant.title, "not_installed": str(error)}
            continue
        table[contestant.name] = {
            "title": contestant.title,
            "versions": contestant.versions(),
            "rounds": [],
        }
    return table


def begin(contestants: list[Contestant], url: str) -> dict[str, Any]:
    """Return what is known before the first round."""
    with redis.Redis.from_url(url) as client:
        server = client.info("server")["redis_version"]
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "redis": server,
        "evalsha_per_s": [],
        "contestants": install(contestants),
    }


def play_round(
    contestants: list[Contestant], results: Any, url: str, cores: list[int], seconds: float
) -> None:
    """Measure everybody once; rounds are interleaved, so that a slow hour hits all."""
    results["evalsha_per_s"].append(round_trips(url))
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "marks"
        ledger.touch()
        for contestant in contestants:
            row = results["contestants"][contestant.name]
            if "not_installed" in row:
                continue
            arena = Arena(contestant, url, ledger)
            row.update(contestant.about(arena.environment))
            print(contestant.title, flush=True)
            found = measures.all_of(arena, cores, row["noop_slots"], seconds)
            print("   ", json.dumps(found), flush=True)
            row["rounds"].append(found)


def join(results: Any, earlier: Any) -> None:
    """Put the rounds of an earlier run before those of this one."""
    results["evalsha_per_s"] = earlier["evalsha_per_s"] + results["evalsha_per_s"]
    for name, row in results["contestants"].items():
        before = earlier["contestants"].get(name, {})
        if "rounds" in row and "rounds" in before:
            row["rounds"] = before["rounds"] + row["rounds"]
    for name, row in earlier["contestants"].items():
        results["contestants"].setdefault(name, row)


def write(results: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "raw.json").write_text(json.dumps(results, indent=1))
    (folder / "table.md").write_text(f"{report.table(results)}\n{report.entrants(results)}")
    for name, picture in report.pictures(results).items():
        (folder / f"{name}.svg").write_text(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a run, about")
    parser.add_argument("--only", default="", help="names of contestants, with commas")
    parser.add_argument("--into", type=Path, default=ENVIRONMENTS / "results")
    parser.add_argument("--append", action="store_true", help="keep the rounds that are there")
    given = parser.parse_args()
    known = everybody()
    names = given.only.split(",") if given.only else list(known)
    if unknown := set(names) - set(known):
        sys.exit(f"no such contestant: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    contestants = [known[name] for name in names]
    cores = sorted(os.sched_getaffinity(0))
    with bare_server() as url:
        results = begin(contestants, url)
        for _ in range(given.rounds):
            play_round(contestants, results, url, cores[1:], given.seconds)
    if given.append:
        join(results, json.loads((given.into / "raw.json").read_text()))
    write(results, given.into)
    print(report.table(results))


if __name__ == "__main__":
    main()
