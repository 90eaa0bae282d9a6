"""Tasks of users that a fault shall hit."""

import os
import random
import socket
import time
from pathlib import Path
from uuid import uuid4

from redis_tasks import Queue, Task, WorkerShutdown, redis_task
from redis_tasks.frames import pack
from tests.support.actions import current_task, trace

DESCRIPTORS = Path("/proc/self/fd")


@redis_task(reentrant=True)
def show_sockets(seconds: float) -> None:
    """Leave a trace of all sockets that this process has."""
    links = [str(entry.readlink()) for entry in DESCRIPTORS.iterdir() if entry.is_symlink()]
    time.sleep(seconds)
    trace("sockets", " ".join(link for link in links if link.startswith("socket:")))


@redis_task()
def say_to_supervisor(*parts: str) -> None:
    """Write a frame into the pipe of this process, and wait for what comes of it."""
    for entry in DESCRIPTORS.iterdir():
        if entry.is_symlink() and str(entry.readlink()).startswith("socket:"):
            with socket.socket(fileno=os.dup(int(entry.name))) as found:
                if (found.family, found.type) == (socket.AF_UNIX, socket.SOCK_STREAM):
                    found.sendall(pack(*(part.encode() for part in parts)))
    time.sleep(30)


@redis_task(reentrant=True)
def converse() -> None:
    """Talk to Redis in every way, over and over; check each answer, after an interruption too."""
    try:
        trace("start")
        while True:
            checked_exchange()
    except WorkerShutdown:
        trace("interrupted")
        checked_exchange()
        checked_exchange()
        trace("in_step")
        raise


class SlowlyDeleted:
    def __del__(self) -> None:
        trace("deleting")
        time.sleep(1)


@redis_task(reentrant=True)
def delete_slowly() -> None:
    """Be in a finalizer for a second, in which Python drops whatever is raised."""
    thing = SlowlyDeleted()
    del thing
    try:
        time.sleep(60)
    except WorkerShutdown:
        trace("interrupted")
        raise


def checked_exchange() -> None:
    try:
        exchange()
    except Exception as error:
        trace("exc", repr(error))
        raise


def exchange() -> None:
    """Write and read; each answer must be the one to its question."""
    task = current_task()
    number = random.randrange(1_000_000)
    # Sometimes more than a pipe takes at once, so that an interruption may come in between.
    task.meta = {"number": number, "padding": "x" * random.choice([0, 400_000])}
    task.save_meta()
    said = Task.fetch(task.id).meta["number"]
    assert said == number, (said, number)
    sent = Queue("sink").enqueue_call(converse, task_id=str(uuid4()))
    found = Task.fetch(sent.id)
    assert (found.id, found.origin, found.status) == (sent.id, "sink", "queued"), found
    trace("enqueued", sent.id)
