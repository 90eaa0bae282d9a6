"""Hold what this process is configured with."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import Any

from redis_tasks import defaults, redis_url, setting_rules
from redis_tasks.exceptions import SettingsError
from redis_tasks.redis_url import redacted_url

__all__ = [
    "LazyConnection",
    "Settings",
    "connection",
    "grace",
    "guard",
    "redacted_url",
    "self_fence",
    "settings",
    "socket_timeout",
    "without_password",
]

VARIABLE = "RT_SETTINGS_MODULE"
NOT_CONFIGURED = (
    f"redis_tasks has no settings: set the environment variable {VARIABLE} to the name of your"
    " settings module, or call redis_tasks.conf.settings.configure(module) first"
)
DEFAULTS = {name: getattr(defaults, name) for name in setting_rules.NAMES}


class Settings:
    """All settings as attributes, defaults included: ``settings.REDIS_URL``.

    They come from ``configure()``, ``configure_from_dict()`` or, on first use, from the module
    that the environment variable ``RT_SETTINGS_MODULE`` names. Values are checked by
    ``validate()`` only, which every process of ours calls as it starts.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loading = False
        self._given: dict[str, Any] | None = None
        self._module_name: str | None = None
        self._overrides: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        # Called for what is not (yet) an attribute: at most once for a setting.
        if name not in setting_rules.NAMES:
            raise AttributeError(_unknown(name))
        self._load()
        return self.__dict__[name]

    @property
    def module_name(self) -> str | None:
        """Name of the module that the settings are from; None if from another object."""
        self._load()
        return self._module_name

    @property
    def is_loading(self) -> bool:
        """Whether the settings module is being imported at this moment."""
        return self._loading

    def configure(self, module: object) -> None:
        """Take the upper-case attributes of a module or other object.

        Raises ``RuntimeError`` if there are settings already, perhaps by their first use.
        """
        if isinstance(module, (str, Mapping)):
            raise TypeError(
                f"configure() takes a module, not a {type(module).__name__}:"
                f" see configure_from_dict() and {VARIABLE}"
            )
        given = {name: getattr(module, name) for name in dir(module) if name.isupper()}
        self._take(given, module.__name__ if isinstance(module, ModuleType) else None)

    def configure_from_dict(self, values: Mapping[str, Any]) -> None:
        """Take the values by their names; otherwise like ``configure()``."""
        self._take(dict(values), None)

    @contextmanager
    def override(self, **values: Any) -> Iterator[None]:
        """Change some settings for the time of a ``with`` block, in all threads; for tests.

        Blocks nest. Without settings the values stand on top of the defaults.
        """
        for name in values:
            if name not in setting_rules.NAMES:
                raise AttributeError(_unknown(name))
        if VARIABLE in os.environ:
            self._load()
        with self._lock:
            self._overrides.append(values)
            self._show()
        try:
            yield
        finally:
            with self._lock:
                # By identity: another thread's block may have equal values.
                self._overrides = [kept for kept in self._overrides if kept is not values]
                self._show()

    def errors(self) -> list[str]:
        """Return one sentence for each wrong value."""
        self._load()
        return setting_rules.errors(self.__dict__)

    def warnings(self) -> list[str]:
        """Return one sentence for each setting whose name looks misspelt."""
        self._load()
        return setting_rules.warnings(self._given or ())

    def validate(self) -> None:
        """Raise ``SettingsError`` with everything that is wrong."""
        found = self.errors()
        if found:
            raise SettingsError(found)

    def _take(self, given: dict[str, Any], module_name: str | None) -> None:
        with self._lock:
            if self._given is not None:
                raise RuntimeError("redis_tasks is configured already, or its settings were used")
            self._given = given
            self._module_name = module_name
            self._show()

    def _load(self) -> None:
        with self._lock:
            is_overridden = bool(self._overrides) and VARIABLE not in os.environ
            if self._given is not None or is_overridden:
                return
            if self._loading:
                raise SettingsError("the settings module uses redis_tasks' settings as it loads")
            self._loading = True
            try:
                self.configure(_import_settings())
            finally:
                self._loading = False

    def _show(self) -> None:
        for name in setting_rules.NAMES:
            self.__dict__.pop(name, None)
        if self._given is None and not self._overrides:
            return
        values = DEFAULTS | (self._given or {})
        for override in self._overrides:
            values |= override
        self.__dict__.update((name, values[name]) for name in setting_rules.NAMES)


def _import_settings() -> ModuleType:
    name = os.environ.get(VARIABLE)
    if not name:
        raise SettingsError(NOT_CONFIGURED)
    try:
        return import_module(name)
    except SettingsError:
        raise
    except Exception as error:  # a settings module is user code
        why = f"{type(error).__name__}: {error}"
        raise SettingsError(
            f"the settings module {name!r}, named by {VARIABLE}, does not load: {why}"
        ) from error


def _unknown(name: str) -> str:
    meant = setting_rules.suggestion(name)
    return f"redis_tasks has no setting {name!r}" + (f": did you mean {meant}?" if meant else "")


_lent: ContextVar[Any] = ContextVar("redis_tasks_lent_client", default=None)


class LazyConnection:
    """A redis-py client that is made when it is first used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._factory: Callable[[], Any] | None = None
        self._client: Any = None

    def install(self, factory: Callable[[], Any]) -> None:
        """Make clients by *factory* from now on."""
        self._factory = factory

    def reset(self) -> None:
        """Close the client; the next use makes a new one, with the settings of then."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @contextmanager
    def lent(self, client: Any) -> Iterator[None]:
        """Use *client* instead for the time of a ``with`` block, in this thread or task only."""
        token = _lent.set(client)
        try:
            yield
        finally:
            _lent.reset(token)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if (lent := _lent.get()) is not None:
            return getattr(lent, name)
        with self._lock:
            if self._client is None:
                if self._factory is None:
                    raise RuntimeError("redis_tasks.store.client has not been imported")
                self._client = self._factory()
            return getattr(self._client, name)


settings = Settings()
connection = LazyConnection()


def socket_timeout() -> float:
    """Seconds to wait for an answer of Redis."""
    return float(min(3, settings.WORKER_HEARTBEAT_TIMEOUT / 10))


def guard() -> float:
    """Seconds without any recovery after which the first one only opens a grace period."""
    return float(settings.WORKER_HEARTBEAT_TIMEOUT / 2)


def grace() -> float:
    """Seconds of a grace period: in it every live worker gives a sign of life."""
    return float(settings.WORKER_HEARTBEAT_FREQ + 2 * socket_timeout())


def self_fence() -> float:
    """Seconds without an answer to a sign of life after which reentrant runs are killed."""
    return float(settings.WORKER_HEARTBEAT_TIMEOUT * 0.75)


def without_password(text: str) -> str:
    """Return *text* without the password of ``settings.REDIS_URL``."""
    return redis_url.without_passwords(text, settings.REDIS_URL)
