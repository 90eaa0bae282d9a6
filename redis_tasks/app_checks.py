"""Judge whether an app fits what it will find in Redis."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from redis_tasks import allowlist, dotted, entries, keys, middleware
from redis_tasks.conf import connection, settings
from redis_tasks.exceptions import RedisTasksError, SettingsError
from redis_tasks.finding import ERROR, Finding
from redis_tasks.registries import queue_registry

ONE_EACH = {"web": 1, "worker": 1, "scheduler": 1}
MOST_QUEUES = 50  # that are looked into
MOST_TASKS = 50  # at each end of a queue
MOST_NAMES = 5  # in a line


def settings_are_right() -> list[Finding]:
    """Return a finding for each wrong setting, a warning for each that looks misspelt."""
    try:
        settings.validate()
    except SettingsError as error:
        where = "Set RT_SETTINGS_MODULE and the values in that module: see the page of settings."
        return [Finding.fault("settings", sentence, where) for sentence in error.errors]
    found = [
        Finding.doubt("settings", sentence, "Rename it: as it stands it has no effect.")
        for sentence in settings.warnings()
    ]
    return found or [Finding.ok("settings", f"of {settings.module_name or 'this process'}")]


def code_can_be_loaded() -> list[Finding]:
    """Return a finding for each function or class of the settings that cannot be imported."""
    advice = "This release's processes would end at once: mend the import, or the setting."
    found = []
    try:
        count = len(middleware.load())
    except SettingsError as error:
        count = 0
        found += [Finding.fault("code", sentence, advice) for sentence in error.errors]
    for name in ("WORKER_PRELOAD_FUNCTION", "WORKER_DESCRIPTION_FUNCTION"):
        path = getattr(settings, name)
        try:
            if path is not None:
                dotted.import_attribute(path)
        except (Exception, SystemExit) as error:  # importing runs the user's code
            why = f"{name}: {path} cannot be imported: {type(error).__name__}: {error}"
            found.append(Finding.fault("code", why, advice))
    return found or [Finding.ok("code", f"{count} middleware classes; preload can be imported")]


def schedule_is_right() -> list[Finding]:
    """Return a finding for each entry of the schedule that could not run."""
    advice = "Mend the entry, or take it out: the scheduler would not start."
    try:
        count = len(entries.load())
    except SettingsError as error:
        return [Finding.fault("schedule", sentence, advice) for sentence in error.errors]
    return [Finding.ok("schedule", _number(count, "entry", "entries"))]


def formation(folder: Path) -> dict[str, int]:
    """Return the number of dynos by process: as in the folder's app.json, or one each.

    Of workers, as many as are live now if that is more.
    """
    counts = dict(ONE_EACH)
    with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
        given = json.loads((folder / "app.json").read_text("utf-8"))["formation"]
        counts = {str(name): int(entry["quantity"]) for name, entry in given.items()}
    counts["worker"] = max(counts.get("worker", 0), len(_supervisors(dead=False)))
    return counts


def workers_are_alive() -> list[Finding]:
    """Return what became of workers that gave no sign of life for too long."""
    dead = _supervisors(dead=True)
    if dead:
        names = ", ".join(_descriptions(dead[:MOST_NAMES]))
        return [
            Finding.doubt(
                "workers",
                f"{_number(len(dead), 'dead worker')}: {names}",
                "Their tasks are taken back by any live worker: see that there is one"
                " (redis_tasks info), and in the log how they ended.",
            )
        ]
    return [Finding.ok("workers", f"{len(_supervisors(dead=False))} live, none dead")]


def _supervisors(*, dead: bool) -> list[bytes]:
    """Return the ids of those whose lease has run out, by Redis' clock, or of the others."""
    seconds, _ = connection.time()
    limit = (seconds - settings.WORKER_HEARTBEAT_TIMEOUT) * 1000
    scores = ("-inf", f"({limit}") if dead else (limit, "+inf")
    found: list[bytes] = connection.zrangebyscore(keys.workers(), *scores)
    return found


def _descriptions(supervisor_ids: list[bytes]) -> list[str]:
    pipeline = connection.pipeline(transaction=False)
    for raw in supervisor_ids:
        pipeline.hget(keys.supervisor(raw.decode(errors="replace")), "desc")
    return [(raw or b"?").decode(errors="replace") for raw in pipeline.execute()]


def functions_are_known() -> list[Finding]:
    """Return a warning for each queue with tasks whose function this code does not have.

    Looks at a sample: the first and the last ones of each queue.
    """
    found, looked_at = [], 0
    for name in queue_registry.get_names()[:MOST_QUEUES]:
        functions = _functions_in(name)
        looked_at += functions.total()
        errors = {path: why for path in functions if (why := _why_not(path)) is not None}
        if errors:
            found.append(_unknown(name, functions, errors))
    return found or [Finding.ok("tasks", f"{_number(looked_at, 'task')} looked at in the queues")]


def _unknown(queue: str, functions: Counter[str], errors: Mapping[str, str]) -> Finding:
    count = sum(functions[path] for path in errors)
    shown = list(itertools.islice(errors, MOST_NAMES))
    return Finding.doubt(
        "tasks",
        f"{count} of {_number(functions.total(), 'task')} looked at in queue {queue} would fail:"
        f" {', '.join(shown)} ({errors[shown[0]]})",
        "Keep the old name (as a function that calls the new one) until they have run.",
    )


def _functions_in(queue: str) -> Counter[str]:
    key = keys.queue(queue)
    ids = dict.fromkeys(
        [
            *connection.zrange(key, 0, MOST_TASKS - 1),
            *connection.zrange(key, -MOST_TASKS, -1),
        ]
    )
    pipeline = connection.pipeline(transaction=False)
    for raw in ids:
        pipeline.hget(keys.task(raw.decode(errors="replace")), "fn")
    # One that was taken meanwhile has perhaps no record any more.
    return Counter(raw.decode(errors="replace") for raw in pipeline.execute() if raw)


def _why_not(path: str) -> str | None:
    try:
        allowlist.load(path)
    except RedisTasksError as error:
        return str(error)
    return None


def is_broken(findings: list[Finding]) -> bool:
    """Tell whether one of them is an error."""
    return any(finding.level == ERROR for finding in findings)


def _number(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"
