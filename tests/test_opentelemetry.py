"""Runs and enqueues are spans, exported by the SDK as it is in production."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from redis_tasks import Queue, TWorker, keys, publishing, redis_task
from redis_tasks.clock import boottime
from redis_tasks.conf import connection
from redis_tasks.contrib import opentelemetry
from redis_tasks.contrib.graph import chain
from tests.conftest import StartWorker, UseSettings
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger
from tests.support.otlp_server import OtlpServer, attributes
from tests.support.worker_process import WorkerProcess

MIDDLEWARE = ["redis_tasks.contrib.opentelemetry.OpenTelemetryMiddleware"]
HEARD: list[object] = []

StartExporting = Callable[..., WorkerProcess]

# A process cannot lose its tracer provider again: other tests of it are not to be traced.
publishing.publishers.remove(opentelemetry._publish)


@pytest.fixture(autouse=True)
def _traced() -> Iterator[None]:
    publishing.publishers.append(opentelemetry._publish)
    yield
    publishing.publishers.remove(opentelemetry._publish)


@pytest.fixture(scope="module")
def provider() -> TracerProvider:
    """The SDK sets a process's provider once and for all."""
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    return provider


@pytest.fixture
def exported(
    provider: TracerProvider, use_settings: UseSettings, ledger: Ledger
) -> InMemorySpanExporter:
    """What is exported by this process."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use_settings(MIDDLEWARE=MIDDLEWARE)
    return exporter


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    server = OtlpServer()
    yield server
    server.close()


@pytest.fixture
def start_exporting(start_worker: StartWorker, server: OtlpServer) -> StartExporting:
    """Start a worker that exports to the server."""

    def start(*arguments: str, **values: Any) -> WorkerProcess:
        return start_worker(
            *arguments,
            environment={"RT_OTLP": server.endpoint, "NO_PROXY": "127.0.0.1"},
            MIDDLEWARE=MIDDLEWARE,
            WORKER_PRELOAD_FUNCTION="tests.support.otlp_setup.set_up",
            **values,
        )

    return start


@redis_task()
def hear_baggage() -> None:
    HEARD.append(baggage.get_baggage("customer"))


@redis_task(secret_args=["token"])
def quote_token(token: str) -> None:
    raise ValueError(f"wrong: {token}")


def test_an_enqueue_is_a_producer_span_and_a_run_the_consumer_span_below_it(
    exported: InMemorySpanExporter,
) -> None:
    task = Queue("mail").enqueue_call(act)

    TWorker(["mail"]).run()

    sent, processed = exported.get_finished_spans()
    assert (sent.name, sent.kind) == ("enqueue mail", SpanKind.PRODUCER)
    assert (processed.name, processed.kind) == ("process mail", SpanKind.CONSUMER)
    assert processed.parent is not None
    assert processed.parent.span_id == sent.context.span_id == processed.links[0].context.span_id
    assert processed.context.trace_id == sent.context.trace_id
    assert dict(sent.attributes or {}) == {
        "messaging.system": "redis_tasks",
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "messaging.destination.name": "mail",
        "messaging.message.id": task.id,
    }
    assert dict(processed.attributes or {}) == {
        "messaging.system": "redis_tasks",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "mail",
        "messaging.message.id": task.id,
        "code.function.name": "tests.support.actions.act",
        "redis_tasks.attempt": 1,
    }


def test_a_batch_is_one_span(exported: InMemorySpanExporter) -> None:
    Queue().enqueue_many([{"func": act}] * 3)

    TWorker().run()

    sent, *processed = exported.get_finished_spans()
    assert (sent.attributes or {})["messaging.batch.message_count"] == 3
    assert [span.parent and span.parent.span_id for span in processed] == [
        sent.context.span_id
    ] * 3


def test_the_tasks_of_a_graph_belong_to_the_trace_that_enqueued_it(
    exported: InMemorySpanExporter,
) -> None:
    calls = [{"func": act, "queue": queue} for queue in ("a", "b", "a")]
    with trace.get_tracer("tests").start_as_current_span("request"):
        chain(calls).enqueue()

    TWorker(["a", "b"]).run()

    *sent, request, first, second, third = exported.get_finished_spans()
    by_name = {span.name: span.context.span_id for span in sent}
    parents = [span.parent and span.parent.span_id for span in (first, second, third)]
    assert set(by_name) == {"enqueue a", "enqueue b"}
    assert parents == [by_name["enqueue a"], by_name["enqueue b"], by_name["enqueue a"]]
    assert {span.context.trace_id for span in (*sent, first, second, third)} == {
        request.context.trace_id
    }


def test_baggage_travels_with_the_task(exported: InMemorySpanExporter) -> None:
    token = context.attach(baggage.set_baggage("customer", "7"))
    Queue().enqueue_call(hear_baggage)
    context.detach(token)
    HEARD.clear()

    TWorker().run()

    assert HEARD == ["7"]
    assert baggage.get_baggage("customer") is None


def test_a_failure_is_the_spans_error(exported: InMemorySpanExporter) -> None:
    Queue().enqueue_call(act, [["raise_error", "no"]])

    TWorker().run(raise_on_failure=False)

    processed = exported.get_finished_spans()[-1]
    assert processed.status.status_code is StatusCode.ERROR
    assert (processed.attributes or {})["error.type"] == "ValueError"
    assert [event.name for event in processed.events] == ["exception"]


def test_a_secret_that_an_error_quotes_is_not_exported(exported: InMemorySpanExporter) -> None:
    Queue().enqueue_call(quote_token, ["hunter2"])

    TWorker().run(raise_on_failure=False)

    sent, processed = exported.get_finished_spans()
    assert (processed.events[0].attributes or {})["exception.message"] == "wrong: [redacted]"
    assert "ValueError: wrong: [redacted]" in processed.to_json()
    assert "hunter2" not in sent.to_json() + processed.to_json()


def test_a_task_that_could_not_begin_is_a_span_all_the_same(
    exported: InMemorySpanExporter,
) -> None:
    task = Queue().enqueue_call(act)
    connection.hset(keys.task(task.id), "fn", "tests.support.actions.gone")

    TWorker().run(raise_on_failure=False)

    sent, processed = exported.get_finished_spans()
    assert (processed.attributes or {})["error.type"] == "Unimportable"
    assert processed.context.trace_id == sent.context.trace_id


def test_workhorses_export_the_spans_of_the_shortest_tasks(
    start_exporting: StartExporting, server: OtlpServer, exported: InMemorySpanExporter
) -> None:
    tasks = Queue().enqueue_many([{"func": act}] * 20)
    worker = start_exporting("--burst", "--concurrency", "2", WORKHORSE_MAX_TASKS=2)

    assert worker.wait_exit(60) == 0

    told = [attributes(span)["messaging.message.id"] for span in server.spans]
    assert sorted(told) == sorted(task.id for task in tasks)
    (sent,) = exported.get_finished_spans()
    assert {int.from_bytes(span.trace_id, "big") for span in server.spans} == {
        sent.context.trace_id
    }


def test_an_interrupted_run_is_exported_too(
    start_exporting: StartExporting, server: OtlpServer, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act_once, [["sleep", 30]])
    worker = start_exporting()
    ledger.wait_for("start", task.id)

    worker.terminate_all()

    assert worker.wait_exit() == 0
    assert [attributes(span)["error.type"] for span in server.spans] == ["WorkerShutdown"]


def test_a_run_that_was_killed_is_a_span_of_the_trace_that_enqueued_it(
    start_exporting: StartExporting, server: OtlpServer, exported: InMemorySpanExporter
) -> None:
    Queue().enqueue_call(act_once, [["die"]])
    start_exporting()

    processed = server.wait_for()[0]

    (sent,) = exported.get_finished_spans()
    assert attributes(processed)["error.type"] == "TaskAborted"
    assert int.from_bytes(processed.trace_id, "big") == sent.context.trace_id


def test_without_a_provider_everything_goes_on_as_if_there_were_none(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act)

    worker = start_worker("--burst", MIDDLEWARE=MIDDLEWARE)

    assert worker.wait_exit(20) == 0
    task.refresh()
    assert task.status == "finished"


class SlowProcessor(SpanProcessor):
    """Exports nothing until it may."""

    def __init__(self) -> None:
        self.may = threading.Event()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self.may.wait(timeout_millis / 1000)


def test_while_the_collector_is_away_not_every_run_waits_for_it(provider: TracerProvider) -> None:
    slow = SlowProcessor()
    provider.add_span_processor(slow)

    took = []
    for _ in range(2):
        began = boottime()
        opentelemetry._flush()
        took.append(boottime() - began)
    opentelemetry._patience.quiet_until = 0.0
    slow.may.set()

    assert took[0] >= 2
    assert took[1] < 2
