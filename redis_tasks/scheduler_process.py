"""Run a scheduler process: settings, entries, signals, then the scheduler's loop."""

import contextlib
import logging
import os
import select
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from redis_tasks import entries
from redis_tasks.clock import boottime
from redis_tasks.conf import settings
from redis_tasks.scheduler import Scheduler
from redis_tasks.worker_process import generate_worker_description, warn_of_settings

logger = logging.getLogger("redis_tasks.scheduler")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LIMIT = 1.8  # seconds from the first stop signal to the process's end, whatever keeps it


class StopSignals:
    """Whether the process was asked to stop. The handlers only take note."""

    def __init__(self) -> None:
        self.asked = False
        self.serving = False
        self._wakeup, self._write = os.pipe()
        for end in (self._wakeup, self._write):
            os.set_blocking(end, False)
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        for signum in STOP_SIGNALS:
            if signal.getsignal(signum) != signal.SIG_IGN or signum != signal.SIGHUP:  # nohup
                self._before[signum] = signal.signal(signum, self._note)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _end)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if not self.serving:
            _end(signum, frame)  # still importing the user's code, which may take long
        if not self.asked:
            self.asked = True
            # All that is left is to give up the lead, which ends by itself otherwise.
            signal.setitimer(signal.ITIMER_REAL, LIMIT)

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or when a signal has come."""
        if select.select([self._wakeup], [], [], max(0.0, seconds))[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)

    def remove(self) -> None:
        signal.set_wakeup_fd(-1)
        # The interpreter's own end takes the handlers away: an alarm then would look like a crash.
        signal.setitimer(signal.ITIMER_REAL, 0)
        for signum, handler in self._before.items():
            # Asked once, the process is to end in good order, however often it is asked again.
            told = self.asked and signum in STOP_SIGNALS
            if not self.asked or told:
                signal.signal(signum, signal.SIG_IGN if told else handler)
        os.close(self._wakeup)
        os.close(self._write)


def _end(_signum: int, _frame: FrameType | None) -> None:
    os._exit(0)


def scheduler_main(*, description: str | None = None) -> None:
    """Keep the schedule of the settings until SIGTERM, SIGINT or SIGHUP stops it.

    Any number of these processes may run: one leads, the others stand by. After a stop signal the
    process is to end, and does within 2 seconds. *description* is what it is called in log lines,
    by default the dyno's name, else ``host.pid``. To be called in the main thread. Raises
    ``SettingsError``.
    """
    run(settings.validate, description)


def run(prepare: Callable[[], None], description: str | None = None) -> None:
    """Do as ``scheduler_main()``, once it is prepared: it may be stopped before that, too."""
    signals = StopSignals()
    signals.install()
    try:
        prepare()
        schedule = entries.load()
        warn_of_settings(logger)
        scheduler = Scheduler(schedule, description or generate_worker_description())
        signals.serving = True
        _run(scheduler, signals)
    finally:
        signals.remove()


def _run(scheduler: Scheduler, signals: StopSignals) -> None:
    logger.info("redis_tasks scheduler started")
    if not scheduler.entries:
        logger.info("SCHEDULE is empty: all there is to do is to recover lost tasks")
    try:
        while not signals.asked:
            scheduler.step(boottime())
            if not signals.asked:
                signals.wait(scheduler.next_moment - boottime())
    finally:
        scheduler.close()
        logger.info("redis_tasks scheduler shut down")
