"""Run tasks in a child process of the supervisor, one after the other."""

import contextlib
import gc
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from redis_tasks import conf, execution, offspring, resident, shutdown, sync_points
from redis_tasks.channel import OUTCOME, READY, REPORT, RETURNED, Channel, Closed, SupervisorsDoor
from redis_tasks.clock import boottime
from redis_tasks.conf import settings
from redis_tasks.frames import Unpacker
from redis_tasks.lifecycle import FINISH, TaskOutcome
from redis_tasks.page import Page
from redis_tasks.shelf import Shelf
from redis_tasks.store import client
from redis_tasks.store.scripts import read_fields, run_fields
from redis_tasks.task import Task

logger = logging.getLogger("redis_tasks.task")

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
EXIT_LIMIT = 5.0  # seconds for threads that outlive their task


class Watcher:
    """Tells the supervisor how far the task has got that was given to this process as *place*."""

    def __init__(self, channel: Channel, page: Page, place: bytes, *, announce: bool) -> None:
        self.channel = channel
        self.line = page.line(int(place))
        self.place = place
        self.announce = announce

    def begin(self) -> None:
        sync_points.reached("before_started")
        if shutdown.state.asked:
            raise execution.NotBegun
        self.line.started(boottime())

    def returned(self, outcome: TaskOutcome) -> None:
        self.line.returned(boottime())
        if self.announce:
            self.channel.put_off_outcome(RETURNED, self.place, outcome)
            self.channel.flush()


def main(
    sock: socket.socket,
    page: Page,
    shelf: Shelf,
    supervisor: int,
    classes: Sequence[Callable[[], Any]],
    inherited: Sequence[Callable[[], None]],
) -> NoReturn:
    """Live as a workhorse; the process ends here, whatever happens.

    To be called right after the fork, with the stop signals still blocked. First all of
    *inherited* is called, to let go of what is the supervisor's.
    """
    code = 1
    try:
        gc.freeze()  # what came with the fork stays untouched, so its memory stays shared
        for let_go in inherited:
            let_go()
        _settle_in(sock, supervisor)
        code = work(Channel(sock), page, shelf, classes)
    except Closed:
        code = 0
    except BaseException:
        logging.getLogger("redis_tasks.worker").exception("Workhorse failed")
    finally:
        _flush()
        os._exit(code)


def _settle_in(sock: socket.socket, supervisor: int) -> None:
    os.setpgid(0, 0)
    _give_way()
    offspring.adopt_orphans()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _note_stop)
    signal.signal(signal.SIGINT, _note_stop)
    signal.signal(signal.SIGHUP, _note_stop)
    signal.signal(signal.SIGUSR1, shutdown.interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    if not offspring.die_with_parent(supervisor):
        threading.Thread(target=_end_with, args=(sock,), daemon=True).start()


def _give_way() -> None:
    # Linux: who is woken does not take the processor from somebody at work. So a supervisor that
    # gives out tasks is not interrupted by each of them, nor a Redis on the same machine.
    with contextlib.suppress(AttributeError, OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:  # nobody has chosen another policy
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _note_stop(_signum: int, _frame: FrameType | None) -> None:
    # The platform stops all processes at once, and a child of the task may die of the same
    # signal: a failure that comes now is due to the shutdown. Nothing else happens here.
    shutdown.state.stop_seen = shutdown.state.stopping = True


def _end_with(sock: socket.socket) -> None:
    hang_up = select.poll()
    hang_up.register(sock, 0)
    hang_up.poll()
    offspring.kill_group(os.getpid())


def work(channel: Channel, page: Page, shelf: Shelf, classes: Sequence[Callable[[], Any]]) -> int:
    """Run what comes through the channel, one task after the other; returns the exit code."""
    client.use(SupervisorsDoor(channel))
    channel.send(READY)
    sync_points.reached("after_ready")
    unpacker = Unpacker()
    done = 0
    while True:
        frame = channel.next_task()
        if frame[0] == REPORT:
            execution.report(Task.from_record(frame[1].decode(), read_fields(frame[2:])), classes)
            return 0
        laid_out = int(frame[2])
        while True:
            watch = Watcher(channel, page, frame[1], announce=bool(classes))
            outcome = _run(frame[3:], watch, classes)
            conf.connection.reset()
            done += 1
            retire = done >= settings.WORKHORSE_MAX_TASKS or _is_spent()
            _flush()
            sync_points.reached("before_outcome")
            if outcome.move is FINISH:
                watch.line.succeeded(boottime())
            # Before the outcome is told: after it, others may lie there.
            goes_on = laid_out and not retire and not shutdown.state.stopping
            task = shelf.take() if goes_on else None
            channel.put_off_outcome(OUTCOME, watch.place, outcome, retire=retire)
            if task is None or outcome.move is not FINISH:
                channel.flush()
                sync_points.reached("after_outcome")
            if retire:
                return _leave()
            if task is None:
                break
            laid_out -= 1
            (frame,) = unpacker.feed(task)


def _run(told: list[bytes], watch: Watcher, classes: Sequence[Callable[[], Any]]) -> TaskOutcome:
    watch.line.preparing(boottime())
    shutdown.state.report = watch.line.interrupted
    worker_id, task_id = told[0].decode(), told[1].decode(errors="replace")
    task = Task.from_record(task_id, run_fields(told))
    task.bind_run(worker_id)
    if logger.isEnabledFor(logging.INFO):
        watch.line.description = task.description
        logger.info(
            "Task %s [%s] started",
            task.description,
            task_id,
            extra={
                "task_id": task_id,
                "func": task.func_name,
                "queue": task.origin,
                "worker": worker_id,
            },
        )
    try:
        return execution.execute(task, classes, watch)
    except execution.NotBegun:
        return TaskOutcome.release("The worker was shut down before the task began")
    finally:
        # Not when the next task is there: a signal may have come before it.
        shutdown.state.forget()


def _is_spent() -> bool:
    """Tell whether this process should not run another task."""
    if threading.active_count() > 1 and any(
        not thread.daemon
        for thread in threading.enumerate()
        if thread is not threading.main_thread()
    ):
        return True
    limit = settings.WORKHORSE_MAX_MEMORY
    return limit is not None and resident.own() > limit


def _leave() -> int:
    """Give threads of the task their time to end, as the end of any program does."""
    deadline = boottime() + EXIT_LIMIT
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(max(0.0, deadline - boottime()))
    return 0


class Outlet:
    """``sys.stdout`` or ``sys.stderr``, whatever a task has put there."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream: Any = None
        self._has_room: Callable[[], object] = bool

    def flush(self) -> None:
        """Write what is buffered, unless nobody reads: then it waits, but not the outcome."""
        stream: Any = getattr(sys, self._name, None)
        if stream is not self._stream:
            self._stream, self._has_room = stream, _room_of(stream)
        try:
            if self._has_room():
                stream.flush()
        except (OSError, ValueError, AttributeError):
            return


def _room_of(stream: Any) -> Callable[[], object]:
    room = select.poll()
    try:
        room.register(stream, select.POLLOUT)
    except (TypeError, OSError, ValueError, AttributeError, RuntimeError):
        return lambda: True  # the user's own: no file of the system
    return partial(room.poll, 0)


OUTLETS = (Outlet("stdout"), Outlet("stderr"))


def _flush() -> None:
    for outlet in OUTLETS:
        outlet.flush()
