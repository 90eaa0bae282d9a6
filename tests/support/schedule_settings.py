"""The settings of scheduler processes in tests: an entry has `every` instead of a schedule.

DAILY is for how many entries there are besides. With RT_NAMES_HANG no host's name is ever found.
"""

import json
import os
import socket
import threading

from redis_tasks import once_per_day, run_every

globals().update(json.loads(os.environ["RT_TEST_SETTINGS"]))

if "RT_NAMES_HANG" in os.environ:
    socket.getaddrinfo = lambda *_, **__: threading.Event().wait()  # type: ignore[assignment]

SCHEDULE = {
    name: {**entry, "schedule": run_every(seconds=entry["every"])}
    for name, entry in globals().get("SCHEDULE", {}).items()
}
for each in SCHEDULE.values():
    del each["every"]

for number in range(globals().get("DAILY", 0)):
    SCHEDULE[f"daily-{number}"] = {
        "task": "tests.support.actions.act",
        "schedule": once_per_day("12:00") if number % 2 else run_every(hours=24),
    }
