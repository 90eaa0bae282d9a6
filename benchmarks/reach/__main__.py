"""Measure every figure that this project reaches for; say which are met.

    .venv/bin/python -m benchmarks.reach [--only redis,upkeep,growth,scaling,ends,peers]

"peers" judges what the last run of benchmarks.contest has found.
"""

import argparse
import sys
from collections.abc import Callable, Iterator

import redis

from benchmarks.reach import ends, growth, peers, redis_load, upkeep
from benchmarks.reach.figures import Figure, table
from benchmarks.throughput import own_server

PARTS: dict[str, Callable[[redis.Redis], Iterator[Figure]]] = {
    "peers": lambda _: peers.figures(),
    "redis": redis_load.figures,
    "upkeep": upkeep.figures,
    "growth": growth.figures,
    "scaling": growth.scaling,
    "ends": ends.figures,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas")
    names = parser.parse_args().only.split(",")
    if unknown := set(names) - set(PARTS):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    found: list[Figure] = []
    with own_server() as url, redis.Redis.from_url(url) as client:
        for name in names:
            for figure in PARTS[name](client):
                print(figure, flush=True)
                found.append(figure)
            client.flushall()
    print(table(found))


if __name__ == "__main__":
    main()
