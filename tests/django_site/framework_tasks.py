"""Tasks of Django's own framework."""

import asyncio
from typing import Any

from redis_tasks import redis_task
from tests.support.actions import trace

try:
    from django.tasks import signals, task
    from django.tasks.exceptions import InvalidTask
except ImportError:
    from django_tasks import signals, task
    from django_tasks.exceptions import InvalidTaskError as InvalidTask

__all__ = ["InvalidTask", "signals"]

seen: list[Any] = []


@task(queue_name="mail")
def add(*args: Any, number: object = None) -> None:
    seen.append((*args, number))


@task
def fail() -> None:
    raise ValueError("no such thing")


@task
async def add_later(number: int) -> None:
    await asyncio.sleep(0)
    seen.append(number)


@task(takes_context=True)
def tell_context(context: Any, text: str) -> None:
    result = context.task_result
    seen.append((result.id, context.attempt, result.status, text))


@task
@redis_task(reentrant=True, timeout=60, secret_args=["password"])
def keep_secret(password: str) -> None:
    seen.append(password)


@task
@redis_task(reentrant=True)
async def wait(seconds: float) -> None:
    trace("start")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        trace("cancelled")
        raise


@task
@redis_task(secret_args=["token"])
def quote(token: str) -> None:
    raise ValueError(f"wrong: {token}")


@task
@redis_task(secret_args=["token"])
async def quote_later(token: str) -> None:
    raise ValueError(f"wrong: {token}")
