"""What the codec writes comes back as it was; what it cannot write it names."""

import json
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from datetime import time as time_of_day
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_tasks import codec
from redis_tasks.codec import decode, decode_call, encode, encode_call
from redis_tasks.exceptions import PayloadTooLarge

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.one_of(
    st.none(),
    st.just(UTC),
    st.timezones(),
    st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone),
    st.builds(
        timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)), st.text(max_size=5)
    ),
)
ANY_TEXT = st.text(st.characters())  # lone surrogates among it
HASHABLE_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(1000, 20_000).map(lambda bits: -(3**bits)),
    st.floats(),
    ANY_TEXT,
    st.sampled_from(["$", "\ud83d\ude00", "\ud800", "\x00\u2028"]),
    st.binary(),
    st.builds(
        lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
        st.datetimes(),
        ZONES,
        st.sampled_from([0, 1]),
    ),
    st.dates(),
    st.builds(
        lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
        st.times(),
        ZONES,
        st.sampled_from([0, 1]),
    ),
    st.timedeltas(),
    st.decimals().filter(lambda number: not number.is_snan()),
    st.uuids(),
)
HASHABLES = st.recursive(
    HASHABLE_SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
VALUES = st.recursive(
    HASHABLES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(ANY_TEXT, inner, max_size=4),
        st.dictionaries(HASHABLES, inner, max_size=4),
        st.sets(HASHABLES, max_size=4),
    ),
    max_leaves=12,
)


def form(value: Any) -> Any:
    """Return a text that is the same for the same value of exactly the same types."""
    kind = type(value).__name__
    if isinstance(value, (set, frozenset)):
        return f"{kind}({sorted(form(member) for member in value)})"
    if isinstance(value, (list, tuple)):
        return f"{kind}({[form(member) for member in value]})"
    if isinstance(value, dict):
        return f"{kind}({[(form(key), form(item)) for key, item in value.items()]})"
    if isinstance(value, (datetime, time_of_day)):
        naive = value.replace(tzinfo=None, fold=0)
        return f"{kind}({naive!r}, {zone_form(value.tzinfo)}, fold={value.fold})"
    return f"{kind}({value:x})" if type(value) is int else f"{kind}({value!r})"


def zone_form(zone: tzinfo | None) -> str:
    if isinstance(zone, timezone):
        return f"timezone({zone.utcoffset(None)!r}, {zone.tzname(None)!r})"
    return repr(zone)


@settings(deadline=None)
@given(VALUES)
def test_a_value_comes_back_with_exactly_its_types(value: Any) -> None:
    raw = encode(value)

    assert form(decode(raw)) == form(value)
    json.loads(raw.decode("utf-8"))


@settings(deadline=None)
@given(st.lists(VALUES, max_size=3), st.dictionaries(ANY_TEXT, VALUES, max_size=3))
def test_a_call_comes_back(args: list[Any], kwargs: dict[str, Any]) -> None:
    raw = encode_call(tuple(args), kwargs)

    decoded_args, decoded_kwargs = decode_call(raw)

    assert form(decoded_args) == form(tuple(args))
    assert form(decoded_kwargs) == form(kwargs)


def test_plain_values_are_plain_compact_json() -> None:
    raw = encode_call((1, "ü", None), {"x": [1.5, True, {"y": {}}]})

    assert raw.decode() == '[[1,"ü",null],{"x":[1.5,true,{"y":{}}]}]'


def test_blanks_around_a_value_mean_nothing() -> None:
    assert decode(b" \t[1, 2]\r\n") == [1, 2]


def test_what_json_lacks_is_tagged_where_it_stands() -> None:
    assert encode_call(((1, b"x"),), {}) == b'[[{"$":["tuple",[1,{"$":["bytes","eA=="]}]]}],{}]'
    assert encode({1: "one"}) == b'{"$":["dict",[[1,"one"]]]}'


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("-inf"), "\ud83d\ude00", 7**9999, -(16**5000), {"$": 1}, {"\ud800": 1}],
    ids=range(7),
)
def test_what_json_has_but_garbles_is_tagged(value: Any) -> None:
    raw = encode(value)

    assert raw.startswith(b'{"$":')
    assert form(decode(raw)) == form(value)


