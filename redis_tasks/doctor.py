"""Examine an app with its Redis, before a release or by hand."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_tasks import app_checks, logs, server_checks
from redis_tasks.conf import redacted_url, settings, without_password
from redis_tasks.finding import ERROR, LEVELS, OK, WARNING, Finding

UNREACHABLE = (RedisConnectionError, RedisTimeoutError, OSError)


def examine(folder: Path) -> list[Finding]:
    """Return what was found, settings first; *folder* may hold the app's app.json.

    Stops where nothing more can be known: at wrong settings, at a Redis that does not answer.
    """
    found = app_checks.settings_are_right()
    if app_checks.is_broken(found):
        return found
    found += [*app_checks.code_can_be_loaded(), *app_checks.schedule_is_right()]
    found.append(server_checks.tls(settings.REDIS_URL, str(settings.REDIS_TLS_VERIFY)))
    try:
        found += _of_the_server(folder)  # up to where it fails
    except (*UNREACHABLE, RedisError) as error:
        found.append(failure(error))
    return found


def _of_the_server(folder: Path) -> Iterator[Finding]:
    info, skew = server_checks.ask()
    yield Finding.ok("redis", f"{redacted_url(settings.REDIS_URL)} answers")
    for check in (
        server_checks.version,
        server_checks.role,
        server_checks.persistence,
        server_checks.eviction,
        server_checks.memory,
    ):
        yield check(info)
    yield server_checks.connections(info, app_checks.formation(folder))
    yield server_checks.clock(skew)
    yield from app_checks.workers_are_alive()
    yield from app_checks.functions_are_known()


def failure(error: Exception) -> Finding:
    """Return what an error of the client means: only an absent server may come by itself."""
    where = redacted_url(settings.REDIS_URL)
    why = without_password(str(error)) or type(error).__name__
    if isinstance(error, AuthenticationError):
        return Finding.fault(
            "redis", f"{where} refuses the login: {why}", "Mend the password in REDIS_URL."
        )
    if "REDIS_TLS_VERIFY" in why:
        return Finding.fault("redis", f"{where} is not believed: {why}", "On Heroku: none.")
    if not isinstance(error, UNREACHABLE):
        return Finding.fault(
            "redis",
            f"{where} refuses: {why}",
            "Give the user of REDIS_URL the rights that the page on Redis lists.",
        )
    return Finding.fault(
        "redis",
        f"{where} cannot be reached: {why}",
        "See that the server runs, and that it has connections left: over TLS a server without"
        " any ends the connection (UNEXPECTED_EOF).",
        passing=True,
    )


def for_release(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with passing errors as warnings: they are no fault of a release."""
    return [
        replace(finding, level=WARNING) if finding.passing and finding.level == ERROR else finding
        for finding in findings
    ]


def worst(findings: Sequence[Finding]) -> str:
    """Return the worst level among the findings."""
    return max((finding.level for finding in findings), key=LEVELS.index, default=OK)


def as_text(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, its advice at the line's end."""
    width = max(len(finding.name) for finding in findings)
    lines = (
        f"{finding.level:<8}{finding.name:<{width}}  {finding.text.rstrip('.')}"
        + (f". {finding.advice}" if finding.advice else "")
        for finding in findings
    )
    return "\n".join(logs.escaped(line) for line in lines)


def as_json(findings: Sequence[Finding]) -> str:
    """Return one JSON object: the worst level, and the findings in their order."""
    told = [
        {name: getattr(finding, name) for name in ("name", "level", "text", "advice")}
        for finding in findings
    ]
    return json.dumps({"level": worst(findings), "findings": told}, indent=2)
