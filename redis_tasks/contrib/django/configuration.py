"""Take redis_tasks' settings from Django's: ``RT_REDIS_URL`` is ``REDIS_URL``."""

from contextlib import ExitStack
from types import ModuleType
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from redis_tasks import setting_rules
from redis_tasks.conf import DEFAULTS, connection, settings

PREFIX = "RT_"
CONNECTIONS = "redis_tasks.contrib.django.connections.DatabaseConnections"

_applied: dict[str, Any] = {}
_changes = ExitStack()


def given() -> dict[str, Any]:
    """Return what Django's settings say of redis_tasks, by the names without the prefix."""
    values = {
        name.removeprefix(PREFIX): getattr(django_settings, name)
        for name in dir(django_settings)
        if name.startswith(PREFIX)
    }
    if django_settings.TIME_ZONE:
        values.setdefault("TIMEZONE", django_settings.TIME_ZONE)
    middleware = values.get("MIDDLEWARE", [])
    if isinstance(middleware, (list, tuple)) and CONNECTIONS not in middleware:
        values["MIDDLEWARE"] = [CONNECTIONS, *middleware]
    return values


def apply() -> None:
    """Configure redis_tasks; called again it changes nothing."""
    if _applied:
        return
    values = given()
    # A module, since its name tells whose package may be imported for a task.
    module = ModuleType(getattr(django_settings, "SETTINGS_MODULE", None) or "__main__")
    vars(module).update(values)
    try:
        settings.configure(module)
    except RuntimeError as error:
        raise ImproperlyConfigured(
            "redis_tasks has settings from elsewhere, so it cannot take Django's RT_ settings:"
            " call django.setup() before anything uses redis_tasks, or take"
            " redis_tasks.contrib.django out of INSTALLED_APPS"
        ) from error
    _applied.update(values)


def follow(*, setting: str, **_: object) -> None:
    """Do as ``override_settings()`` of a Django test says."""
    if not setting.startswith(PREFIX) and setting != "TIME_ZONE":
        return
    _changes.close()
    values = DEFAULTS | given()
    before = DEFAULTS | _applied
    changed = {name: values[name] for name in DEFAULTS if values[name] != before[name]}
    if changed:
        _changes.enter_context(settings.override(**changed))
    if setting in ("RT_REDIS_URL", "RT_REDIS_TLS_VERIFY"):
        connection.reset()


def errors() -> list[str]:
    """Return one sentence for each wrong value, by its name in Django's settings."""
    return [PREFIX + sentence for sentence in settings.errors()]


def warnings() -> list[str]:
    """Return one sentence for each setting whose name looks misspelt."""
    return [
        f"{PREFIX}{name} is not a setting of redis_tasks: did you mean {PREFIX}{meant}?"
        for name in sorted(set(given()) - setting_rules.NAMES)
        if (meant := setting_rules.suggestion(name))
    ]
