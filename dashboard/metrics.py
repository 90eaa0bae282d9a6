"""Tell the present state to Prometheus."""

from collections.abc import Iterable, Iterator

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dashboard import queries
from dashboard.queries_metrics import BOUNDS, Measures, measures

blueprint = Blueprint("metrics", __name__)


class Exposition(Collector):
    """What one reading found, in the terms of Prometheus."""

    def __init__(self, found: Measures) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        yield from self._queues()
        yield from self._processes()
        yield from self._tasks()
        yield self._times("wait", "Seconds from enqueueing to the first start", 0)
        yield self._times("run", "Seconds from start to end", 1)

    def _queues(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "redis_tasks_queue_waiting", "Tasks that wait", labels=["queue"]
        )
        running = GaugeMetricFamily(
            "redis_tasks_queue_running", "Tasks that run", labels=["queue"]
        )
        latency = GaugeMetricFamily(
            "redis_tasks_queue_latency_seconds",
            "For how long the oldest task has waited",
            labels=["queue"],
        )
        for queue in self._found.queues:
            waiting.add_metric([queue.name], queue.waiting)
            running.add_metric([queue.name], queue.running)
            latency.add_metric([queue.name], queue.latency or 0.0)
        yield from (waiting, running, latency)

    def _processes(self) -> Iterator[Metric]:
        workers = GaugeMetricFamily("redis_tasks_workers", "Live workers", labels=["state"])
        for state in ("idle", "busy", "dead"):
            workers.add_metric([state], self._found.workers.get(state, 0))
        kept = GaugeMetricFamily("redis_tasks_kept", "Tasks kept", labels=["status"])
        for status, number in self._found.kept.items():
            kept.add_metric([status], number)
        yield from (workers, kept)
        yield GaugeMetricFamily(
            "redis_tasks_scheduler_leads",
            "1 while a scheduler holds the lead",
            value=float(self._found.scheduler_leads),
        )

    def _tasks(self) -> Iterator[Metric]:
        labels = ["queue", "function", "outcome"]
        tasks = CounterMetricFamily(
            "redis_tasks_tasks", "Tasks enqueued, runs by how they ended", labels=labels
        )
        for (queue, function), counts in self._found.counts.items():
            for outcome in ("enqueued", "finished", "failed", "requeued"):
                tasks.add_metric([queue, function, outcome], getattr(counts, outcome))
        yield tasks

    def _times(self, name: str, what: str, which: int) -> Metric:
        histogram = HistogramMetricFamily(
            f"redis_tasks_{name}_seconds", what, labels=["queue", "function"]
        )
        for pair, counts in self._found.counts.items():
            times = (counts.waiting, counts.running)[which]
            total, buckets = 0, []
            for bound, number in zip((*map(str, BOUNDS), "+Inf"), times.buckets, strict=True):
                total += number
                buckets.append((bound, float(total)))
            histogram.add_metric(list(pair), buckets, times.total)
        return histogram


@blueprint.get("/metrics")
def metrics() -> Response:
    """Answer in the text format; 503 if Redis does not answer."""
    registry = CollectorRegistry(auto_describe=False)
    try:
        registry.register(Exposition(measures()))
    except queries.RedisAway as error:
        return Response(f"# Redis does not answer: {error}\n", 503, mimetype="text/plain")
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
