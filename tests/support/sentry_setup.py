"""Sets up Sentry's SDK in a worker of the tests, as a settings module would do it."""

import logging
import os
from typing import Any

import sentry_sdk

from redis_tasks import redis_task
from tests.support.actions import perform, trace


def init(**options: Any) -> None:
    """Configure the SDK for the server that RT_SENTRY_DSN names; a preload function."""
    sentry_sdk.init(os.environ["RT_SENTRY_DSN"], traces_sample_rate=1.0, http_proxy="", **options)


def init_with_stacks() -> None:
    init(attach_stacktrace=True)


def init_and_report() -> None:
    """Send something from the supervisor, too, before its first fork."""
    init()
    sentry_sdk.capture_message("preloaded")
    sentry_sdk.get_client().flush()


@redis_task(secret_args=["token"])
def fail_with_secret(user: str, token: str) -> None:
    trace("start")
    copied = token
    logging.getLogger("shop").error("order of %s failed", user)
    logging.getLogger("shop").info("with %s", copied)  # a breadcrumb
    sentry_sdk.capture_message(f"it has {token!r}")
    with sentry_sdk.start_span(op="http.client", name=f"GET https://x/?key={copied}"):
        raise PermissionError(f"{user} is not allowed to use {token}")


@redis_task()
def fail_openly(user: str) -> None:
    """The steps of `act`, for the frames that they add."""
    perform((["raise_error", user],))
