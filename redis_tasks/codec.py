"""Turn Python values into JSON text that gives back the exact types.

What JSON has is written as it is: ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` and
``dict`` with text keys. What it lacks is an object with the one key ``$``, which holds a name and
what is needed to make the value again::

    (1, b"x")        {"$": ["tuple", [1, {"$": ["bytes", "eA=="]}]]}
    {1: "one"}       {"$": ["dict", [[1, "one"]]]}

Only exactly these types are accepted: an instance of a subclass would come back as something
else. Reading makes no object of any other type, whatever the bytes are.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from itertools import accumulate
from typing import Any, NoReturn

from redis_tasks.exceptions import DeserializationError, PayloadTooLarge
from redis_tasks.json_tags import TAG, UNREADABLE, WRITERS, is_encodable, type_name, untag

MAX_DEPTH = 64  # containers within one another
MAX_BYTES = 16 * 1024 * 1024  # of text that is read
MAX_VALUES = MAX_BYTES // 2  # in one text: each takes two bytes at least
_JSON_DEPTH = 4 * MAX_DEPTH + 4  # an item of a tagged dict is within four more brackets

_NO_ARGUMENTS = b"[[],{}]"
_BLANK = " \t\n\r"  # as RFC 8259 has it
_TEXT = frozenset({str})
_CONTAINERS = frozenset({list, dict})
_PLAIN = frozenset({type(None), bool, int, float, str, list, dict})


def encode_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """Return the arguments of a call as UTF-8 JSON: ``[[...],{...}]``.

    Raises ``TypeError`` naming the path of a value that has no place here (``kwargs['x'][2]``),
    ``ValueError`` likewise for one that contains itself or is nested deeper than ``MAX_DEPTH``,
    ``PayloadTooLarge`` for more than ``MAX_VALUES`` values.
    """
    if not isinstance(args, (list, tuple)):
        raise TypeError(f"args must be a list or a tuple, not a {type(args).__name__}")
    if not isinstance(kwargs, dict) or not _TEXT.issuperset(map(type, kwargs)):
        raise TypeError("kwargs must be a dict with text keys")
    if not args and not kwargs:
        return _NO_ARGUMENTS
    text = _plain_text([list(args), dict(kwargs)])
    if text is not None:
        return text
    return _text([_Walk("args").items(args), _Walk("kwargs").mapping(kwargs)])


def decode_call(raw: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that ``encode_call`` has written.

    Raises ``DeserializationError``, and nothing else, for whatever it has not.
    """
    if raw == _NO_ARGUMENTS:
        return (), {}
    call = decode(raw)
    if type(call) is list and len(call) == 2:
        args, kwargs = call
        if type(args) is list and type(kwargs) is dict and _TEXT.issuperset(map(type, kwargs)):
            return tuple(args), kwargs
    raise DeserializationError("the arguments are not a list [args, kwargs]", raw)


def encode(value: object, name: str = "meta") -> bytes:
    """Return *value* as UTF-8 JSON.

    Raises what ``encode_call`` raises, with paths that begin with *name*.
    """
    text = _plain_text([[value]])
    return text[2:-2] if text is not None else _text(_Walk(name).value(value))


