"""Represent one task: its call, with what Redis knows of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from redis_tasks import allowlist, clock, codec, description, keys, redaction
from redis_tasks.conf import connection, settings
from redis_tasks.decorator import options_of
from redis_tasks.exceptions import (
    DeserializationError,
    InvalidOperation,
    PayloadTooLarge,
    TaskDoesNotExist,
)
from redis_tasks.lifecycle import QUEUED
from redis_tasks.names import check_name, new_id
from redis_tasks.record import Record, decode_names
from redis_tasks.store import client, scripts
from redis_tasks.store.client import Call
from redis_tasks.store.scripts import Fields, NewTask

HEADERS = "redis_tasks.headers"  # the key in the encoded meta that users do not see
MOST_WHOLE = 10**9  # seconds of a timeout that are written as a whole number
OUTAGE = 30.0  # seconds for which a running task does not notice that Redis is away

_current: ContextVar["Task | None"] = ContextVar("redis_tasks_current", default=None)


def get_current_task() -> "Task | None":
    """Return the task that this code is a part of, None outside of a task.

    A thread that a task starts is outside, unless it runs in a copy of the task's context, as
    ``asyncio.to_thread`` does it.
    """
    return _current.get()


class Running:
    """Makes *task* the current one for the time of a ``with`` block."""

    def __init__(self, task: "Task") -> None:
        self._task = task

    def __enter__(self) -> None:
        self._token = _current.set(self._task)

    def __exit__(self, *exc_info: object) -> None:
        _current.reset(self._token)


class Task(Record):
    """One call of a function, as it was when it was made, fetched or last refreshed.

    ``Queue.enqueue_call()`` makes tasks. Made by hand, a task has no status until it is pushed to
    a queue. *func* is a function or its import path.
    """

    def __init__(
        self,
        func: Callable[..., Any] | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
    ) -> None:
        args = () if args is None else args
        kwargs = {} if kwargs is None else kwargs
        self.id = new_id() if task_id is None else check_name(task_id, "task_id")
        path, function = allowlist.check(func)
        arguments = codec.encode_call(args, kwargs)
        _check_size("The arguments", path, arguments)
        options = options_of(function)
        timeout = settings.DEFAULT_TASK_TIMEOUT if options.timeout is None else options.timeout
        secret = description.secret_places(function, options.secret_args, len(args), kwargs)
        self._fields: Fields = {
            "fn": path.encode(),
            "args": arguments,
            "re": b"1" if options.reentrant else b"",
            "to": str(timeout).encode(),
            "sec": description.write_places(secret),
        }
        self._call: tuple[tuple[Any, ...], dict[str, Any]] | None = (tuple(args), dict(kwargs))
        self._meta: dict[str, Any] | None = None
        self._headers: dict[str, str] = {}
        self._fence: tuple[str, int] | None = None
        self._is_stored = False
        # An id that somebody else has made may have been sent before.
        self._may_be_sent = task_id is not None

    @classmethod
    def from_record(cls, task_id: str, fields: Fields) -> "Task":
        """Make the task that a record in Redis describes, however incomplete it is."""
        return cls.__new__(cls)._restore(task_id, fields)  # noqa: SLF001 -- its own

    def _restore(self, task_id: str, fields: Fields) -> "Task":
        self.id = task_id
        self._fence = None
        self._is_stored = self._may_be_sent = True
        self._take(fields)
        return self

    def _take(self, fields: Fields) -> None:
        self._fields = fields
        self._call = None
        self._meta = None
        self._headers = {}

    def __repr__(self) -> str:
        return f"<Task {self.description} [{self.id}] {self.status}>"

    # ---- What it calls

    @property
    def args(self) -> tuple[Any, ...]:
        """Raises ``DeserializationError`` where the record's arguments cannot be read."""
        return self._read_call()[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """Raises ``DeserializationError`` where the record's arguments cannot be read."""
        return self._read_call()[1]

    def _read_call(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if self._call is None:
            raw = self._fields.get("args", b"")
            if self.is_shortened:
                raise DeserializationError("only the beginning of the arguments was kept", raw)
            self._call = codec.decode_call(raw)
        return self._call

    @property
    def description(self) -> str:
        """The call in words, its secret arguments redacted: at most 1 KiB, never an error."""
        return self.describe(description.LONGEST)

    def describe(self, longest: int) -> str:
        """Return the same in at most *longest* bytes."""
        secret = description.read_places(self._fields.get("sec"))
        if self.is_shortened:
            shown = description.cut_arguments(self._fields.get("args", b""), secret)
            return description.around(self.func_name, shown, longest)
        try:
            args, kwargs = self._read_call()
        except DeserializationError:
            return description.around(self.func_name, description.UNDECODABLE, longest)
        return description.describe(self.func_name, args, kwargs, secret, longest)

    def redact(self, value: Any) -> Any:
        """Return a text, or lists and dicts of texts, without the values of secret arguments.

        ``[redacted]`` stands in their place; values of fewer than 4 characters are left.
        """
        return redaction.redact(value, self._secrets()) if self.has_secrets else value

    def _secrets(self) -> list[Any]:
        raw = self._fields.get("args", b"")
        places = description.read_places(self._fields.get("sec"))
        try:
            args, kwargs = codec.decode_call(raw)  # as they were before the function changed them
        except DeserializationError:
            return redaction.parts_of(raw)
        named = [*enumerate(args), *kwargs.items()]
        return [value for place, value in named if places is None or place in places]

    # ---- Its notes

    @property
    def meta(self) -> dict[str, Any]:
        """The user's own notes; what is changed here is kept by ``save_meta()``.

        Raises ``DeserializationError`` where the record's meta cannot be read.
        """
        if self._meta is None:
            raw = self._fields.get("meta")
            meta = codec.decode(raw) if raw else {}
            if not isinstance(meta, dict):
                raise DeserializationError("meta is not a dict", raw or b"")
            self._headers = _texts(meta.pop(HEADERS, {}))
            self._meta = meta
        return self._meta

    @meta.setter
    def meta(self, meta: dict[str, Any]) -> None:
        if not isinstance(meta, dict):
            raise TypeError(f"meta must be a dict, not a {type(meta).__name__}")
        _ = self.headers  # which stay
        self._meta = meta

    @property
    def headers(self) -> dict[str, str]:
        """What integrations send along, such as the trace that it is a part of; text by name."""
        with suppress(DeserializationError):
            _ = self.meta  # they are kept with it
        return self._headers

    def save_meta(self) -> None:
        """Keep ``meta`` in Redis.

        Inside its own task this works as long as the run is the current one, and waits up to 30
        seconds for a Redis that is away; elsewhere it is refused while the task runs. Raises
        ``InvalidOperation`` where it is refused, ``TaskDoesNotExist``, ``TypeError`` and
        ``PayloadTooLarge`` for what cannot be kept, redis-py's ``ConnectionError``.
        """
        if not self._is_stored:
            raise InvalidOperation(f"task {self.id} is not enqueued yet: its meta goes with it")
        meta = self._encoded_meta()
        worker_id, run = self._fence or ("", None)
        call = scripts.save_meta(self.id, worker_id, run, meta)
        word = self._run_patiently(call) if self._fence else client.run(call)
        if word == "gone":
            raise TaskDoesNotExist(f"task {self.id} does not exist any more")
        if word == "refused":
            why = (
                "this run of it was given up, so that its notes no longer count"
                if self._fence
                else "it is running, so that only its own run may change its meta"
            )
            raise InvalidOperation(f"the meta of task {self.id} was not saved: {why}")
        self._fields["meta"] = meta

    def _run_patiently(self, call: Call[str]) -> str:
        # In short attempts: between them a shutdown may interrupt the task.
        deadline = clock.boottime() + OUTAGE
        while True:
            try:
                return client.run(call)
            except client.Unreachable:
                if clock.boottime() >= deadline:
                    raise

    def _encoded_meta(self) -> bytes:
        meta = codec.encode(self.meta | {HEADERS: self._headers} if self._headers else self.meta)
        _check_size("The meta", self.func_name, meta)
        return meta

    # ---- What can be done with it

    @classmethod
    def fetch(cls, task_id: str) -> "Task":
        """Return the task with this id. Raises ``TaskDoesNotExist``."""
        task = cls.from_record(task_id, {})
        task.refresh()
        return task

    @classmethod
    def fetch_many(cls, task_ids: Iterable[str]) -> list["Task"]:
        """Return the tasks with these ids, in that order; ids of no task are passed over."""
        ids = list(task_ids)
        tasks = []
        for start in range(0, len(ids), scripts.BATCH):
            batch = ids[start : start + scripts.BATCH]
            pipeline = connection.pipeline(transaction=False)
            for task_id in batch:
                pipeline.hgetall(keys.task(task_id))
            found = pipeline.execute(raise_on_error=False)
            tasks += [
                cls.from_record(task_id, decode_names(record))
                for task_id, record in zip(batch, found, strict=True)
                if record and isinstance(record, dict)
            ]
        return tasks

    def refresh(self) -> None:
        """Read everything anew; unsaved changes of ``meta`` are lost.

        Raises ``TaskDoesNotExist`` for a task that is not there any more.
        """
        record = connection.hgetall(keys.task(self.id))
        if not record:
            raise TaskDoesNotExist(f"task {self.id} does not exist (any more)")
        self._take(decode_names(record))

    def cancel(self) -> None:
        """Take it out of its queue for good; doing so again within a minute changes nothing.

        Raises ``InvalidOperation`` if it runs or is over, ``TaskDoesNotExist``. Against a worker
        that claims it, whoever comes first wins.
        """
        word = client.run(scripts.cancel(self.id))
        if word == "gone":
            raise TaskDoesNotExist(f"task {self.id} does not exist (any more)")
        if word != "cancelled":
            raise InvalidOperation(
                f"task {self.id} is {word}, so it can no longer be cancelled:"
                " only queued tasks can"
            )
        self.became("")

    @staticmethod
    def delete_many(task_ids: Iterable[str]) -> int:
        """Delete tasks wherever they are, running ones excepted; returns how many were deleted."""
        ids = list(task_ids)
        batches = [ids[at : at + scripts.BATCH] for at in range(0, len(ids), scripts.BATCH)]
        return sum(client.run(scripts.delete(batch)).count("deleted") for batch in batches)

    def bind_run(self, worker_id: str) -> None:
        """Let ``save_meta`` act for the run in the record, as long as it is the current one."""
        self._fence = (worker_id, self.run)

    # ---- For the queue that it is pushed to

    def check_is_new(self) -> None:
        """Raise ``InvalidOperation`` for a task that was enqueued, or read from Redis."""
        if self._is_stored:
            raise InvalidOperation(f"task {self.id} was enqueued already: only new tasks can be")

    def as_new(self) -> NewTask:
        """Return what the enqueue script needs; from the second time on as a repetition.

        Raises ``InvalidOperation`` for a task that was enqueued, or read from Redis.
        """
        self.check_is_new()
        again, self._may_be_sent = self._may_be_sent, True
        return NewTask(
            id=self.id,
            func_name=self.func_name,
            arguments=self._fields["args"],
            reentrant=self.is_reentrant,
            timeout=_shortest(self.timeout),
            meta=self._encoded_meta() if self._meta or self._headers else b"",
            secret=self._fields.get("sec", b""),
            again=again,
        )

    def was_sent(self, queue: str) -> None:
        """Take note that it went to *queue*, whatever became of it there."""
        self._is_stored = True
        self._fields["q"] = queue.encode()

    def was_enqueued(self, moment: int) -> None:
        """Take note that it waits since *moment* (ms since 1970)."""
        self._fields["enq"] = b"%d" % moment
        self.became(QUEUED)

    def became(self, status: str) -> None:
        """Take note of its status; empty: the task is gone."""
        self._fields["st"] = status.encode()


def _shortest(seconds: float) -> float:
    # Redis keeps a whole number in fewer bytes than the same with ".0".
    return int(seconds) if seconds.is_integer() and seconds < MOST_WHOLE else seconds


def _texts(headers: object) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, dict) else ()
    return {name: value for name, value in pairs if type(name) is type(value) is str}


def _check_size(what: str, func_name: str, encoded: bytes) -> None:
    if len(encoded) > settings.MAX_TASK_BYTES:
        raise PayloadTooLarge(
            f"{what} of {func_name} take {len(encoded)} bytes, more than MAX_TASK_BYTES"
            f" ({settings.MAX_TASK_BYTES}): store them elsewhere, pass where they are"
        )