@pytest.mark.parametrize("fold", [0, 1])
def test_the_second_of_two_equal_hours_stays_the_second(fold: int) -> None:
    moment = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold)

    again = decode(encode(moment))

    assert (again.utcoffset(), again.tzinfo.key) == (moment.utcoffset(), "Europe/Berlin")


@pytest.mark.parametrize(
    "text", ["1E999999999", "-0", "sNaN", "NaN123", "-Infinity", "0E+5", "1" * 5000]
)
def test_a_decimal_keeps_its_digits(text: str) -> None:
    assert str(decode(encode(Decimal(text)))) == str(Decimal(text))


def test_64_levels_of_nesting_are_written_as_they_are_read() -> None:
    value: Any = {frozenset({Decimal(1)}): datetime(2026, 1, 1, tzinfo=UTC)}
    for _ in range(31):
        value = {1: [value]}

    assert decode(encode(value)) == value


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    HIGH = 3


class Name(str):
    __slots__ = ()


class Elsewhere(tzinfo):
    def utcoffset(self, _moment: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, _moment: datetime | None) -> None:
        return None

    def tzname(self, _moment: datetime | None) -> str:
        return "elsewhere"


@dataclass
class User:
    owner: object


Point = namedtuple("Point", "x y")  # noqa: PYI024 -- as users write it


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((object(),), {}, r"^args\[0\] is of type object: pass what it can be made from again"),
        ((1, [2, {3: User(4)}]), {}, r"^args\[1\]\[1\]\[3\] is of type \S*test_codec\.User: "),
        ((), {"x": [1, 2, len]}, r"^kwargs\['x'\]\[2\] is of type builtin_function_or_method: "),
        ((), {"user": {"owner": User(1)}}, r"^kwargs\['user'\]\['owner'\] is of type "),
        (((1, User),), {}, r"^args\[0\]\[1\] is of type type: "),
        (({1, Colour.RED},), {}, r"^args\[0\]\[<member>\] is of type \S*Colour: pass its \.value"),
        ((), {"x": {Colour.RED: 1}}, r"^kwargs\['x'\]\[<key>\] is of type \S*Colour: "),
        ((Level.HIGH,), {}, r"^args\[0\] is of type \S*Level: pass its \.value"),
        ((Point(1, 2),), {}, r"^args\[0\] .*Point: .* convert it to exactly tuple"),
        ((Name("x"),), {}, r"^args\[0\] .*Name: .* convert it to exactly str"),
        ((OrderedDict(),), {}, r"^args\[0\] .*collections.OrderedDict: .* to exactly dict"),
        ((bytearray(b"x"),), {}, r"^args\[0\] is of type bytearray: pass bytes\(\) of it"),
        ((datetime(2026, 1, 1, tzinfo=Elsewhere()),), {}, r"^args\[0\] has a time zone of type "),
        ((), {"x" * 999: len}, r"^kwargs\['x{59}\] is of type "),
    ],
)
def test_a_value_that_cannot_be_written_is_named_by_its_path(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        encode_call(args, kwargs)


def test_an_error_in_meta_names_meta() -> None:
    with pytest.raises(TypeError, match=r"^meta\['user'\] is of type"):
        encode({"user": object()})


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ("ab", {}, "args must be a list or a tuple, not a str"),
        ({1}, {}, "args must be a list or a tuple, not a set"),
        ((), [], "kwargs must be a dict with text keys"),
        ((), {1: 2}, "kwargs must be a dict with text keys"),
        ((), UserDict(a=1), "kwargs must be a dict with text keys"),
    ],
)
def test_arguments_of_a_wrong_kind_are_refused(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        encode_call(args, kwargs)


def test_a_value_that_contains_itself_is_named() -> None:
    loop: dict[str, Any] = {"x": [1]}
    loop["x"].append(loop)

    with pytest.raises(ValueError, match=r"^args\[0\]\['x'\]\[1\] contains itself$"):
        encode_call((loop,), {})


def test_too_deep_nesting_is_named() -> None:
    value: list[Any] = []
    for _ in range(100):
        value = [value]

    with pytest.raises(ValueError, match=r"^meta(\[0\]){64} is nested deeper than 64 levels$"):
        encode(value)


def test_shared_values_that_unfold_without_end_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(codec, "MAX_VALUES", 10_000)
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]

    with pytest.raises(PayloadTooLarge, match="meta has more than 10000 values"):
        encode(value)
