"""Say what is wrong with the values of settings."""

import difflib
import math
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from redis_tasks import codec, defaults, dotted, names
from redis_tasks.redis_url import redacted_url

Rule = Callable[[Any], str | None]  # what the value must be, or None if that is what it is
Values = Mapping[str, Any]

NAMES = frozenset(name for name in vars(defaults) if name.isupper())
SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
MOST_SHUTDOWN_TIMEOUT = 30  # seconds that platforms give a process before they kill it
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120  # characters: enough for a URL or a path
_HASH_TAG = re.compile(r"[^{]*\{[^}]+\}")


def errors(values: Values) -> list[str]:
    """Return a sentence for each wrong value, then for each wrong relation between two."""
    wrong = {name: rule(values[name]) for name, rule in RULES.items()}
    found = [
        f"{name} must be {must_be}, not {_shown(name, values[name])}"
        for name, must_be in wrong.items()
        if must_be is not None
    ]
    right = {name for name, must_be in wrong.items() if must_be is None}
    for needed, relation in RELATIONS:
        complaint = relation(values) if right.issuperset(needed) else None
        if complaint is not None:
            found.append(complaint)
    return found


def warnings(given: Iterable[str]) -> list[str]:
    """Return a sentence for each unknown name that looks like a known one misspelt."""
    found = []
    for name in sorted(set(given) - NAMES):
        meant = suggestion(name)
        if meant is not None:
            found.append(f"{name} is not a setting of redis_tasks: did you mean {meant}?")
    return found


def suggestion(name: str) -> str | None:
    """Return the setting whose name is much like *name*."""
    close = difflib.get_close_matches(name, sorted(NAMES), n=1, cutoff=0.85)
    return close[0] if close else None


def _shown(name: str, value: object) -> str:
    if name == "REDIS_URL" and isinstance(value, str):
        value = redacted_url(value)
    return _SHORT.repr(value)


