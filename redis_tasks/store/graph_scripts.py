"""Name the Lua scripts of graphs as Python functions, like ``scripts`` those of tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis_tasks import keys
from redis_tasks.conf import settings
from redis_tasks.store import scripts
from redis_tasks.store.client import Argument, Call, Reply
from redis_tasks.store.scripts import BATCH

Entry = tuple[str, str, bytes]
"""Part of a graph's record ("", ":nodes", ":args" or ":state"), field, value."""

HALF_WRITTEN_TTL = 600  # seconds after which what a lost producer has begun is gone


@dataclass(frozen=True, slots=True)
class Advanced:
    """How many tasks were enqueued, whether there is more to do, what went wrong."""

    released: int
    more: bool
    trouble: str


def launch(
    graph_id: str,
    entries: Sequence[Entry],
    *,
    nodes: int,
    lines: int,
    last: bool,
    batch: int = BATCH,
) -> Call[str]:
    """Write a part of a graph; returns written, launched, launching, repeated or incomplete.

    *nodes* and *lines* are how many the whole graph has of ":args" and ":nodes".
    """
    word = "last" if last else "more"
    args: list[Argument] = [keys.prefix(), graph_id, word, HALF_WRITTEN_TTL * 1000]
    args += [nodes, lines, batch]
    for entry in entries:
        args += entry
    return Call(
        "launch", (*_fixed(), *scripts.counting()), tuple(args), lambda reply: str(reply.decode())
    )


def advance(batch: int = BATCH) -> Call[Advanced]:
    """Tell at most *batch* successors of nodes that have ended, and enqueue who may go."""
    limit = settings.REGISTRIES_MAX_BYTES
    limit = (scripts.registries_bytes if limit is None else limit) // 3
    fixed = (*_fixed(), keys.graphs(), *scripts.counting())
    return Call("advance", fixed, (keys.prefix(), batch, limit), _advanced)


def _advanced(reply: Reply) -> Advanced:
    return Advanced(reply[0], reply[1] == 1, reply[2].decode(errors="replace"))


def forget_graphs(ttl: float) -> Call[int]:
    """Delete graphs that were over *ttl* seconds ago, at most ``BATCH``."""
    args = (keys.prefix(), round(ttl * 1000))
    return Call("forget_graphs", (keys.totals(), keys.graphs()), args, int)


def _fixed() -> tuple[str, ...]:
    return (keys.totals(), keys.queues(), keys.graph_ready())
