"""A server that takes spans as OTLP over HTTP."""

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.collector import Collector
from tests.support.waiting import wait_until


class OtlpServer(Collector):
    """Keeps the spans that it is sent."""

    def __init__(self, *, mute: bool = False) -> None:
        self.spans: list[Any] = []
        super().__init__(mute=mute)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def wait_for(self, count: int = 1) -> list[Any]:
        wait_until(lambda: len(self.spans) >= count, 15, lambda: f"{self.spans}")
        return self.spans

    def take(self, body: bytes, port: int) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans


def attributes(span: Any) -> dict[str, Any]:
    """Return a span's attributes, texts and whole numbers."""
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}