def _number(
    *, above: float | None = None, least: float | None = None, below: float = math.inf
) -> Rule:
    words = [f"above {above:g}"] if above is not None else []
    words += [f"at least {least:g}"] if least is not None else []
    words += [f"below {below:g}"] if below != math.inf else []
    must_be = "a number " + " and ".join(words)

    def rule(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return must_be
        fits = (above is None or value > above) and (least is None or value >= least)
        return None if fits and value < below else must_be

    return rule


def _whole(least: int, most: int | None = None) -> Rule:
    must_be = f"a whole number of at least {least}" + (f", at most {most}" if most else "")

    def rule(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return must_be
        return None if value >= least and (most is None or value <= most) else must_be

    return rule


def _optional(inner: Rule) -> Rule:
    def rule(value: object) -> str | None:
        must_be = None if value is None else inner(value)
        return must_be and f"None or {must_be}"

    return rule


def _list_of(is_right: Callable[[object], bool], what: str) -> Rule:
    def rule(value: object) -> str | None:
        fits = isinstance(value, (list, tuple)) and all(map(is_right, value))
        return None if fits else f"a list of {what}"

    return rule


def _switch(value: object) -> str | None:
    return None if isinstance(value, bool) else "True or False"


def _import_path(value: object) -> str | None:
    return None if dotted.is_path(value) else "an import path such as 'package.module.name'"


def _url(value: object) -> str | None:
    scheme, separator, address = value.partition("://") if isinstance(value, str) else ("", "", "")
    if not separator or scheme not in SCHEMES:
        return f"a URL that begins with one of {', '.join(f'{known}://' for known in SCHEMES)}"
    if scheme == "unix":
        return None if address.rpartition("@")[2].startswith("/") else "unix:// and a path"
    return _address(scheme, f"//{address}")


def _address(scheme: str, address: str) -> str | None:
    try:
        url = urlsplit(address)
        hosts = [urlsplit(f"//{host}") for host in url.netloc.rpartition("@")[2].split(",")]
        are_named = all(host.hostname and host.port != 0 for host in hosts)
    except ValueError:
        return "a URL with hosts and ports that can be read (is its password percent-encoded?)"
    if not are_named:
        return "a URL that names a host"
    if "+" not in scheme and len(hosts) > 1:
        return "a URL with one host (several: redis+sentinel://, redis+cluster://)"
    if scheme.endswith("+sentinel") and not url.path.strip("/"):
        return "a URL that ends in the name of the sentinels' service, such as .../mymaster"
    return None


def _prefix(value: object) -> str | None:
    fits = isinstance(value, str) and value and value.isprintable() and not re.search(r"\s", value)
    return None if fits else "printable text without spaces"


def _tls_verify(value: object) -> str | None:
    if value in ("required", "none"):
        return None
    if isinstance(value, (str, PathLike)) and Path(value).is_file():
        return None
    return "'required', 'none' or the path of a file with the CA's certificate"


def _time_zone(value: object) -> str | None:
    must_be = "the IANA name of a time zone, such as 'Europe/Berlin'"
    if not isinstance(value, str) or not value:
        return must_be
    try:
        ZoneInfo(value)
    except (ValueError, LookupError, OSError, ImportError):
        return must_be
    return None


def _queue_name(value: object) -> str | None:
    return None if names.is_name(value) else f"printable text of 1 to {names.MOST_BYTES} bytes"


def _schedule(value: object) -> str | None:
    # What is wrong with its entries, their names among it, is told of all of them at once.
    return None if isinstance(value, dict) else "a dict of entries by name"


RULES: dict[str, Rule] = {
    "REDIS_URL": _url,
    "REDIS_PREFIX": _prefix,
    "REDIS_TLS_VERIFY": _tls_verify,
    "DEFAULT_TASK_TIMEOUT": _number(above=0),
    "MAX_TASK_BYTES": _whole(1, codec.MAX_BYTES),
    "TASK_MODULES": _optional(_list_of(dotted.is_module_name, "dotted names of modules")),
    "MIDDLEWARE": _list_of(dotted.is_path, "import paths such as 'package.module.Class'"),
    "MAX_CRASHES": _whole(1),
    "MAX_RELEASES": _whole(0),
    "EXPIRING_REGISTRIES_TTL": _number(above=0),
    "FINISHED_TASKS_MAX": _whole(0),
    "FAILED_TASKS_MAX": _whole(0),
    "REGISTRIES_MAX_BYTES": _optional(_whole(0)),
    "STATISTICS": _switch,
    "WORKER_HEARTBEAT_FREQ": _number(above=0),
    "WORKER_HEARTBEAT_TIMEOUT": _number(above=0),
    "DEAD_WORKER_TTL": _number(above=0),
    "MAINTENANCE_FREQ": _number(above=0),
    "SHUTDOWN_TIMEOUT": _number(above=0, below=MOST_SHUTDOWN_TIMEOUT),
    "SHUTDOWN_GRACE": _number(least=0),
    "WORKHORSE_MAX_TASKS": _whole(1),
    "WORKHORSE_MAX_MEMORY": _optional(_whole(1)),
    "WORKER_PRELOAD_FUNCTION": _optional(_import_path),
    "WORKER_DESCRIPTION_FUNCTION": _import_path,
    "SCHEDULE": _schedule,
    "SCHEDULER_QUEUE": _queue_name,
    "SCHEDULER_MAX_CATCHUP": _number(least=0),
    "TIMEZONE": _time_zone,
}


def _beats_often_enough(values: Values) -> str | None:
    beat, lease = values["WORKER_HEARTBEAT_FREQ"], values["WORKER_HEARTBEAT_TIMEOUT"]
    if beat <= lease / 4:
        return None
    return (
        f"WORKER_HEARTBEAT_FREQ ({beat}) must be at most a quarter of"
        f" WORKER_HEARTBEAT_TIMEOUT ({lease})"
    )


def _leaves_time_to_stop(values: Values) -> str | None:
    grace, limit = values["SHUTDOWN_GRACE"], values["SHUTDOWN_TIMEOUT"]
    if grace <= 0.6 * limit:
        return None
    return f"SHUTDOWN_GRACE ({grace}) must be at most 60 % of SHUTDOWN_TIMEOUT ({limit})"


def _is_in_one_slot(values: Values) -> str | None:
    prefix = values["REDIS_PREFIX"]
    scheme = values["REDIS_URL"].partition("://")[0]
    if not scheme.endswith("+cluster") or _HASH_TAG.match(prefix):
        return None
    return (
        f"REDIS_PREFIX ({prefix!r}) must be a hash tag in a cluster, such as"
        f" '{{redis_tasks}}', so that all keys are on one node"
    )


RELATIONS: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (("WORKER_HEARTBEAT_FREQ", "WORKER_HEARTBEAT_TIMEOUT"), _beats_often_enough),
    (("SHUTDOWN_GRACE", "SHUTDOWN_TIMEOUT"), _leaves_time_to_stop),
    (("REDIS_PREFIX", "REDIS_URL"), _is_in_one_slot),
)
