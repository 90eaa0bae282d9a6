"""Settings of the project; what differs from test to test is in DJANGO_SITE, as JSON."""

import json
import os

_given = json.loads(os.environ["DJANGO_SITE"])

INSTALLED_APPS = ["tests.django_site", "redis_tasks.contrib.django"]
DATABASES = _given["databases"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING_CONFIG = None
SECRET_KEY = "of no use"
TIME_ZONE = "Europe/Berlin"
USE_TZ = True
TASKS = {
    "default": {
        "BACKEND": "redis_tasks.contrib.django.backend.RedisTasksBackend",
        "QUEUES": ["default", "mail"],
    },
    "at-once": {
        "BACKEND": "redis_tasks.contrib.django.backend.RedisTasksBackend",
        "QUEUES": [],
        "OPTIONS": {"on_commit": False},
    },
}

globals().update({f"RT_{name}": value for name, value in _given["redis_tasks"].items()})
