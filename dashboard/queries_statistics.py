"""Read from Redis what was counted, for charts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from dashboard.queries_reading import ask, now, once
from dashboard.shapes import Chart, Charts, Series
from redis_tasks import statistics
from redis_tasks.conf import settings
from redis_tasks.statistics import DAY, HOUR, MINUTE, Counts, Pair, Question, Sums, added

__all__ = ["DAY", "HOUR", "MINUTE", "by_function", "by_queue", "charts", "for_ever", "last_hour"]

SPANS = {"hour": (MINUTE, 60), "day": (HOUR, 24), "week": (HOUR, 168)}
Steps = tuple[tuple[datetime, ...], list[Sums]]
Value = Callable[[Counts], float | None]


def _known() -> tuple[Mapping[str, Pair], int]:
    def read() -> tuple[Mapping[str, Pair], int]:
        names, summed = ask(statistics.name_commands())
        return statistics.read_names(names), statistics.read_summed(summed)

    return once("names of counts", read)


def _steps(step: int, number: int) -> Steps:
    def read() -> Steps:
        names, summed = _known()
        question = Question(step, number, now(), summed)
        return question.moments, question.answer(ask(question.commands()), names)

    return once((step, number), read)


def charts(span: str, queue: str = "", function: str = "") -> Charts:
    """Return charts of everything, or of one queue, one function or one of them in the other."""
    step, number = SPANS[span]
    moments, steps = _steps(step, number) if settings.STATISTICS else ((), [])
    counts = [
        added(
            found
            for (its_queue, its_function), found in sums.items()
            if (not queue or its_queue == queue) and (not function or its_function == function)
        )
        for sums in steps
    ]

    def chart(unit: str, **values: Value) -> Chart:
        series = [Series(name, tuple(map(value, counts))) for name, value in values.items()]
        return Chart(moments, step / 1000, unit, tuple(series))

    return Charts(
        span,
        throughput=chart("tasks", enqueued=lambda c: c.enqueued, finished=lambda c: c.finished),
        failures=chart("tasks", failed=lambda c: c.failed, requeued=lambda c: c.requeued),
        waiting=chart(
            "seconds", mean=lambda c: c.waiting.mean, p95=lambda c: c.waiting.percentile(0.95)
        ),
        running=chart(
            "seconds", mean=lambda c: c.running.mean, p95=lambda c: c.running.percentile(0.95)
        ),
        is_kept=bool(settings.STATISTICS),
    )


def last_hour() -> Sequence[Sums]:
    """Return the sums of the last 60 minutes, the present one last; none if nothing is kept."""
    return _steps(MINUTE, 60)[1] if settings.STATISTICS else []


def by_queue(parts: Sequence[Sums]) -> dict[str, Counts]:
    """Return the sums of all parts for each queue."""
    return _grouped(parts, 0)


def by_function(parts: Sequence[Sums]) -> dict[str, Counts]:
    """Return the sums of all parts for each function."""
    return _grouped(parts, 1)


def _grouped(parts: Sequence[Sums], place: int) -> dict[str, Counts]:
    found: dict[str, list[Counts]] = {}
    for sums in parts:
        for pair, counts in sums.items():
            found.setdefault(pair[place], []).append(counts)
    return {name: added(counts) for name, counts in found.items()}


def for_ever() -> Sums:
    """Return the sums of all times: they never become smaller while a function is in use."""
    if not settings.STATISTICS:
        return {}
    names, summed = _known()
    question = Question(MINUTE, 1, now(), summed)
    return question.answer_for_ever(ask(question.commands_for_ever()), names)
