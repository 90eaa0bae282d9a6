"""Say in which zone moments are shown: the one in which the schedule thinks."""

from datetime import tzinfo

from dashboard.words import zone_of
from redis_tasks.conf import settings


def zone() -> tzinfo:
    return zone_of(str(settings.TIMEZONE))
