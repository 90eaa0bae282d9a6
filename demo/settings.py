"""Configures redis_tasks for the demo: RT_SETTINGS_MODULE=demo.settings."""

import os

from redis_tasks import crontab, once_per_day, run_every

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
REDIS_TLS_VERIFY = os.environ.get("REDIS_TLS_VERIFY", "required")
TIMEZONE = "Europe/Berlin"
SCHEDULE = {
    "bookkeeping": {
        "task": "demo.tasks.charge",
        "args": ["a customer with a subscription", "4.99"],
        "schedule": run_every(seconds=20),
    },
    "stock-taking": {
        "task": "demo.tasks.ask_warehouses",
        "args": ["lanterns", ["Aachen", "Bremen", "Zwickau"]],
        "schedule": crontab("* * * * *"),
    },
    "nightly words": {
        "task": "demo.tasks.count_words",
        "args": ["README.md"],
        "schedule": once_per_day("04:00"),
    },
}
