"""The project's tasks."""

import asyncio
import itertools
import os

from django.db import connection, transaction

from redis_tasks import PostponeShutdown, Queue, WorkerShutdown, redis_task
from tests.django_site.models import Row
from tests.support.actions import trace

LOADED_BY = os.getpid()


def connect() -> None:
    """Connect to the database before the fork, as a careless preload function would."""
    Row.objects.exists()


@redis_task()
def write(text: str) -> None:
    Row.objects.create(text=text)


@redis_task()
def write_and_enqueue(text: str) -> None:
    with transaction.atomic():
        Row.objects.create(text=text)
        Queue("later").enqueue_call(write, [f"{text} later"])


@redis_task()
def fail_in_database(text: str) -> None:
    Row.objects.create(text=text)
    Row.objects.create(text=text)


@redis_task()
def enter_without_leaving(text: str) -> None:
    """Be interrupted, as it were, in the very moment in which a block was entered."""
    transaction.atomic().__enter__()
    Row.objects.create(text=text)
    raise WorkerShutdown


@redis_task()
def tell_about_connection() -> None:
    """Say who loaded this module, who runs it, and whether a connection was there already."""
    was_there = connection.connection is not None
    connection.ensure_connection()
    trace("connection", f"{LOADED_BY} {os.getpid()} {was_there}")


@redis_task(reentrant=True)
def write_for_ever() -> None:
    """Write rows, with a task for each, until somebody interrupts it."""
    try:
        trace("start")
        for number in itertools.count():
            text = f"{os.getpid()}-{id(trace)}-{number}-{os.urandom(4).hex()}"
            with PostponeShutdown(), transaction.atomic():
                Row.objects.create(text=text)
                Queue("sink").enqueue_call(write, [text], task_id=text)
                transaction.on_commit(lambda text=text: trace("committed", text))
    except WorkerShutdown:
        trace("interrupted")
        raise


@redis_task()
async def wait(seconds: float) -> None:
    await asyncio.sleep(seconds)


@redis_task()
async def write_in_thread(text: str) -> None:
    await Row.objects.acreate(text=text)
