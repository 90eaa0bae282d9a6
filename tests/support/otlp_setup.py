"""Sets up OpenTelemetry's SDK in a worker of the tests; a preload function."""

import os

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def set_up() -> None:
    """Export to the endpoint that RT_OTLP names, at flushes only."""
    exporter = OTLPSpanExporter(os.environ["RT_OTLP"])
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=600_000))
    trace.set_tracer_provider(provider)
