"""What Redis holds, read in one look: every key with all of its content."""

import re
from dataclasses import dataclass, field
from typing import Any

from redis_tasks import keys
from redis_tasks.conf import connection

CLOCK = "clock"  # where altered scripts find the time, see ``altered_scripts``

LOOK = """
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local content = {}
  if kind == 'hash' then content = redis.call('HGETALL', key) end
  if kind == 'zset' then content = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  if kind == 'list' then content = redis.call('LRANGE', key, 0, -1) end
  if kind == 'set' then content = redis.call('SMEMBERS', key) end
  table.insert(found, {key, kind, content})
end
return found
"""

Fields = dict[str, str]


@dataclass
class View:
    """All keys, by what they are; *unknown* should stay empty."""

    tasks: dict[str, Fields] = field(default_factory=dict)
    queues: dict[str, dict[str, int]] = field(default_factory=dict)
    leases: dict[str, dict[str, int]] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    hosts: dict[str, Fields] = field(default_factory=dict)
    tombs: dict[str, frozenset[str]] = field(default_factory=dict)
    registries: dict[str, dict[str, int]] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    totals: Fields = field(default_factory=dict)
    guards: Fields = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def look() -> View:
    """Read everything that there is."""
    view = View(registries={keys.FINISHED: {}, keys.FAILED: {}})
    for key, kind, content in connection.eval(LOOK, 0):
        name = key.decode().removeprefix(keys.prefix() + ":")
        _place(view, name, kind.decode(), content)
    return view


def _place(view: View, name: str, kind: str, content: list[Any]) -> None:
    start, _, rest = name.partition(":")
    match start, kind:
        case "t", "hash":
            view.tasks[rest] = _pairs(content)
        case "w", "hash":
            view.hosts[rest] = _pairs(content)
        case "q", "zset":
            view.queues[rest] = _scores(content)
        case "leases", "zset":
            view.leases[rest] = _scores(content)
        case "wake", "list":
            view.tokens[rest] = len(content)
        case "over", "list":
            view.registries[rest] = _moments(content)
        case (("counts" | "failure"), ("hash" | "string")):
            pass  # statistics: they have tests of their own
        case "tomb", "set" if re.fullmatch(r"\d+:\d{1,4}", rest):
            view.tombs[rest] = frozenset(member.decode() for member in content)
        case _:
            _place_single(view, name, kind, content)


def _place_single(view: View, name: str, kind: str, content: list[Any]) -> None:
    match name, kind:
        case "workers", "zset":
            view.live = _scores(content)
        case "queues", "set":
            view.names = {member.decode() for member in content}
        case "totals", "hash":
            view.totals = _pairs(content)
        case "failures", "zset":
            pass
        case "guard", "hash":
            view.guards = _pairs(content)
        case _ if name != CLOCK:
            view.unknown.append(f"{name} ({kind})")


def _pairs(content: list[bytes]) -> Fields:
    words = iter(word.decode() for word in content)
    return dict(zip(words, words, strict=True))


def _scores(content: list[bytes]) -> dict[str, int]:
    return {member: int(float(score)) for member, score in _pairs(content).items()}


def _moments(entries: list[bytes]) -> dict[str, int]:
    found = [entry.decode().split(" ", 1) for entry in entries]
    ended = {id_: int(moment) for moment, id_ in found}
    assert len(ended) == len(found), "a task is twice in its registry"
    return ended
