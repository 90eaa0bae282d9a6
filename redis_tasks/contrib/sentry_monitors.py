"""Check in with Sentry's cron monitors for the entries of the schedule."""

import math
import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import sentry_sdk
from sentry_sdk.crons import MonitorStatus, capture_checkin

from redis_tasks.clock import boottime
from redis_tasks.conf import settings
from redis_tasks.schedules import Crontab, Interval
from redis_tasks.task import Task

HEADER = "schedule"  # names the entry that a task is a tick of
MARGIN = 5  # minutes that a run may begin late: it waits in its queue, or is recovered
MOST_MINUTES = 40_320  # 28 days
LONGEST_SLUG = 50
UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
)


@dataclass
class CheckIn:
    """What one run says about its entry; under the same id whichever process says it."""

    slug: str
    id: str
    config: Any
    began: float | None = None

    @classmethod
    def of(cls, task: Task) -> Self | None:
        """Return the check-in of a task that is a tick of the schedule, None for another one."""
        entry_id = task.headers.get(HEADER)
        if not entry_id:
            return None
        entry = settings.SCHEDULE.get(entry_id)
        config = monitor_config(entry, task.timeout) if isinstance(entry, dict) else None
        if config is None:
            return None
        return cls(slug(entry_id), uuid.uuid5(uuid.NAMESPACE_OID, task.id).hex, config)

    def begin(self) -> None:
        self.began = boottime()
        self._say(MonitorStatus.IN_PROGRESS)

    def end(self, *, succeeded: bool) -> None:
        took = None if self.began is None else boottime() - self.began
        self._say(MonitorStatus.OK if succeeded else MonitorStatus.ERROR, took)

    def _say(self, status: str, took: float | None = None) -> None:
        if sentry_sdk.get_client().is_active():
            capture_checkin(self.slug, self.id, status, took, self.config)


def slug(entry_id: str) -> str:
    """Return what Sentry calls the monitor of an entry: small letters, digits, - and _."""
    return re.sub(r"[^a-z0-9_-]+", "-", entry_id.lower())[:LONGEST_SLUG]


def monitor_config(entry: dict[str, Any], timeout: float) -> dict[str, Any] | None:
    """Return Sentry's form of an entry; None if its schedule has none."""
    schedule = _schedule(entry.get("schedule"))
    if schedule is None:
        return None
    return {
        "schedule": schedule,
        "timezone": str(entry.get("timezone") or settings.TIMEZONE),
        "checkin_margin": MARGIN,
        "max_runtime": min(MOST_MINUTES, math.ceil(timeout / 60)),
    }


def _schedule(schedule: object) -> dict[str, Any] | None:
    if isinstance(schedule, Crontab):
        return {"type": "crontab", "value": schedule.line.text}
    if isinstance(schedule, Interval):
        for unit, length in UNITS:
            number, rest = divmod(schedule.interval, length)
            if number and not rest:
                return {"type": "interval", "value": number, "unit": unit}
    return None
