"""Read what the scripts have counted.

Nothing here asks Redis itself: each function returns commands, or takes the replies to them apart,
so that a caller can send everything together. All commands only read.
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from redis_tasks import clock, keys

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000  # ms: the steps in which is counted
STEPS = {MINUTE: "minute", HOUR: "hour", DAY: "day"}
BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # s, then no bound
MOST_RAW = 120  # minutes that may wait to be summed up

_NUMBERS = 29  # as in store/lua/shared/counts.lua
_RAW = struct.Struct(f"<{_NUMBERS}d")
_BUCKETS = len(BOUNDS) + 1

Command = tuple[object, ...]
Pair = tuple[str, str]
OTHER: Pair = ("", "")  # what came when too many pairs were known already


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took: *total* seconds of all, how many fell into each bucket."""

    total: float
    buckets: tuple[int, ...]

    @property
    def number(self) -> int:
        return sum(self.buckets)

    @property
    def mean(self) -> float | None:
        return self.total / self.number if self.number else None

    def percentile(self, share: float) -> float | None:
        """Return the seconds within which *share* (0 to 1) of all were done, estimated."""
        wanted, before = share * self.number, 0
        if not self.number:
            return None
        for (low, high), number in zip(pairwise((0.0, *BOUNDS)), self.buckets, strict=False):
            if before + number >= wanted and number:
                return low + (high - low) * (wanted - before) / number
            before += number
        # Beyond the last bound nothing is known but the mean of all.
        return max(BOUNDS[-1], self.mean or 0.0)


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted: tasks that were enqueued, runs by how they ended, their times."""

    numbers: tuple[float, ...] = ()

    @property
    def enqueued(self) -> int:
        return self._number(0)

    @property
    def finished(self) -> int:
        return self._number(1)

    @property
    def failed(self) -> int:
        return self._number(2)

    @property
    def requeued(self) -> int:
        return self._number(3)

    @property
    def waiting(self) -> Times:
        """From the enqueueing to the first start, of runs that ended."""
        return self._times(4, 6)

    @property
    def running(self) -> Times:
        """From start to end, of runs that finished or failed."""
        return self._times(5, 6 + _BUCKETS)

    def _number(self, place: int) -> int:
        return int(self.numbers[place]) if place < len(self.numbers) else 0

    def _times(self, total: int, first: int) -> Times:
        buckets = tuple(self._number(first + i) for i in range(_BUCKETS))
        return Times(self._number(total) / 1000, buckets)


Sums = dict[Pair, Counts]


def added(counts: Iterable[Counts]) -> Counts:
    """Return the sum of counts."""
    padded = [(*c.numbers, *(0.0,) * (_NUMBERS + 1 - len(c.numbers))) for c in counts if c.numbers]
    return Counts(tuple(map(sum, zip(*padded, strict=True))))


@dataclass(frozen=True, slots=True)
class Question:
    """What was counted in each of the last *number* steps of *step* ms, the present one last."""

    step: int
    number: int
    now: datetime
    summed: int  # the last minute that was summed up, in minutes since 1970

    @property
    def first(self) -> int:
        return clock.to_ms(self.now) // self.step - self.number + 1

    @property
    def moments(self) -> tuple[datetime, ...]:
        """The beginning of each step."""
        begin = clock.EPOCH + self.first * timedelta(milliseconds=self.step)
        return tuple(begin + i * timedelta(milliseconds=self.step) for i in range(self.number))

    @property
    def raw_minutes(self) -> range:
        """The minutes that are not summed up yet."""
        minute = clock.to_ms(self.now) // MINUTE
        return range(max(self.summed + 1, minute - MOST_RAW), minute + 1)

    def commands(self) -> list[Command]:
        """Return what to ask Redis; ``answer`` takes the replies."""
        name = STEPS[self.step]
        steps = [keys.counts(f"{name}:{self.first + i}") for i in range(self.number)]
        return [("MGET", *steps), *self._raw_commands()]

    def answer(self, replies: Sequence[object], names: Mapping[str, Pair]) -> list[Sums]:
        """Return the sums of each step; *names* as ``read_names`` returns them."""
        summed, *raw = replies
        found: list[Sums] = [_parsed(text, names) for text in _items(summed)]
        for minute, sums in self._raw_sums(raw):
            place = minute * MINUTE // self.step - self.first
            if 0 <= place < self.number:
                found[place] = merged([found[place], sums])
        return found

    def commands_for_ever(self) -> list[Command]:
        """Return what to ask Redis for the sums of all times."""
        return [("GET", keys.counts("ever")), *self._raw_commands()]

    def answer_for_ever(self, replies: Sequence[object], names: Mapping[str, Pair]) -> Sums:
        """Return the sums of all times."""
        total, *raw = replies
        return merged([_parsed(total, names), *(sums for _, sums in self._raw_sums(raw))])

    def _raw_commands(self) -> list[Command]:
        ways = [(way, minute) for minute in self.raw_minutes for way in ("in", "out")]
        return [("HGETALL", keys.counts(f"{way}:{minute}")) for way, minute in ways]

    def _raw_sums(self, replies: Sequence[object]) -> Iterable[tuple[int, Sums]]:
        for minute, into, out in zip(self.raw_minutes, replies[::2], replies[1::2], strict=True):
            parts = [{_pair(name): Counts((_count(raw),))} for name, raw in _fields(into)]
            parts += [
                {_pair(name): Counts((0.0, *_RAW.unpack(raw)))}
                for name, raw in _fields(out)
                if len(raw) == _RAW.size
            ]
            yield minute, merged(parts)


def name_commands() -> list[Command]:
    """Return what to ask Redis before anything else: ``read_names``, ``read_summed``."""
    return [("HGETALL", keys.counts("names")), ("HGET", keys.totals(), "summed")]


def read_names(reply: object) -> dict[str, Pair]:
    """Return which queue and function each number in the sums stands for."""
    found = {raw.split(b" ")[0].decode(): _pair(name) for name, raw in _fields(reply)}
    return {"0": OTHER, **found}


def read_summed(reply: object) -> int:
    """Return the last minute that was summed up."""
    return int(_count(reply)) if isinstance(reply, bytes) else 0


def merged(parts: Iterable[Sums]) -> Sums:
    """Return sums of sums."""
    together: dict[Pair, list[Counts]] = {}
    for part in parts:
        for pair, counts in part.items():
            together.setdefault(pair, []).append(counts)
    return {
        pair: counts[0] if len(counts) == 1 else added(counts) for pair, counts in together.items()
    }


def _parsed(text: object, names: Mapping[str, Pair]) -> Sums:
    try:
        found = json.loads(text) if isinstance(text, bytes) else {}
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return merged(
        {names.get(number, OTHER): Counts(tuple(values))}
        for number, values in found.items()
        if isinstance(values, list) and all(type(value) in (int, float) for value in values)
    )


def _items(reply: object) -> Sequence[object]:
    return reply if isinstance(reply, list) else ()


def _fields(reply: object) -> list[tuple[bytes, bytes]]:
    if isinstance(reply, dict):
        return list(reply.items())
    flat = _items(reply)
    return [(n, v) for n, v in zip(flat[::2], flat[1::2], strict=False) if isinstance(n, bytes)]  # type: ignore[misc]


def _pair(raw: bytes) -> Pair:
    queue, _, function = raw.decode(errors="replace").partition("\n")
    return queue, function


def _count(raw: bytes) -> float:
    return float(raw) if raw.isdigit() and len(raw) < 20 else 0.0
