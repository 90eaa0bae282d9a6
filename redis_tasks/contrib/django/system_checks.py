"""Report wrong settings by ``manage.py check``."""

import os
from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 -- its name there

from redis_tasks.conf import VARIABLE
from redis_tasks.contrib.django import configuration


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return a message for each RT_ setting that is wrong, or looks misspelt."""
    found: list[CheckMessage] = []
    found += [Error(sentence, id="redis_tasks.E001") for sentence in configuration.errors()]
    found += [Warning(sentence, id="redis_tasks.W001") for sentence in configuration.warnings()]
    if os.environ.get(VARIABLE):
        found.append(
            Warning(
                f"The environment variable {VARIABLE} is ignored: the settings of redis_tasks"
                " are Django's that begin with RT_",
                hint=f"Unset {VARIABLE}.",
                id="redis_tasks.W002",
            )
        )
    return found
