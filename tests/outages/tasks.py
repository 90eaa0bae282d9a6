"""Tasks that misbehave in ways of their own."""

import logging
import sys

from redis_tasks import redis_task
from tests.support.actions import trace

logger = logging.getLogger("shop.orders")


class Mute(Exception):
    """Fails again when it is asked what went wrong."""

    def __str__(self) -> str:
        raise LookupError("no text")

    __repr__ = __str__


@redis_task()
def take(payload: str) -> None:
    """Do nothing with an argument of any size."""
    trace("start")
    trace("end")


@redis_task()
def raise_mute() -> None:
    raise Mute


@redis_task()
def raise_text(text: str) -> None:
    raise ValueError(text)


@redis_task(secret_args=["token"])
def use_secret(user: str, token: str) -> None:
    logger.info("order of %s", user)


@redis_task(secret_args=["token"])
def fail_with_secret(user: str, token: str) -> None:
    raise PermissionError(user)


@redis_task()
def log_order(text: str) -> None:
    logger.info("order %s", text)


@redis_task()
def print_without_end(text: str) -> None:
    """Leave something in the buffer of standard output."""
    sys.stdout.write(text)


@redis_task()
def print_now(text: str) -> None:
    print(text, flush=True)
