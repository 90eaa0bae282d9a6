"""Make a span of each enqueue, one of each run, linked across processes.

To be imported by everything that enqueues: that lets tasks carry their trace along.
``OpenTelemetryMiddleware`` does the rest in the workers. Without a tracer provider all of it does
nothing.
"""

import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from redis_tasks import publishing
from redis_tasks.clock import to_ms
from redis_tasks.contrib.patience import Patience
from redis_tasks.task import Task

SYSTEM = "redis_tasks"
FLUSH_LIMIT = 2.0  # seconds that a run waits for its spans to be exported

tracer = trace.get_tracer("redis_tasks")


class OpenTelemetryMiddleware:
    """Middleware that makes each run a consumer span in the trace that enqueued it.

    Its spans are exported before the run is over; that takes at most ``FLUSH_LIMIT``.
    """

    def __init__(self) -> None:
        self._has_run = False

    def run_task(
        self, task: Task, run: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._has_run = True
        # The whole context, not the span alone: baggage is a part of it.
        token = context.attach(propagate.extract(task.headers))
        try:
            with _processing(task) as span:
                try:
                    run(*args, **kwargs)
                except BaseException as error:
                    _note(span, task, error)
                    raise
        except BaseException:
            # Interrupted, perhaps: a run that goes back to its queue has no outcome.
            _flush()
            raise
        finally:
            context.detach(token)

    def process_outcome(
        self,
        task: Task,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if error is not None and not self._has_run:
            token = context.attach(propagate.extract(task.headers))
            began = None if task.started_at is None else to_ms(task.started_at) * 1_000_000
            with _processing(task, start_time=began) as span:
                _note(span, task, error)
            context.detach(token)
        _flush()


def _processing(task: Task, start_time: int | None = None) -> Any:
    created = trace.get_current_span().get_span_context()
    return tracer.start_as_current_span(
        f"process {task.origin}",
        kind=SpanKind.CONSUMER,
        attributes={
            **_attributes("process", "process", task.origin or ""),
            "messaging.message.id": task.id,
            "code.function.name": task.func_name,
            "redis_tasks.attempt": task.attempt,
        },
        links=[Link(created)] if created.is_valid else None,
        start_time=start_time,
        record_exception=False,
        set_status_on_exception=False,
    )


def _attributes(name: str, kind: str, queue: str) -> dict[str, Any]:
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": queue,
    }


def _note(span: Span, task: Task, error: BaseException) -> None:
    told = None
    if task.has_secrets:
        texts = {
            "exception.message": str(error),
            "exception.stacktrace": "".join(traceback.format_exception(error)),
        }
        told = task.redact(texts)
    span.record_exception(error, told)
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))


@contextmanager
def _publish(queue: str, tasks: Sequence[Task]) -> Iterator[None]:
    attributes = _attributes("enqueue", "send", queue)
    if len(tasks) == 1:
        attributes["messaging.message.id"] = tasks[0].id
    else:
        attributes["messaging.batch.message_count"] = len(tasks)
    with tracer.start_as_current_span(
        f"enqueue {queue}", kind=SpanKind.PRODUCER, attributes=attributes
    ):
        headers: dict[str, str] = {}
        propagate.inject(headers)
        publishing.attach(headers, tasks)
        yield


# ---- Exporting

_patience = Patience()
_exporting: threading.Thread | None = None


def _flush() -> None:
    """Wait until everything is exported, but not for ever: providers keep no limit of time."""
    global _exporting
    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is None:
        return
    with _patience.waiting(FLUSH_LIMIT) as limit:
        if _exporting is None or not _exporting.is_alive():
            _exporting = threading.Thread(target=flush, name="redis_tasks export", daemon=True)
            _exporting.start()
        _exporting.join(limit)


def _forget_thread() -> None:
    global _exporting
    _exporting = None


os.register_at_fork(after_in_child=_forget_thread)
publishing.publishers.append(_publish)
