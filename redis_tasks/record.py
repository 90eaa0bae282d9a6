"""Read the fields of a task's record, whatever they hold."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from redis_tasks import clock
from redis_tasks.conf import settings
from redis_tasks.store.scripts import Fields

LONGEST_FUNCTION = 300  # bytes of a function's path that tell groups of failures apart


def decode_names(record: Mapping[bytes, bytes]) -> Fields:
    """Return the reply to HGETALL with names as text."""
    return {name.decode(errors="replace"): value for name, value in record.items()}


def failure_group(func_name: bytes, error_line: bytes) -> str:
    """Return the id of a group of failures, as ``shared/failures.lua`` makes it."""
    raw = func_name[:LONGEST_FUNCTION] + b"\n" + error_line
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()[:16]


class Record:
    """What Redis holds of one task. What is missing or malformed reads as nothing."""

    _fields: Fields

    @property
    def func_name(self) -> str:
        """Import path of the function; empty if the record lacks it."""
        return self._text("fn") or ""

    @property
    def is_shortened(self) -> bool:
        """Whether only the beginning of the arguments was kept, since the task has finished."""
        return "less" in self._fields

    @property
    def is_reentrant(self) -> bool:
        """Whether it may be started again after an interruption; fixed at enqueue."""
        return self._fields.get("re") == b"1"

    @property
    def has_secrets(self) -> bool:
        """Whether some of its arguments are to be shown to nobody."""
        return bool(self._fields.get("sec"))

    @property
    def timeout(self) -> float:
        """Seconds that a run may take; fixed at enqueue."""
        try:
            return float(self._fields["to"])
        except (KeyError, ValueError):
            return float(settings.DEFAULT_TASK_TIMEOUT)

    @property
    def status(self) -> str | None:
        """``queued``, ``running``, ``finished`` or ``failed``; None if that is not known (yet)."""
        return self._text("st") or None

    @property
    def origin(self) -> str | None:
        """Name of its queue; None before it has one."""
        return self._text("q")

    @property
    def error_message(self) -> str | None:
        """Why it failed, a traceback as a rule."""
        return self._text("err")

    @property
    def failure_reason(self) -> str | None:
        """Why it failed in one word, see ``lifecycle``."""
        return self._text("why")

    @property
    def error_line(self) -> str:
        """The last line of ``error_message``, at most 200 bytes of it, without ids."""
        return self._text("gist") or ""

    @property
    def failure_group(self) -> str:
        """Id of the group of failures that it was counted in; empty if it has not failed."""
        line = self._fields.get("gist")
        return "" if line is None else failure_group(self._fields.get("fn", b""), line)

    @property
    def enqueued_at(self) -> datetime | None:
        return _moment(self._fields.get("enq"))

    @property
    def started_at(self) -> datetime | None:
        """When its present or last run began."""
        return _moment(self._fields.get("start"))

    @property
    def ended_at(self) -> datetime | None:
        return _moment(self._fields.get("end"))

    @property
    def aborted_runs(self) -> list[tuple[datetime, datetime]]:
        """Begin and end of the runs that were interrupted, of very many only the last."""
        return [(started, ended) for started, ended, _ in self.aborted_on]

    @property
    def aborted_on(self) -> list[tuple[datetime, datetime, str]]:
        """The same with the description of the worker, empty if it is not known."""
        runs = []
        for run in (self._text("cut") or "").split(","):
            begin, end, worker = (*run.split("-", 2), "", "")[:3]
            started, ended = _moment(begin.encode()), _moment(end.encode())
            if started is not None and ended is not None:
                runs.append((started, ended, worker))
        return runs

    @property
    def run(self) -> int:
        """Number of its last start, 0 before the first."""
        return self._number("run")

    @property
    def attempt(self) -> int:
        """How many of its runs were neither released nor interrupted."""
        return self._number("try") if self._fields.get("try") else self.run

    @property
    def worker_id(self) -> str | None:
        """Id of the worker of its last run."""
        return self._text("w") or None

    @property
    def graph_id(self) -> str | None:
        """Id of the graph that it is a node of; None for a task on its own."""
        return self._text("g") or None

    def _text(self, field: str) -> str | None:
        raw = self._fields.get(field)
        return None if raw is None else raw.decode(errors="replace")

    def _number(self, field: str) -> int:
        try:
            return int(self._fields.get(field, b"0"))
        except ValueError:
            return 0


def _moment(raw: bytes | None) -> datetime | None:
    try:
        return clock.from_ms(raw)
    except ValueError:
        return None
