"""Go the way of a task before workhorses are forked.

Python makes code ready as it runs: it specializes instructions, fills caches. What is ready before
the fork all workhorses share; afterwards each of them would have half a megabyte of its own.
"""

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

from redis_tasks import workhorse
from redis_tasks.channel import TASK, Channel, Closed
from redis_tasks.conf import settings
from redis_tasks.decorator import redis_task
from redis_tasks.frames import pack
from redis_tasks.page import Page
from redis_tasks.shelf import Shelf
from redis_tasks.store import client
from redis_tasks.store.scripts import CLAIMED

TIMES = 20  # more than Python waits for until it takes code for used often
# So that the task may run, and the process goes on after it.
LIMITS = {
    "TASK_MODULES": None,
    "WORKHORSE_MAX_TASKS": 2 * TIMES,
    "WORKHORSE_MAX_MEMORY": None,
}


@redis_task()
def nothing(_number: int) -> None:
    """Do nothing, as a task."""


def rehearse() -> None:
    """Be a workhorse with a few tasks that do nothing; nobody hears of them.

    Not beside other threads, which would see what is changed meanwhile.
    """
    if threading.active_count() > 1:
        return
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(one) for one in socket.socketpair())
        page = stack.enter_context(contextlib.closing(Page()))
        shelf = stack.enter_context(contextlib.closing(Shelf()))
        for place in range(TIMES):
            ours.sendall(pack(TASK, b"%d" % place, b"0", *_told()))
        ours.shutdown(socket.SHUT_WR)
        stack.callback(client.use, None)
        with _silence(), _without_limits(), contextlib.suppress(Closed):
            workhorse.work(Channel(theirs), page, shelf, ())


def _told() -> list[bytes]:
    """Return what a claim tells of such a task."""
    path = f"{nothing.__module__}.{nothing.__qualname__}".encode()
    fields = {"w": b"w", "id": b"t", "run": b"1", "q": b"q", "fn": path, "to": b"60"}
    fields |= {"args": b"[[0],{}]", "enq": b"0", "start": b"0"}
    return [fields.get(name, b"") for name in CLAIMED]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _without_limits() -> Iterator[None]:
    # By assignment: an override forgets what was assigned before.
    before = {name: getattr(settings, name) for name in LIMITS}
    vars(settings).update(LIMITS)
    try:
        yield
    finally:
        vars(settings).update(before)
