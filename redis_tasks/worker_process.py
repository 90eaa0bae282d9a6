"""Run a worker process: settings, preload, signals, then the supervisor."""

import codecs
import contextlib
import faulthandler
import gc
import inspect
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from redis_tasks import middleware, offspring, rehearsal
from redis_tasks.clock import boottime
from redis_tasks.conf import settings
from redis_tasks.dotted import import_attribute
from redis_tasks.exceptions import SettingsError
from redis_tasks.names import new_id
from redis_tasks.queue import Queue
from redis_tasks.store import client
from redis_tasks.supervisor import Supervisor
from redis_tasks.worker import Worker

logger = logging.getLogger("redis_tasks.worker")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LAST_WORDS = 0.5  # seconds to write the stacks of a process that does not end


class Signals:
    """What the process was told by signals. The handlers only take note."""

    def __init__(self) -> None:
        self.stop_asked_at: float | None = None
        self.serving = False
        self.wakeup, self._write = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(self._write, False)
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        for signum in STOP_SIGNALS:
            if signal.getsignal(signum) != signal.SIG_IGN or signum != signal.SIGHUP:  # nohup
                self._before[signum] = signal.signal(signum, self._note_stop)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _wake_up_only)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def _note_stop(self, _signum: int, _frame: FrameType | None) -> None:
        if not self.serving:
            os._exit(0)  # preloading: nothing was claimed, and the user's code may take long
        if self.stop_asked_at is None:
            self.stop_asked_at = boottime()
            # Ends the process in time even if it is stuck where no loop of its own helps.
            with contextlib.suppress(ValueError, RuntimeError):
                faulthandler.dump_traceback_later(settings.SHUTDOWN_TIMEOUT, exit=True)
            # Its last words may wait for ever where nobody reads them; this one has none.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, settings.SHUTDOWN_TIMEOUT + LAST_WORDS)

    def remove(self) -> None:
        signal.set_wakeup_fd(-1)
        for signum, handler in self._before.items():
            # Asked to stop, the process ends in good order and in time, however often it is
            # asked again, and whatever else keeps it: so the watch over that stays, too.
            told = signum in STOP_SIGNALS and self.stop_asked_at is not None
            signal.signal(signum, signal.SIG_IGN if told else handler)
        if self.stop_asked_at is None:
            gc.unfreeze()  # the process goes on without workhorses
        else:
            # The interpreter's end looks through all objects: a quarter of a second and more on
            # a busy machine, when perhaps one second is left. So it finds nothing to look through.
            gc.freeze()
        os.close(self.wakeup)
        os.close(self._write)


def _wake_up_only(signum: int, frame: FrameType | None) -> None:
    """Do nothing: the byte that Python writes for the signal is all that is needed."""


def generate_worker_description() -> str:
    """Return the dyno's name where there is one, else ``host.pid``."""
    dyno = os.environ.get("DYNO")
    return dyno or f"{socket.gethostname().partition('.')[0]}.{os.getpid()}"


def worker_main(
    queue_names: Sequence[str] | str = ("default",),
    *,
    burst: bool = False,
    description: str | None = None,
    concurrency: int = 1,
) -> int:
    """Run a worker until SIGTERM, SIGINT or SIGHUP stops it; returns how many runs it settled.

    Serves *queue_names* in their order of precedence, *concurrency* tasks at a time. With *burst*
    it returns as soon as no task is left. After a stop signal the process is to end: more of them
    are ignored, and it is killed after ``SHUTDOWN_TIMEOUT``. To be called in the main thread.
    Raises ``SettingsError``, and ``ValueError`` for a wrong queue name or concurrency.
    """
    return run(
        settings.validate,
        queue_names,
        burst=burst,
        description=description,
        concurrency=concurrency,
    )


def run(
    prepare: Callable[[], None],
    queue_names: Sequence[str] | str,
    *,
    burst: bool,
    description: str | None,
    concurrency: int,
) -> int:
    """Do as ``worker_main()``, once it is prepared: it may be stopped before that, too."""
    queues = _names(queue_names)
    if concurrency < 1:
        raise ValueError(f"A worker's concurrency is at least 1, not {concurrency}")

    signals = Signals()
    signals.install()
    try:
        prepare()
        warn_of_settings(logger)
        offspring.adopt_orphans()
        worker = _describe(description, queues)
        rehearsal.rehearse()
        supervisor = Supervisor(
            worker.id,
            queues,
            concurrency=concurrency,
            description=worker.description,
            burst=burst,
            classes=_preload(worker),
            wakeup=signals.wakeup,
            stop_asked_at=lambda: signals.stop_asked_at,
        )
        signals.serving = True
        return supervisor.run()
    finally:
        signals.remove()


def _describe(description: str | None, queues: Sequence[str]) -> Worker:
    """Return what the preload function may know of this worker, which is not registered yet."""
    text = description or str(_function_of("WORKER_DESCRIPTION_FUNCTION")())
    record = {"desc": text.encode(), "queues": json.dumps(queues).encode()}
    return Worker(new_id(), record)


def _names(queue_names: Sequence[str] | str) -> list[str]:
    names = [queue_names] if isinstance(queue_names, str) else queue_names
    if not names:
        raise ValueError("A worker needs the name of at least one queue")
    return [Queue(name).name for name in dict.fromkeys(names)]


def warn_of_settings(logger: logging.Logger) -> None:
    """Log what is allowed, but probably not meant."""
    for warning in settings.warnings():
        logger.warning("%s", warning)
    if settings.REDIS_URL.startswith("rediss") and settings.REDIS_TLS_VERIFY == "none":
        logger.warning(
            'REDIS_TLS_VERIFY is "none": whoever answers in the Redis server\'s place is believed'
        )


def _takes_worker(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError):
        return False
    return True


def _function_of(setting: str) -> Callable[..., Any]:
    path = getattr(settings, setting)
    try:
        function: Callable[..., Any] = import_attribute(path)
    except Exception as error:
        why = f"{setting}: {path} cannot be imported: {type(error).__name__}: {error}"
        raise SettingsError([why]) from error
    return function


def _preload(worker: Worker) -> list[Callable[[], Any]]:
    """Run the user's code that all workhorses share; no lease is held yet."""
    classes = middleware.load()
    if settings.WORKER_PRELOAD_FUNCTION:
        preload = _function_of("WORKER_PRELOAD_FUNCTION")
        preload(worker) if _takes_worker(preload) else preload()
    if threading.active_count() > 1:
        names = ", ".join(t.name for t in threading.enumerate() if t.name != "MainThread")
        logger.warning(
            "Threads are running before the fork (%s): a lock that one holds stays locked in the "
            "workhorses. Start threads in the tasks instead of in the preload function.",
            names,
        )
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # What the first call of Redis imports: after the fork each process would have its own.
    codecs.lookup("idna")
    client.script("claim")
    # A collection writes to all objects that it walks through, and so would copy the memory that
    # workhorses share.
    gc.freeze()
    return classes
