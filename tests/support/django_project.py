"""Make the project of tests/django_site usable, here or by its manage.py."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connections

from redis_tasks import hooks
from redis_tasks.conf import settings
from redis_tasks.contrib.django import configuration

PROJECT = "tests.django_site"
MANAGE = Path(__file__).resolve().parent.parent / "django_site" / "manage.py"
VARIABLE = "DJANGO_SITE"


def sqlite(path: Path) -> dict[str, Any]:
    """Return what DATABASES says of a file; several processes may write at a time."""
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF"
    options = {"init_command": pragmas, "transaction_mode": "IMMEDIATE", "timeout": 30}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": options}


def environment(databases: Mapping[str, Any], redis_tasks: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables by which a process of the project knows its settings."""
    given = {"databases": databases, "redis_tasks": redis_tasks}
    return {
        VARIABLE: json.dumps(given, default=str),
        "DJANGO_SETTINGS_MODULE": f"{PROJECT}.settings",
    }


def set_up(folder: Path) -> None:
    """Set up Django in this process, once, with two databases in *folder*."""
    databases = {name: sqlite(folder / name) for name in ("default", "other")}
    os.environ.update(environment(databases, {}))
    django.setup()
    for name in databases:
        call_command("migrate", "--run-syncdb", "--verbosity=0", f"--database={name}")
    connections.close_all()
    _take_out()


@contextmanager
def in_force() -> Iterator[None]:
    """Have redis_tasks know the project for the time of a test, as if it had just started."""
    apps.get_app_config("redis_tasks").ready()
    try:
        yield
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close()
        _take_out()


def delete_rows() -> None:
    for name in ("default", "other"):
        with connections[name].cursor() as cursor:
            cursor.execute("DELETE FROM django_site_row")


def _take_out() -> None:
    # Other tests of this process begin without settings and without hooks.
    configuration._changes.close()
    configuration._applied.clear()
    settings._given = settings._module_name = None
    settings._show()
    hooks.hold = None
    hooks.before_fork.clear()
