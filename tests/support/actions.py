"""The users' tasks of the tests: a task does the steps it is given, and leaves traces of each.

    queue.enqueue_call(act, [["sleep", 0.2], ["raise_error", "no"]])

`act` is reentrant, `act_once` is not, `act_async` is a coroutine. Events in the ledger: `start`,
then what the steps record, then `end`, `interrupted` (WorkerShutdown was seen) or `exc`.
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis_tasks import PostponeShutdown, Queue, Task, get_current_task, redis_task
from redis_tasks.exceptions import TaskAborted, WorkerShutdown
from tests.support.ledger import record

Step = Callable[..., None]
STEPS: dict[str, Step] = {}

IGNORES_SIGTERM = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: print("ignored", flush=True))
print("ready", flush=True)
time.sleep(float(sys.argv[1]))
"""


@redis_task(reentrant=True)
def act(*steps: list[Any]) -> None:
    perform(steps)


@redis_task()
def act_once(*steps: list[Any]) -> None:
    perform(steps)


@redis_task(reentrant=True, timeout=1)
def act_briefly(*steps: list[Any]) -> None:
    perform(steps)


@redis_task(reentrant=True)
async def act_async(seconds: float) -> None:
    trace("start")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        trace("interrupted")
        raise
    trace("end")


def not_a_task() -> None:
    """No decorator: may run only where TASK_MODULES says so."""
    trace("start")
    trace("end")


def perform(steps: tuple[list[Any], ...]) -> None:
    try:
        # Within: whoever has seen this event may send a signal before the next line is reached.
        trace("start")
        for name, *args in steps:
            STEPS[name](*args)
    except WorkerShutdown:
        trace("interrupted")
        raise
    except BaseException as error:
        trace("exc", type(error).__name__)
        raise
    trace("end")


def current_task() -> Task:
    task = get_current_task()
    assert task is not None, "no task is running here"
    return task


def trace(event: str, extra: object = "") -> None:
    record(event, current_task().id, extra)


def step(function: Step) -> Step:
    STEPS[function.__name__] = function
    return function


@step
def note(text: str) -> None:
    """Leave a trace; *text* may hold no spaces."""
    trace(text)


@step
def sleep(seconds: float) -> None:
    """Sleep in one call."""
    time.sleep(seconds)


@step
def spin(seconds: float) -> None:
    """Keep the processor busy."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


@step
def wait_for_file(path: str) -> None:
    """Go on when the test makes this file."""
    while not Path(path).exists():
        time.sleep(0.01)


@step
def swallow(seconds: float) -> None:
    """Ignore WorkerShutdown, as careless code would: all of it that comes after `working`."""
    until = time.monotonic() + seconds
    try:
        trace("working")
        time.sleep(seconds)
    except WorkerShutdown:
        trace("swallowed")
        time.sleep(max(0.0, until - time.monotonic()))


@step
def clean_up(seconds: float, cleaning: float) -> None:
    """Sleep; interrupted or not after `working`, clean up in `finally`."""
    try:
        trace("working")
        time.sleep(seconds)
    finally:
        trace("cleaning")
        time.sleep(cleaning)
        trace("cleaned")


@step
def postpone(seconds: float) -> None:
    """Sleep where no shutdown may interrupt."""
    with PostponeShutdown():
        trace("postponed")
        time.sleep(seconds)
        trace("postponed_end")


@step
def exit_hard(code: int) -> None:
    os._exit(code)


@step
def exit_softly(code: int | str | None) -> None:
    sys.exit(code)


@step
def die(number: int = signal.SIGSEGV) -> None:
    """Die of a signal, by default as a crash in C code would."""
    os.kill(os.getpid(), number)


@step
def die_at_first() -> None:
    """Crash in the first run only, as told by the task's meta."""
    task = current_task()
    if not task.meta.get("died"):
        task.meta["died"] = True
        task.save_meta()
        os.kill(os.getpid(), signal.SIGKILL)


@step
def raise_error(text: str) -> None:
    raise ValueError(text)


@step
def fail_at_first() -> None:
    """Fail in the first call only, as told by the task's meta."""
    task = current_task()
    if not task.meta.get("failed"):
        task.meta["failed"] = True
        task.save_meta()
        raise ValueError("at first")


@step
def raise_aborted(text: str) -> None:
    raise TaskAborted(text)


@step
def raise_big_error(size: int) -> None:
    raise ValueError("x" * size)


@step
def raise_surrogate_error() -> None:
    """Fail with text that no encoding can write."""
    raise ValueError("not text: \udc80")


@step
def leave_thread(seconds: float) -> None:
    """Return while a non-daemon thread goes on."""
    threading.Thread(target=time.sleep, args=(seconds,)).start()


@step
def note_in_thread(seconds: float) -> None:
    """Return while a non-daemon thread goes on, which then leaves a trace."""
    task_id = current_task().id

    def work() -> None:
        time.sleep(seconds)
        record("in_thread", task_id)

    threading.Thread(target=work).start()


@step
def run_child(seconds: float) -> None:
    """Wait for a child process; fail if it does, as `check=True` would."""
    subprocess.run([sys.executable, "-c", f"import time; time.sleep({seconds})"], check=True)


@step
def run_stubborn_child(seconds: float) -> None:
    """Wait for a child process that has a SIGTERM handler of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", IGNORES_SIGTERM, str(seconds)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        trace("grandchild", child.pid)
        child.wait()


@step
def leave_session(seconds: float) -> None:
    """Leave behind a grandchild in a session of its own."""
    child = subprocess.Popen(["sleep", str(seconds)], start_new_session=True)
    trace("grandchild", child.pid)
    child.returncode = 0  # it is left on purpose: no ResourceWarning


@step
def leave_daemon(seconds: float) -> None:
    """Leave behind an orphan in a session of its own."""
    start = f"setsid sleep {seconds} >/dev/null 2>&1 & echo $!"
    said = subprocess.run(["sh", "-c", start], stdout=subprocess.PIPE, text=True, check=True)
    trace("grandchild", said.stdout.strip())


@step
def enqueue(queue: str, *steps: list[Any]) -> None:
    """Enqueue a task from within a task."""
    task = Queue(queue).enqueue_call(act, steps)
    trace("enqueued", task.id)


@step
def save_meta(key: str, value: object) -> None:
    task = current_task()
    task.meta[key] = value
    task.save_meta()


@step
def count_queue(queue: str) -> None:
    """Read from Redis within a task, over a connection of the workhorse's own."""
    trace("counted", Queue(queue).count())


@step
def write(text: str) -> None:
    print(text, flush=True)


@step
def log(text: str) -> None:
    logging.getLogger("tests.actions").info(text)


@step
def allocate(megabytes: int) -> None:
    """Make the workhorse big."""
    KEPT.append(bytearray(os.urandom(1)) * (megabytes * 1024 * 1024))


KEPT: list[bytearray] = []
