"""Judge whether a Redis server is fit for tasks.

Each check is given what the server told in ``INFO`` and looks at one thing. ``CONFIG`` is never
asked: platforms refuse it.
"""

import os
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from redis_tasks.conf import connection
from redis_tasks.finding import Finding

Info = Mapping[str, Any]

OLDEST = {"Redis": (7, 0), "Valkey": (7, 2)}
FULL = 0.91  # of maxmemory: from 92 % on enqueueing is refused, and the measure sways
NEARLY_FULL = 0.8
MOST_SKEW = 5.0  # seconds
MEGABYTE = 1_000_000

# Connections that a process keeps, at most.
OF_A_WORKER = 2
OF_A_SCHEDULER = 1
OF_A_WEB_PROCESS = 2
WEB_PROCESSES = 2  # of a web dyno, unless WEB_CONCURRENCY says otherwise


def ask() -> tuple[Info, float]:
    """Return what INFO says, then by how many seconds the server's clock is ahead of ours."""
    info: Info = connection.info()
    before = time.time()
    seconds, microseconds = connection.time()
    after = time.time()
    return info, skew(before, seconds + microseconds / 1e6, after)


def skew(before: float, server: float, after: float) -> float:
    """Return how far a clock that was read between two moments of ours is certainly ahead.

    Negative if it is behind; 0 if what lies between the two explains the difference.
    """
    if server > after:
        return server - after
    return min(0.0, server - before)


def version(info: Info) -> Finding:
    """Judge by the version that INFO names; Valkey tells one of Redis beside its own."""
    name = "Valkey" if "valkey_version" in info else "Redis"
    text = str(info.get(f"{name.lower()}_version", "?"))
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    oldest = OLDEST[name]
    if numbers < oldest:
        needed = ".".join(map(str, oldest))
        return Finding.fault(
            "version",
            f"{name} {text} is too old",
            f"Use {name} {needed} or newer: the scripts need what came with it.",
        )
    return Finding.ok("version", f"{name} {text}")


def role(info: Info) -> Finding:
    """Judge by whether the server takes writes."""
    if info.get("role") == "slave":
        return Finding.fault(
            "role",
            "this is a read-only replica",
            "Let REDIS_URL name the master, or the sentinels that know it (redis+sentinel://).",
        )
    return Finding.ok("role", "takes writes")


def persistence(info: Info) -> Finding:
    """Judge by what a restart of the server would lose."""
    if not info.get("aof_enabled"):
        return Finding.doubt(
            "persistence",
            "no append-only file: if Redis restarts, the tasks in it are lost",
            "Set `appendonly yes`, or take a plan with persistence (on Heroku: premium), where"
            " tasks matter.",
        )
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding.fault(
            "persistence",
            "the last write to the append-only file failed",
            "Look at the server's disk and log: it refuses writes until that works again.",
            passing=True,
        )
    return Finding.ok("persistence", "append-only file")


def eviction(info: Info) -> Finding:
    """Judge by what the server throws away when it is full."""
    policy = str(info.get("maxmemory_policy", "noeviction"))
    advice = "Set `maxmemory-policy noeviction`; on Heroku: heroku redis:maxmemory -p noeviction"
    if policy == "noeviction":
        return Finding.ok("eviction", policy)
    if policy.startswith("allkeys-"):
        return Finding.fault(
            "eviction", f"the policy is {policy}: a full Redis throws tasks away", advice
        )
    return Finding.doubt(
        "eviction",
        f"the policy is {policy}: a full Redis forgets which enqueues are repeated",
        advice,
    )


def memory(info: Info) -> Finding:
    """Judge by how much room is left."""
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not most:
        return Finding.ok("memory", f"{_megabytes(used)} used, no limit set")
    share = used / most
    text = f"{_megabytes(used)} of {_megabytes(most)} used ({share:.0%})"
    if share >= FULL:
        return Finding.fault(
            "memory",
            f"{text}: full, enqueueing is refused",
            "Workers make room as they finish tasks: run more of them, empty a queue"
            " (redis_tasks empty), or take a larger plan.",
            passing=True,
        )
    if share >= NEARLY_FULL:
        return Finding.doubt(
            "memory",
            text,
            "Look at what waits (redis_tasks info): when it is full, enqueueing is refused.",
        )
    return Finding.ok("memory", text)


def connections(info: Info, formation: Mapping[str, int]) -> Finding:
    """Judge by whether the server takes the connections of all dynos, twice during a deploy.

    *formation* is how many dynos there are by the name of their process.
    """
    most, now = int(info.get("maxclients", 0)), int(info.get("connected_clients", 0))
    needed = budget(formation)
    dynos = ", ".join(f"{count} {name}" for name, count in formation.items() if count)
    text = f"{needed} of {most} for {dynos}; {now} are open now"
    if needed > most:
        return Finding.fault(
            "connections",
            f"{text}: not enough",
            "Run fewer dynos with a higher WORKER_CONCURRENCY each (a worker dyno needs"
            f" {OF_A_WORKER}, whatever that is), or take a larger plan.",
            passing=True,
        )
    if 2 * needed > most:
        return Finding.doubt(
            "connections",
            f"{text}; too few while old and new dynos overlap",
            "Nothing is lost: who finds none waits until an old dyno has left. For quicker"
            " deploys run fewer dynos, or take a larger plan.",
        )
    return Finding.ok("connections", text)


def budget(formation: Mapping[str, int]) -> int:
    """Return how many connections the processes of all dynos keep, at most."""
    given = os.environ.get("WEB_CONCURRENCY", "")
    processes = int(given) if given.isdecimal() else WEB_PROCESSES
    each = {
        "worker": OF_A_WORKER,
        "scheduler": OF_A_SCHEDULER,
        "web": OF_A_WEB_PROCESS * processes,
    }
    return sum(each.get(name, 0) * count for name, count in formation.items())


def tls(url: str, verify: str) -> Finding:
    """Judge by who could read along, or answer in the server's place."""
    address = urlsplit(url)
    if address.scheme.startswith("rediss"):
        if verify == "none":
            return Finding.doubt(
                "tls",
                "encrypted, but whoever answers is believed (REDIS_TLS_VERIFY is none)",
                "On Heroku there is no other way, as its certificates are self-signed."
                " Elsewhere set REDIS_TLS_VERIFY to required, or to the path of a CA file.",
            )
        return Finding.ok("tls", "encrypted, the certificate is verified")
    if address.scheme == "unix" or address.hostname in ("localhost", "127.0.0.1", "::1"):
        return Finding.ok("tls", "not needed: the server is on this machine")
    return Finding.doubt(
        "tls",
        "not encrypted",
        "Use a rediss:// URL where anybody else is on the network.",
    )


def clock(seconds: float) -> Finding:
    """Judge by how many seconds the server's clock is ahead of ours."""
    if abs(seconds) <= MOST_SKEW:
        return Finding.ok("clock", f"within {MOST_SKEW:g} s of the server's")
    where = "ahead of" if seconds > 0 else "behind"
    return Finding.doubt(
        "clock",
        f"the server's clock is {abs(seconds):.0f} s {where} ours",
        "Tasks run by the server's clock, log lines show ours: have both set by NTP.",
    )


def _megabytes(count: int) -> str:
    return f"{count / MEGABYTE:,.1f} MB"
