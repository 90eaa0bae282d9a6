"""Define what the charts show: plain frozen values, see ``dashboard.shapes``."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: a value a moment of its chart; None where there is nothing to show."""

    name: str
    values: tuple[float | None, ...]

    @property
    def total(self) -> float:
        return sum(value or 0 for value in self.values)


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same moments, each the begin of *step* seconds; *unit*: tasks or seconds."""

    moments: tuple[datetime, ...] = ()
    step: float = 60
    unit: str = "tasks"
    series: tuple[Series, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(value for series in self.series for value in series.values)


@dataclass(frozen=True, slots=True)
class Charts:
    """What happened over *span* (hour, day or week)."""

    span: str
    throughput: Chart  # series: enqueued, finished
    failures: Chart  # series: failed, requeued
    waiting: Chart  # seconds; series: mean, p95
    running: Chart  # seconds; series: mean, p95
    is_kept: bool = True  # False: the setting STATISTICS is off
