"""Measure what the dashboard's pages take, with very many tasks in Redis.

    .venv/bin/python -m benchmarks.dashboard [--waiting 1000000] [--failed 200000] [--times 40]

Times are those of the server, from the request to the whole answer, in one process. For each page
the median and the 95th percentile of what the clock says; then of the work of both processors, its
own and Redis', which is the same on a machine that has nothing else to do; last its round trips.
"""

import argparse
import re
import statistics
import time
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient

from dashboard.access import Access
from dashboard.app import create_app
from demo.tasks import count_words
from redis_tasks import keys, once_per_day, run_every
from redis_tasks.conf import connection, settings
from redis_tasks.contrib.graph import chord
from tests.support import huge_redis
from tests.support.busy_redis import fill
from tests.support.deployment import ROOT, gunicorn_settings
from tests.support.redis_server import RedisServer

LIMIT = 100  # ms of work at the 95th percentile
TRIPS = 20
SCHEDULE: dict[str, Any] = {
    "often": {"task": "demo.tasks.count_words", "schedule": run_every(seconds=20)},
    "nightly": {"task": "demo.tasks.count_words", "schedule": once_per_day("04:00")},
}


def pages(graph_id: str) -> list[str]:
    """Return the addresses to measure."""
    some = "failed-00000077-0000-4000-8000-000000000000"
    group = connection.zrange(keys.failures(), 0, 0)[0].decode()
    return [
        *("/", "/?span=day", "/?span=week", "/running", "/finished", "/workers", "/schedule"),
        *("/queue/big", "/queue/big?page=19999", "/queue/mail", "/queue/big?function=shop.mail"),
        *("/queue/big?text=999", "/queue/big?since=1h", "/failed", "/failed?page=3999"),
        *(
            "/failed?text=timeout",
            "/failed?function=shop",
            "/failed?queue=big",
            "/failed?since=1h",
        ),
        *("/failed?text=nothing+like+it", f"/failed?group={group}", "/finished?text=ada"),
        *(f"/task/{some}", f"/graph/{graph_id}"),
        *("/history", "/history?last=15m", "/history?last=7d", "/history?last=7d&by=function"),
        *("/chart/hour/throughput.svg", "/chart/week/waiting.svg"),
        *("/api/overview", "/api/failed?size=100", "/api/history", "/metrics", "/health"),
    ]


@dataclass(frozen=True)
class Measured:
    """What a page took: *wall* and *cpu* are milliseconds, each time's, sorted."""

    wall: list[float]
    cpu: list[float]
    redis: float  # milliseconds of Redis' processor, on average
    trips: int

    @property
    def work(self) -> list[float]:
        """Milliseconds of both processors: what it takes where they have nothing else to do."""
        return [cpu + self.redis for cpu in self.cpu]


def measure(web: FlaskClient, path: str, times: int) -> Measured:
    """Ask for a page so many times, after once that compiles its templates."""
    wall, cpu, trips = [], [], 0
    web.get(path)
    busy = _redis_cpu()
    for _ in range(times):
        begin, worked = time.perf_counter(), time.process_time()
        answer = web.get(path)
        wall.append((time.perf_counter() - begin) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
        if answer.status_code != (503 if path == "/health" else 200):
            raise SystemExit(f"{path} answered {answer.status_code}")
        told = re.search(r'desc="(\d+) ', answer.headers.get("Server-Timing", ""))
        trips = max(trips, int(told[1]) if told else 0)
    return Measured(sorted(wall), sorted(cpu), (_redis_cpu() - busy) / times, trips)


def _redis_cpu() -> float:
    found = connection.info("cpu")
    return float(found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"]) * 1000


def main() -> None:
    """Print a table; exit with 1 where a page is slower than it may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--failed", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=40)
    given = parser.parse_args()
    server = RedisServer(options={"maxmemory": "0"})
    server.start()
    more = {"FAILED_TASKS_MAX": 10 * given.failed, "SCHEDULE": SCHEDULE}
    try:
        with settings.override(REDIS_URL=server.url, REGISTRIES_MAX_BYTES=1 << 40, **more):
            with server.client(socket_timeout=60) as client:
                huge_redis.add(client, given.waiting, given.failed)
            slow = measure_all(given)
    finally:
        server.close()
    if slow:
        raise SystemExit(f"over {LIMIT} ms or {TRIPS} round trips: {', '.join(slow)}")


def measure_all(given: argparse.Namespace) -> list[str]:
    fill(minutes=70, rate=90)
    graph = chord(
        [{"func": count_words, "args": ["x"]}] * 60, {"func": count_words, "args": ["x"]}
    )
    graph.enqueue()
    size = connection.info("memory")["used_memory_human"]
    print(f"{given.waiting:,} waiting, {given.failed:,} failed; Redis holds {size}")
    web = create_app(Access.decided_elsewhere()).test_client()
    gunicorn_settings(ROOT)["when_ready"](None)  # as in the processes that serve it
    slow = []
    print(f"{'page':<36}{'wall: median':>14}{'p95':>8}{'work: median':>14}{'p95':>8}{'trips':>7}")
    for path in pages(str(graph.id)):
        found = measure(web, path, given.times)
        figures = [
            (statistics.median(part), part[int(0.95 * len(part))])
            for part in (found.wall, found.work)
        ]
        words = [
            f"{middle:>{width}.0f} ms{late:>5.0f} ms"
            for (middle, late), width in zip(figures, (11, 11), strict=True)
        ]
        print(f"{path[:35]:<36}{''.join(words)}{found.trips:>7}", flush=True)
        if figures[1][1] > LIMIT or found.trips >= TRIPS:
            slow.append(path)
    return slow


if __name__ == "__main__":
    main()
