"""What no codec wrote is refused, quickly, without running anything that it names."""

import ast
import contextlib
import random
import time
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from redis_tasks import codec
from redis_tasks.codec import decode, decode_call, encode, encode_call
from redis_tasks.exceptions import DeserializationError

LIBRARY = Path(codec.__file__).parent

BERLIN = ZoneInfo("Europe/Berlin")

UNREADABLE = [
    b"",
    b"\xff",
    b"nonsense",
    b"[1,2",
    b"[1] 2",
    b"NaN",
    b"[Infinity]",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[[" + b"[" * 1000 + b"]" * 1000,
    b'["\\"' + b"[" * 9 + b'",' + b"[" * 1000,
    b"9" * 5000,
    b'{"$":1}',
    b'{"$":[]}',
    b'{"$":["os.system","true"]}',
    b'{"$":["tuple",[1]],"x":1}',
    b'{"$":[["tuple"],[1]]}',
    b'{"$":["tuple","ab"]}',
    b'{"$":["set",[[]]]}',
    b'{"$":["dict",[[[],1]]]}',
    b'{"$":["dict",[[1]]]}',
    b'{"$":["set",[{"$":["Decimal","sNaN"]}]]}',
    b'{"$":["bytes","*"]}',
    b'{"$":["str","/w=="]}',
    b'{"$":["int","xyz"]}',
    b'{"$":["float","x"]}',
    b'{"$":["float",[]]}',
    b'{"$":["Decimal","x"]}',
    b'{"$":["Decimal","1E99999999999999999999"]}',
    b'{"$":["timedelta",999999999999]}',
    b'{"$":["timedelta",1e400]}',
    b'{"$":["UUID",7]}',
    b'{"$":["date","2026-13-01"]}',
    b'{"$":["time","12:00+01:00"]}',
    b'{"$":["datetime","2026-01-01T00:00:00Z"]}',
    b'{"$":["datetime","2026-01-01",null,2]}',
    b'{"$":["datetime","2026-01-01","Mars/Base"]}',
    b'{"$":["datetime","2026-01-01","Europe"]}',
    b'{"$":["datetime","2026-01-01","../../etc/passwd"]}',
    b'{"$":["datetime","2026-01-01","a.b/c"]}',
    b'{"$":["datetime","2026-01-01",99999999999999999]}',
    b'{"$":["datetime","2026-01-01",[1]]}',
    b'{"$":["datetime"]}',
]


@pytest.mark.parametrize("raw", UNREADABLE, ids=lambda raw: f"{raw[:40]!r} {len(raw)}")
def test_bytes_that_nobody_wrote_are_refused_and_kept(raw: bytes) -> None:
    with pytest.raises(DeserializationError) as caught:
        decode(raw)

    assert caught.value.raw_data == raw
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "raw", [b"[]", b"{}", b"[[],{},1]", b"[{},[]]", b'[[],{"$":["dict",[[1,2]]]}]', b"[1,{}]"]
)
def test_a_call_of_another_form_is_refused(raw: bytes) -> None:
    with pytest.raises(DeserializationError, match="not a list"):
        decode_call(raw)


def test_more_than_16_mib_are_not_even_looked_at() -> None:
    with pytest.raises(DeserializationError, match="more than 16777216"):
        decode(b" " * (codec.MAX_BYTES + 1))


def test_brackets_in_strings_are_not_nesting() -> None:
    value = ['\\"[[[' * 1000, "]" * 5, "{" * 1000, [[]] * 500]

    assert decode(encode(value)) == value


def mangled(raw: bytes, dice: random.Random) -> bytes:
    """Return *raw* with a few bytes changed, dropped, doubled or copied from elsewhere."""
    data = bytearray(raw)
    for _ in range(dice.randint(1, 4)):
        at, other = dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)
        if (move := dice.randrange(4)) == 0:
            data[at : at + 1] = dice.randbytes(1)
        elif move == 1:
            del data[at : at + dice.randint(1, 6)]
        elif move == 2:
            data[at:at] = data[other : other + dice.randint(1, 20)]
        else:
            data[at:at] = dice.choice([b"[", b"{", b'"', b"$", b"\\", b"1e9", b"null", b"-"])
    return bytes(data)


def test_100_000_mangled_texts_are_read_or_refused_in_no_time() -> None:
    dice = random.Random(20261123)
    aware = datetime(2026, 1, 1, tzinfo=BERLIN, fold=1)
    seeds = [
        encode_call((1, "x", [aware, date(2026, 1, 1)]), {"y": {1: b"abc", "$": 3**3000}}),
        encode_call(({frozenset({1, Decimal("1.5")}), "x"}, time_of_day(1)), {"z": float("nan")}),
        encode_call((UUID(int=7), timedelta(1, 2, 3), (1, ("\ud800",))), {"$": aware}),
        b'[["plain",1,2.5,null,true],{"x":{"y":[]}}]',
    ]
    slow = []

    for number in range(100_000):
        raw = dice.randbytes(20) if number % 10 == 0 else mangled(seeds[number % 4], dice)
        if seconds_to_read(raw) > 0.1:
            slow.append(raw)

    # Once more: the first time, garbage may have been collected.
    assert [raw for raw in slow if seconds_to_read(raw) > 0.1] == []


def seconds_to_read(raw: bytes) -> float:
    begun = time.thread_time()
    with contextlib.suppress(DeserializationError):
        decode_call(raw)
    return time.thread_time() - begun


@pytest.mark.parametrize("start", [b"[", b'{"x":', b'{"$":', b"[[],", b'["[",'])
def test_a_hostile_text_is_refused_in_bounded_time(start: bytes) -> None:
    raw = start * (2**20 // len(start))
    begun = time.thread_time()

    with pytest.raises(DeserializationError):
        decode(raw)

    assert time.thread_time() - begun < 1


FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "execfile"}


def dangers(tree: ast.Module) -> list[str]:
    """Name what could turn bytes into code."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Name):
            found.append(f"{node.id}()")
    words = FORBIDDEN_MODULES | {f"{name}()" for name in FORBIDDEN_CALLS}
    return [name for name in found if name.partition(".")[0] in words]


@pytest.mark.parametrize(
    "text", ["import pickle", "from marshal import loads", "import yaml.loader", "f = eval"]
)
def test_the_search_for_dangers_finds_them(text: str) -> None:
    assert dangers(ast.parse(text))


@pytest.mark.parametrize(
    "path", sorted(LIBRARY.rglob("*.py")), ids=lambda path: str(path.relative_to(LIBRARY))
)
def test_no_module_can_turn_bytes_into_code(path: Path) -> None:
    assert dangers(ast.parse(path.read_text(encoding="utf-8"))) == []
