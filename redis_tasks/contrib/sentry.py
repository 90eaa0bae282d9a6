"""Report failed tasks to Sentry, as parts of the traces that enqueued them.

To be imported where ``sentry_sdk.init()`` is called: that lets enqueues send their trace along.
``SentryMiddleware`` does the rest in the workers. Without ``init()`` all of it does nothing.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any

import sentry_sdk
from sentry_sdk.consts import OP, SPANDATA
from sentry_sdk.scope import Scope, use_isolation_scope
from sentry_sdk.tracing import TransactionSource
from sentry_sdk.transport import make_transport
from sentry_sdk.utils import event_from_exception

from redis_tasks import publishing
from redis_tasks.contrib.patience import Patience
from redis_tasks.contrib.sentry_monitors import CheckIn
from redis_tasks.task import Task

ORIGIN = "auto.queue.redis_tasks"
SYSTEM = "redis_tasks"

Client = Any


class SentryMiddleware:
    """Middleware that makes each run a transaction, each failure an event.

    To be the first in ``MIDDLEWARE``: then it sees what the others have made of an outcome.
    What there is to send is sent before the run is over; that takes at most the SDK's
    ``shutdown_timeout`` (2 seconds).
    """

    def __init__(self) -> None:
        self._scope: Scope | None = None
        self._transaction: Any = None
        self._check_in: CheckIn | None = None

    def run_task(
        self, task: Task, run: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        client = _client()
        if client is None:
            run(*args, **kwargs)
            return
        with sentry_sdk.isolation_scope() as self._scope:
            _describe(self._scope, task)
            self._check_in = CheckIn.of(task)
            if self._check_in:
                self._check_in.begin()
            try:
                with self._start(task):
                    run(*args, **kwargs)
            except BaseException:
                # Interrupted, perhaps: a run that goes back to its queue has no outcome.
                _flush(client)
                raise

    def process_outcome(
        self,
        task: Task,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        client = _client()
        if client is None:
            return
        with self._scope_of(task) as scope:
            if kind is not None and error is not None:
                scope.span = self._transaction
                event, hint = event_from_exception(
                    (kind, error, trace),
                    client_options=client.options,
                    mechanism={"type": SYSTEM, "handled": False},
                )
                sentry_sdk.capture_event(event, hint=hint)
            check_in = self._check_in or CheckIn.of(task)
            if check_in:
                check_in.end(succeeded=error is None)
        _flush(client)

    def _start(self, task: Task) -> Any:
        transaction = sentry_sdk.continue_trace(
            task.headers,
            op=OP.QUEUE_PROCESS,
            name=task.func_name,
            source=TransactionSource.TASK,
            origin=ORIGIN,
        )
        sampling = {"redis_tasks": {"function": task.func_name, "queue": task.origin}}
        self._transaction = sentry_sdk.start_transaction(
            transaction, custom_sampling_context=sampling
        )
        for name, value in _message(task.origin or "", task).items():
            self._transaction.set_data(name, value)
        if task.started_at and task.enqueued_at:
            waited = (task.started_at - task.enqueued_at).total_seconds() * 1000
            self._transaction.set_data(SPANDATA.MESSAGING_MESSAGE_RECEIVE_LATENCY, waited)
        return self._transaction

    @contextmanager
    def _scope_of(self, task: Task) -> Iterator[Scope]:
        """Enter the scope of the run, or a new one where its function was not called."""
        if self._scope is not None:
            with use_isolation_scope(self._scope):
                yield sentry_sdk.get_current_scope()
            return
        with sentry_sdk.isolation_scope() as scope:
            _describe(scope, task)
            sentry_sdk.continue_trace(task.headers)
            yield sentry_sdk.get_current_scope()


def _message(queue: str, task: Task) -> dict[str, Any]:
    return {
        SPANDATA.MESSAGING_SYSTEM: SYSTEM,
        SPANDATA.MESSAGING_DESTINATION_NAME: queue,
        SPANDATA.MESSAGING_MESSAGE_ID: task.id,
        SPANDATA.MESSAGING_MESSAGE_RETRY_COUNT: max(0, task.attempt - 1),
    }


def _describe(scope: Scope, task: Task) -> None:
    """Say in all that is sent from this scope which task it is about."""
    scope.clear_breadcrumbs()
    scope.set_tag("redis_tasks.function", task.func_name)
    scope.set_tag("redis_tasks.queue", task.origin)
    scope.set_tag("redis_tasks.task_id", task.id)
    scope.set_context(
        "redis_tasks",
        {
            "task_id": task.id,
            "function": task.func_name,
            "queue": task.origin,
            "attempt": task.attempt,
            "run": task.run,
            "reentrant": task.is_reentrant,
            "enqueued_at": _text(task.enqueued_at),
            "started_at": _text(task.started_at),
            "call": task.description,  # its secret arguments redacted
        },
    )
    if task.has_secrets:
        scope.add_event_processor(partial(_without_secrets, task))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _without_secrets(task: Task, event: Any, _hint: Any) -> Any:
    """Remove secret arguments, and all local variables: they may stand in any of these."""
    is_message = "type" not in event and not {"exception", "stacktrace", "threads"} & set(event)
    if is_message and sentry_sdk.get_client().options["attach_stacktrace"]:
        event["threads"] = {"values": []}  # else a stack with variables is added after this
    for holder in ("exception", "threads"):
        for value in (event.get(holder) or {}).get("values") or ():
            for frame in ((value or {}).get("stacktrace") or {}).get("frames") or ():
                frame.pop("vars", None)
    return task.redact(event)


# ---- Enqueueing


@contextmanager
def _publish(queue: str, tasks: Sequence[Task]) -> Iterator[None]:
    if not sentry_sdk.get_client().is_active() or not tasks:
        yield
        return
    name = tasks[0].func_name if len(tasks) == 1 else queue
    with sentry_sdk.start_span(op=OP.QUEUE_PUBLISH, name=name, origin=ORIGIN) as span:
        for key, value in _message(queue, tasks[0]).items():
            span.set_data(key, value)
        if len(tasks) > 1:
            span.set_data("messaging.batch.message_count", len(tasks))
        headers = sentry_sdk.get_current_scope().iter_trace_propagation_headers(span=span)
        publishing.attach(dict(headers), tasks)
        yield


# ---- Sending

_inherited: Client = None
_patience = Patience()


def _note_fork() -> None:
    global _inherited
    _inherited = sentry_sdk.get_client()


def _client() -> Client:
    """Return the client, None if there is none; after a fork with a connection of its own."""
    global _inherited
    client: Client = sentry_sdk.get_client()
    if not client.is_active():
        return None
    if client is _inherited:
        # What was forked with it belongs to the supervisor: a connection, a queue, its locks.
        client.transport = make_transport(client.options)
        _inherited = None
    return client


def _flush(client: Client) -> None:
    """Wait until everything is sent, but not for ever, and not each time while Sentry is away."""
    with _patience.waiting(client.options["shutdown_timeout"]) as limit:
        client.flush(timeout=limit)


os.register_at_fork(after_in_child=_note_fork)
publishing.publishers.append(_publish)
