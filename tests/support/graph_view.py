"""What Redis holds of one graph, read in one look."""

from dataclasses import dataclass

from redis_tasks import keys
from redis_tasks.conf import connection

CANCELLED = "cancelled"
PARTS = ("", ":nodes", ":args", ":state")


@dataclass
class GraphView:
    """A graph's record, with what is noted of it elsewhere."""

    states: dict[int, str]  # waiting, released, finished, failed or cancelled
    busy: int
    is_over: bool
    is_kept: bool  # among those that are over
    kept_bytes: int
    size: int
    waiting_bytes: int
    counted_waiting_bytes: int
    ready: list[str]  # ends that are not told
    expiring: list[str]
    seqs: dict[int, bytes]
    fresh: set[int]  # enqueued, never begun

    def is_fresh(self, number: int) -> bool:
        return number in self.fresh


def look_at(graph_id: str) -> GraphView:
    meta = connection.hgetall(keys.graph(graph_id))
    states = connection.hgetall(keys.graph(graph_id, ":state"))
    waiting = connection.hvals(keys.graph(graph_id, ":args"))
    numbers = sorted(int(number) for number in states if number != b"0")
    records = {n: connection.hgetall(keys.task(f"{graph_id}.{n}")) for n in numbers}
    ready = [raw.decode() for raw in connection.zrange(keys.graph_ready(), 0, -1)]
    return GraphView(
        states={n: _state(states[b"%d" % n].decode()) for n in numbers},
        busy=int(meta[b"busy"]),
        is_over=b"end" in meta,
        is_kept=connection.zscore(keys.graphs(), graph_id) is not None,
        kept_bytes=int(connection.hget(keys.totals(), "graphs") or 0),
        size=int(meta[b"sz"]) + int(meta[b"args"]),
        waiting_bytes=sum(map(len, waiting)),
        counted_waiting_bytes=int(meta[b"args"]),
        ready=ready,
        expiring=[p for p in PARTS if connection.pttl(keys.graph(graph_id, p)) >= 0],
        seqs={n: record[b"seq"] for n, record in records.items() if b"seq" in record},
        fresh={n for n, r in records.items() if r.get(b"st") == b"queued" and not r.get(b"run")},
    )


def _state(word: str) -> str:
    return "waiting" if word.isdecimal() else word.removesuffix("+")