def decode(raw: bytes) -> Any:
    """Return the value that ``encode`` has written.

    Raises ``DeserializationError``, and nothing else, for whatever it has not: the time and
    memory that takes are bounded, whatever the bytes are.
    """
    if len(raw) > MAX_BYTES:
        raise DeserializationError(f"{len(raw)} bytes are more than {MAX_BYTES}", raw)
    if _is_too_deep(raw):
        raise DeserializationError(f"nested deeper than {MAX_DEPTH} levels", raw)
    try:
        text = raw.decode().strip(_BLANK)
        value, end = (_TAGGED if b'"$"' in raw else _UNTAGGED).raw_decode(text)
    except (*UNREADABLE, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise DeserializationError(f"not what redis_tasks writes: {why:.200}", raw) from None
    if end < len(text):
        raise DeserializationError("not what redis_tasks writes: more than one value", raw)
    return value


# ---- Writing: a fast way for what JSON has, a thorough one for the rest ------------------------


def _text(value: object) -> bytes:
    return _ENCODER.encode(value).encode()


def _plain_text(containers: list[Any]) -> bytes | None:
    """Return the JSON text of lists and dicts that need no tags; None if they may need some."""
    if not _is_plain(containers):
        return None
    try:
        return _text(containers)
    except ValueError:  # not finite, too many digits, or half of a surrogate pair
        return None


def _is_plain(containers: list[Any]) -> bool:
    """Tell whether JSON has all types in these lists and dicts.

    Looks at one level of nesting at a time, which is fast and sees how much there is.
    """
    for _ in range(MAX_DEPTH):
        members: list[Any] = []
        for container in containers:
            if type(container) is list:
                members += container
            elif TAG in container or not _TEXT.issuperset(map(type, container)):
                return False
            else:
                members += container.values()
        kinds = set(map(type, members))
        if not kinds <= _PLAIN or len(members) > MAX_VALUES:
            return False
        if kinds.isdisjoint(_CONTAINERS):
            return True
        containers = [member for member in members if type(member) in _CONTAINERS]
    return False


class _Walk:
    """One pass over a value that tags what has to be and always knows where it is."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.around: list[object] = []  # the containers it is in
        self.steps: list[object] = []  # for each of them: index or key of what it looks at
        self.values = 0

    def value(self, value: Any) -> object:
        kind = type(value)
        write = WRITERS.get(kind)
        if write is not None:
            return self._scalar(write, value)
        if kind is list:
            return self.items(value)
        if kind is dict:
            return self.mapping(value)
        if kind is tuple:
            return {TAG: ["tuple", self.items(value)]}
        if kind is set or kind is frozenset:
            return {TAG: [kind.__name__, self.members(value)]}
        raise TypeError(f"{self._path()} is of type {type_name(kind)}: {_advice(value)}")

    def _scalar(self, write: Callable[[Any], object], value: object) -> object:
        try:
            return write(value)
        except TypeError as error:
            raise TypeError(f"{self._path()} {error}") from None

    def items(self, values: Sequence[object]) -> list[object]:
        self._enter(values)
        written = []
        for index, value in enumerate(values):
            self.steps[-1] = index
            written.append(self.value(value))
        self._leave()
        return written

    def members(self, values: Collection[object]) -> list[object]:
        self._enter(values)
        self.steps[-1] = _Unnamed("<member>")
        # In an order that is the same in every process: a repeated call is told by its bytes.
        written = sorted((self.value(value) for value in values), key=_ENCODER.encode)
        self._leave()
        return written

    def mapping(self, values: Mapping[Any, object]) -> dict[str, object]:
        self._enter(values)
        is_plain = TAG not in values and _TEXT.issuperset(map(type, values))
        written: dict[str, object] = {}
        if is_plain and is_encodable("".join(values)):
            for key, value in values.items():
                self.steps[-1] = key
                written[key] = self.value(value)
        else:
            written[TAG] = ["dict", [self._pair(key, value) for key, value in values.items()]]
        self._leave()
        return written

    def _pair(self, key: object, value: object) -> list[object]:
        self.steps[-1] = _Unnamed("<key>")
        written = self.value(key)
        self.steps[-1] = key
        return [written, self.value(value)]

    def _enter(self, container: Collection[object]) -> None:
        if any(outer is container for outer in self.around):
            raise ValueError(f"{self._path()} contains itself")
        if len(self.around) == MAX_DEPTH:
            raise ValueError(f"{self._path()} is nested deeper than {MAX_DEPTH} levels")
        self.around.append(container)
        self.steps.append(None)
        self.values += len(container)
        if self.values > MAX_VALUES:
            raise PayloadTooLarge(f"{self.root} has more than {MAX_VALUES} values")

    def _leave(self) -> None:
        self.around.pop()
        self.steps.pop()

    def _path(self) -> str:
        return self.root + "".join(f"[{step!r:.60}]" for step in self.steps)


class _Unnamed(str):
    """A step of a path that has neither an index nor a key."""

    __slots__ = ()
    __repr__ = str.__str__


def _advice(value: object) -> str:
    if isinstance(value, Enum):
        return "pass its .value"
    if isinstance(value, (bytearray, memoryview)):
        return "pass bytes() of it"
    for kind in (*WRITERS, list, dict, tuple, set, frozenset):
        if isinstance(value, kind):
            return f"it would come back as another type, so convert it to exactly {kind.__name__}"
    return (
        "pass what it can be made from again (such as an id) as None, bool, int, float, str,"
        " bytes, list, tuple, set, frozenset, dict, datetime, date, time, timedelta, Decimal, UUID"
    )


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)


# ---- Reading ----------------------------------------------------------------------------------

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _is_too_deep(raw: bytes) -> bool:
    """Tell in linear time whether the brackets of a JSON text are nested too deep to be parsed."""
    if raw.count(b"[") + raw.count(b"{") <= _JSON_DEPTH:
        return False
    # Outside of strings a backslash is an error, at which the parser will stop.
    outside = raw.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    brackets = b"".join(outside).translate(None, _NO_BRACKETS)
    return any(depth > _JSON_DEPTH for depth in accumulate(map(_STEPS.__getitem__, brackets)))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_UNTAGGED = json.JSONDecoder(parse_constant=_refuse_constant)
_TAGGED = json.JSONDecoder(parse_constant=_refuse_constant, object_hook=untag)
