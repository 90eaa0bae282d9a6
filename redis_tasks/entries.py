"""Read the entries of ``settings.SCHEDULE``.

An entry is a dict: ``task`` (import path of a function), ``schedule``, and as needed ``args``,
``kwargs``, ``singleton``, ``queue``, ``timezone``, ``max_catchup``, ``enabled``. Whatever is wrong
with any of them is told at once.
"""

import difflib
import hashlib
import inspect
import math
import reprlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from redis_tasks import allowlist, codec, names
from redis_tasks.clock import EPOCH
from redis_tasks.conf import settings
from redis_tasks.exceptions import PayloadTooLarge, SettingsError
from redis_tasks.schedules import Schedule, Unusable
from redis_tasks.smear_dst import smeared_zone
from redis_tasks.task import Task

Rule = Callable[[Any], str | None]  # what the value must be, or None if that is what it is

TICK_IDS = uuid.UUID("a9ad3ad5-9a0b-5d9f-8f6e-3f5d1c1d7e0a")
MICROSECOND = timedelta(microseconds=1)
DAY = 86_400.0  # seconds
LEAST_KEPT = 8 * DAY  # a week's holidays: what is due as they end is not forgotten
LONGEST_CATCHUP = 100 * 365 * DAY
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the schedule; *max_catchup* in seconds."""

    id: str
    func: Callable[..., Any] | str
    schedule: Schedule
    zone: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    singleton: bool
    queue: str
    max_catchup: float
    enabled: bool

    @property
    def func_name(self) -> str:
        """Import path of the function, as far as it has one."""
        if isinstance(self.func, str):
            return self.func
        name = getattr(self.func, "__qualname__", type(self.func).__qualname__)
        return f"{getattr(self.func, '__module__', '?')}.{name}"

    @property
    def fingerprint(self) -> str:
        """What differs from another one if the ticks do."""
        if not self.enabled:
            return "disabled"
        # The schedule is bound: its repr has the zone, too.
        return hashlib.sha256(repr(self.schedule).encode("utf-8", "replace")).hexdigest()[:16]

    @property
    def description(self) -> str:
        """When it is due, in words; the zone is not among them."""
        return self.schedule.describe().removesuffix(f", {self.zone}")

    def task(self, task_id: str | None = None) -> Task:
        """Make its task, not yet enqueued.

        Raises ``ValueError`` for a function that cannot be imported or may not run, ``TypeError``
        for arguments that cannot be encoded.
        """
        task = Task(self.func, self.args, self.kwargs, task_id=task_id)
        task.headers["schedule"] = self.id
        return task

    def task_id(self, tick: datetime) -> str:
        """Return the id of the task of a tick: the same whoever enqueues it."""
        return str(uuid.uuid5(TICK_IDS, f"{(tick - EPOCH) // MICROSECOND} {self.id}"))

    def keep(self, interval: timedelta) -> float:
        """Return for how many seconds its state outlives a tick, the next one *interval* away."""
        return max(LEAST_KEPT, 5 * self.max_catchup, 2 * interval.total_seconds())


def read() -> tuple[list[Entry], list[str]]:
    """Return the entries that can be understood, and a sentence for everything that is wrong.

    Whether their functions can be called is not looked at: nothing is imported.
    """
    return _read(_wrong)


def load() -> list[Entry]:
    """Return all entries, whose tasks can be made.

    Raises ``SettingsError`` with everything that is wrong with any of them.
    """
    entries, errors = _read(lambda name, given: [*_wrong(name, given), *_wrong_call(given)])
    if errors:
        raise SettingsError(errors)
    return entries


def _read(wrong: Callable[[str, Any], list[str]]) -> tuple[list[Entry], list[str]]:
    entries, errors = [], []
    for name, given in settings.SCHEDULE.items():
        sentences = wrong(name, given)
        errors += [f"SCHEDULE[{name!r:.100}]: {sentence}" for sentence in sentences]
        if not sentences:
            entries.append(_entry(name, given))
    return entries, errors


def _entry(name: str, given: Mapping[str, Any]) -> Entry:
    zone = given.get("timezone") or settings.TIMEZONE
    limit = given.get("max_catchup", settings.SCHEDULER_MAX_CATCHUP)
    return Entry(
        id=name,
        func=given["task"],
        schedule=given["schedule"].bind(name, zone),
        zone=zone,
        args=tuple(given.get("args") or ()),
        kwargs=dict(given.get("kwargs") or {}),
        singleton=given.get("singleton", True),
        queue=given.get("queue") or settings.SCHEDULER_QUEUE,
        max_catchup=min(float(limit), LONGEST_CATCHUP),
        enabled=given.get("enabled", True),
    )


def _wrong(name: str, given: object) -> list[str]:
    """Return a sentence for each thing that is wrong with an entry."""
    if not names.is_name(name):
        return [f"its name must be printable text of 1 to {names.MOST_BYTES} bytes"]
    if not isinstance(given, Mapping):
        return [f"an entry must be a dict, not {_SHORT.repr(given)}"]
    wrong = [_unknown(key) for key in given if key not in RULES]
    wrong += [f"it needs {key!r}" for key in ("task", "schedule") if key not in given]
    for key, rule in RULES.items():
        must_be = rule(given[key]) if key in given else None
        if must_be is not None:
            wrong.append(f"{key} must be {must_be}, not {_SHORT.repr(given[key])}")
    if isinstance(given.get("schedule"), Unusable):
        wrong.append(given["schedule"].why)
    return wrong


def _unknown(key: object) -> str:
    close = difflib.get_close_matches(str(key), RULES, n=1)
    meant = f"did you mean {close[0]!r}?" if close else f"there are {_listed(RULES)}"
    return f"it has an unknown {_SHORT.repr(key)}: {meant}"


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(keys)


def _wrong_call(given: object) -> list[str]:
    """Return a sentence for each thing that is wrong with the call of an entry."""
    if not isinstance(given, Mapping) or "task" not in given:
        return []
    if any(RULES[key](given[key]) for key in ("task", "args", "kwargs") if key in given):
        return []  # which is told already
    func, args, kwargs = given["task"], given.get("args") or (), given.get("kwargs") or {}
    try:
        Task(func, args, kwargs)
    except PayloadTooLarge as error:
        return [str(error)]
    except (TypeError, ValueError) as error:
        return _each_wrong(func, args, kwargs) or [str(error)]
    return _wrong_arguments(func, args, kwargs)


def _each_wrong(
    func: Callable[..., Any] | str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[str]:
    """Return what is wrong with the function, and what with its arguments."""
    wrong = []
    for check in (lambda: allowlist.check(func), lambda: codec.encode_call(args, kwargs)):
        try:
            check()
        except (TypeError, ValueError) as error:
            wrong.append(str(error))
    return wrong


def _wrong_arguments(
    func: Callable[..., Any] | str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[str]:
    path, function = allowlist.check(func)
    try:
        signature = _signature(function)
    except (TypeError, ValueError):
        return []  # a function in C that does not tell what it takes
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return [f"{path} does not take these arguments: {error}"]
    return []


# Thousands of entries may have the same function.
_signature = lru_cache(inspect.signature)


def _task(value: object) -> str | None:
    fits = isinstance(value, str) or callable(value)
    return None if fits else "the import path of a function, such as 'shop.tasks.nightly'"


def _schedule(value: object) -> str | None:
    if isinstance(value, Schedule):
        return None
    return "a schedule, made by crontab(), run_every() or once_per_day()"


def _args(value: object) -> str | None:
    return None if value is None or isinstance(value, (list, tuple)) else "a list of arguments"


def _kwargs(value: object) -> str | None:
    fits = isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
    return None if value is None or fits else "a dict of arguments by name"


def _yes_or_no(value: object) -> str | None:
    return None if isinstance(value, bool) else "True or False"


def _queue(value: object) -> str | None:
    must_be = f"printable text of 1 to {names.MOST_BYTES} bytes"
    return None if value is None or names.is_name(value) else must_be


def _timezone(value: object) -> str | None:
    if value is None:
        return None
    try:
        smeared_zone(value if isinstance(value, str) else "")
    except ValueError:
        return "the IANA name of a time zone, such as 'Europe/Berlin'"
    return None


def _max_catchup(value: object) -> str | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = is_number and 0 <= value < math.inf  # type: ignore[operator]  # seen to be a number
    return None if fits else "a number of seconds of at least 0"


RULES: dict[str, Rule] = {
    "task": _task,
    "schedule": _schedule,
    "args": _args,
    "kwargs": _kwargs,
    "singleton": _yes_or_no,
    "queue": _queue,
    "timezone": _timezone,
    "max_catchup": _max_catchup,
    "enabled": _yes_or_no,
}
