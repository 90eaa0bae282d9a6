"""The settings of an app whose tasks do what a test wants."""

import os

from redis_tasks import run_every

REDIS_URL = os.environ.get("REDIS_URL", "")
REDIS_TLS_VERIFY = os.environ.get("REDIS_TLS_VERIFY", "")
SCHEDULE = {
    "tick": {
        "task": "tests.support.actions.act",
        "args": [["note", "tick"]],
        "schedule": run_every(seconds=1),
        "singleton": False,
    }
}
