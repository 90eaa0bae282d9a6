"""Keep a supervisor's workhorses: fork, hear, watch, bury them."""

import contextlib
import logging
import os
import selectors
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redis_tasks import forking, offspring, page
from redis_tasks.clock import boottime
from redis_tasks.lifecycle import TaskOutcome
from redis_tasks.run import Run
from redis_tasks.sharing import Pace, divide
from redis_tasks.stopping import Stopping
from redis_tasks.store import resolve
from redis_tasks.store.client import backoff
from redis_tasks.store.scripts import Taken
from redis_tasks.workhorse_handle import NOT_OURS, Workhorse

logger = logging.getLogger("redis_tasks.worker")

NEVER = float("inf")
NOT_BEGUN_PATIENCE = 1.0  # seconds in which a task that has not begun may notice the shutdown
TOGETHER = 8  # workhorses that are forked in a row, at most: signals have to wait
SWEEP_PAUSE = 0.05  # seconds until killed orphans have left their own orphans to us


class Slot:
    """A worker's place: its id, and its workhorse if it has one just now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker_id = ""
        self.description = ""
        self.workhorse: Workhorse | None = None


class Stable:
    """All workhorses of one supervisor; *classes* are the middleware they run tasks with.

    *wakeup* is a descriptor that becomes readable at every signal. ``on_ready()`` is called for
    each workhorse that may be given tasks; ``on_outcome(workhorse, outcome)`` when a run is over,
    with the workhorse's own word or, if it died, with what its death means; ``on_call(workhorse,
    frame)`` for script calls; ``on_taken_back(run)`` for a run that its workhorse did not come to;
    ``before_hearing()`` before the selector gets to know a new workhorse: a connection may have
    been closed, and the new pipe have got its number.
    """

    def __init__(
        self, concurrency: int, classes: Sequence[Callable[[], Any]], wakeup: int
    ) -> None:
        self.wakeup = wakeup
        self.slots = [Slot(number) for number in range(1, concurrency + 1)]
        self.leaving: list[Workhorse] = []
        self.selector = selectors.DefaultSelector()
        self.selector.register(wakeup, selectors.EVENT_READ, None)
        self.children_ended = False
        self.on_ready: Callable[[], None]
        self.on_outcome: Callable[[Workhorse, TaskOutcome], None]
        self.on_call: Callable[[Workhorse, list[bytes]], None]
        self.on_reported: Callable[[str, int], None]
        self.before_hearing: Callable[[], None]
        self.on_taken_back: Callable[[Run], None]
        self.spawn = forking.spawn
        self.inherited: list[Callable[[], None]] = []
        self._lent: set[str] = set()  # workers whose run is with another one's workhorse
        self._pace = Pace()
        self._processors = _processors()
        self._classes = classes
        self._strangers = frozenset(offspring.children())
        self._sweep_at = NEVER
        self._fork_at = 0.0
        self._fork_waits = backoff(1.0, 30.0)

    def workhorses(self) -> Iterator[Workhorse]:
        for slot in self.slots:
            if slot.workhorse is not None:
                yield slot.workhorse
        yield from self.leaving

    def busy(self) -> list[Workhorse]:
        return [horse for horse in self.workhorses() if horse.run is not None]

    def runs(self) -> list[Run]:
        return [run for horse in self.workhorses() for run in horse.runs]

    def free_workers(self) -> list[str]:
        """Return the ids of the workers that may be given a task."""
        return [slot.worker_id for slot in self.slots if self._is_free(slot)]

    def has_free(self) -> bool:
        return any(self._is_free(slot) for slot in self.slots)

    def _is_free(self, slot: Slot) -> bool:
        horse = slot.workhorse
        return horse is not None and horse.free and slot.worker_id not in self._lent

    def free_by_worker(self) -> dict[str, Workhorse]:
        """Return the workhorses that have nothing to do, nor is a task of theirs with another."""
        return {
            slot.worker_id: slot.workhorse
            for slot in self.slots
            if slot.workhorse is not None and self._is_free(slot)
        }

    def moment(self) -> float:
        """Return when something here has to be looked at."""
        moments = [self._sweep_at, *(horse.moment for horse in self.workhorses())]
        if any(slot.workhorse is None for slot in self.slots):
            moments.append(max(self._fork_at, boottime() + 0.02))
        return min(moments)

    def fill(self, now: float) -> None:
        """Fork what is missing. Nothing is claimed for a workhorse that is not there."""
        empty = [slot for slot in self.slots if slot.workhorse is None]
        # A fork during a look-up could copy a lock that the look-up holds.
        while empty and now >= self._fork_at and not resolve.busy():
            batch, empty = empty[:TOGETHER], empty[TOGETHER:]
            for slot, horse in zip(batch, self._fork(len(batch)), strict=False):
                slot.workhorse = horse

    def report(self, taken: Taken) -> bool:
        """Fork one more workhorse, which reports a killed run and ends; false if it cannot be."""
        horses = self._fork(1)
        if not horses:
            return False
        horse = horses[0]
        self.leaving.append(horse)
        horse.give_report(taken)
        self.say_rest(horse)
        self.children_ended = True  # a round takes note of its limit
        return True

    def _fork(self, number: int) -> list[Workhorse]:
        """Fork *number* workhorses, or as many as there is room for just now."""
        row = self.spawn(number, self._classes, self._to_let_go())
        if row.trouble is not None:
            self._pause_forks("No room for a workhorse", row.trouble)
        self.before_hearing()
        for horse in row.workhorses:
            self.selector.register(horse, selectors.EVENT_READ, horse)
        return row.workhorses

    def _to_let_go(self) -> list[Callable[[], None]]:
        others = [horse.let_go for horse in self.workhorses()]
        return [*self.inherited, self.selector.close, *others]

    def _pause_forks(self, message: str, cause: object) -> None:
        wait = next(self._fork_waits)
        self._fork_at = boottime() + wait
        logger.error("%s (%s); the next try is in %.0f s", message, cause, wait)

    def hand_out(self, runs: Sequence[Run], homes: dict[str, Workhorse]) -> float:
        """Give out *runs*, the workhorse of each one's worker being in *homes* and free.

        Short ones go to few workhorses, each of which does several in a row: to wake another one
        up would take longer. What one does not get to soon is taken back for its own workhorse.
        Returns when somebody has to be looked at.
        """
        waiting = deque(self._groups(runs))
        moment = NEVER
        while waiting:
            group = waiting.popleft()
            horse = homes[group[0].worker_id]
            waiting += [[run] for run in horse.give(group)]
            self._lent.update(run.worker_id for run in list(horse.runs)[1:])
            self.say_rest(horse)
            moment = min(moment, horse.moment)
        return moment

    def _groups(self, runs: Sequence[Run]) -> list[list[Run]]:
        if len(runs) == 1:
            return [[*runs]]
        expected = [self._pace.expected(run.func_name) for run in runs]
        groups = divide(expected, self._processors - len(self.busy()))
        return [[runs[number] for number in group] for group in groups]

    def _relieve(self, horse: Workhorse) -> None:
        """Have others do what it has not come to, and see how far it is."""
        taken, before = horse.take_back(), horse.run
        while horse.went_on:
            self._conclude(horse, TaskOutcome.success())
        if horse.run is not before or horse.retiring:
            horse.carry_on()
        else:
            horse.wait_for_others(boottime())
        for run in taken:
            self._lent.discard(run.worker_id)
            self.on_taken_back(run)

    def _conclude(self, horse: Workhorse, outcome: TaskOutcome | None) -> None:
        run = horse.runs[0]
        if outcome is not None:
            self.on_outcome(horse, outcome)
        if run.phase >= page.PREPARING and run.line is not None:
            self._pace.note(run.func_name, run.line.took)
        self._lent.discard(run.worker_id)
        horse.runs.popleft()

    def serve(self, horse: Workhorse, events: int) -> None:
        """Do what the selector found possible with a workhorse's pipe."""
        if events & selectors.EVENT_WRITE:
            horse.flush()
            self._expect(horse)
        if events & selectors.EVENT_READ:
            self.hear(horse)

    def _expect(self, horse: Workhorse) -> None:
        if horse.fileno() >= 0 and horse.fileno() in self.selector.get_map():
            writing = selectors.EVENT_WRITE if horse.wants_to_write else 0
            self.selector.modify(horse, selectors.EVENT_READ | writing, horse)

    def say_rest(self, horse: Workhorse) -> None:
        """Have the rest written of what did not go into the pipe at once."""
        if horse.wants_to_write:
            self._expect(horse)

    def hear(self, horse: Workhorse) -> None:
        heard = horse.hear()
        for call in heard.calls:
            try:
                self.on_call(horse, call)
            except NOT_OURS:
                heard.garbled = True
        if heard.ready:
            self.on_ready()
        for outcome in heard.outcomes[: len(horse.runs)]:
            self._conclude(horse, outcome)
        if heard.outcomes:
            self._fork_waits = backoff(1.0, 30.0)
            horse.carry_on()
        if horse.retiring:
            if horse.runs:
                self._relieve(horse)
            self._let_leave(horse)
            self.children_ended = True  # soon, and another one has to be started
        if heard.garbled:
            logger.error("Workhorse %d said what nobody understands", horse.pid)
            horse.kill("")
        if heard.closed or heard.garbled:
            self._hang_up(horse)

    def _hang_up(self, horse: Workhorse) -> None:
        self._unregister(horse)
        if not horse.retiring:
            horse.kill("")  # it closed its pipe and lives: no good can come of it
        self.children_ended = True

    def _let_leave(self, horse: Workhorse) -> None:
        for slot in self.slots:
            if slot.workhorse is horse:
                slot.workhorse = None
                self.leaving.append(horse)

    def _unregister(self, horse: Workhorse) -> None:
        # Its descriptor is -1 once its pipe was closed.
        if horse.fileno() >= 0 and horse.fileno() in self.selector.get_map():
            self.selector.unregister(horse)

    def bury_dead(self) -> None:
        """Reap the workhorses that have ended, with all that they left behind."""
        if self.children_ended:
            self.children_ended = False
            for horse in list(self.workhorses()):
                code = offspring.bury(horse.pid)
                if code is not None:
                    self._bury(horse, code)
                    self._sweep_at = 0.0
        if boottime() >= self._sweep_at:
            own = self._strangers | {horse.pid for horse in self.workhorses()}
            again = offspring.kill_adopted(own)
            self._sweep_at = boottime() + SWEEP_PAUSE if again else NEVER

    def _bury(self, horse: Workhorse, code: int) -> None:
        self.hear(horse)
        if horse.runs:
            self._relieve(horse)
        while horse.run is not None:
            self._conclude(horse, horse.post_mortem(code))
        was_let_go = horse.retiring and not horse.reporting  # who reports retires from the start
        if not horse.ready and not was_let_go:
            self._pause_forks("A workhorse ended before it was ready", f"exit code {code}")
        self._unregister(horse)
        self._let_leave(horse)
        self.leaving.remove(horse)
        horse.close()
        if horse.reporting:
            self.on_reported(horse.reporting, code)

    def watch(self, now: float, stopping: Stopping | None) -> None:
        """Kill what is over its limit; in a shutdown, interrupt what still runs."""
        for horse in list(self.workhorses()):
            if len(horse.runs) > 1 and (stopping is not None or now >= horse.patience_ends_at):
                self._relieve(horse)
            limit = horse.overdue(now)
            if limit:
                if horse.run is not None:
                    run = horse.run
                    logger.warning(
                        "Task %s is over its limit: %s", run.label, limit, extra=run.log_fields
                    )
                horse.kill(limit)
            elif horse.run is not None and stopping is not None:
                _press(horse, horse.run, stopping, now)

    def dismiss(self) -> None:
        """Let those end that have no run: nothing more is claimed for them."""
        for horse in self.workhorses():
            if horse.run is None and not horse.retiring:
                horse.retiring = True
                self._unregister(horse)
                horse.let_go()

    def close(self, patience: float) -> None:
        """End all workhorses; those that do not go within *patience* seconds are killed."""
        for horse in self.workhorses():
            self._unregister(horse)
            horse.let_go()
        if not self._all_gone(patience):
            for horse in self.workhorses():
                offspring.kill_group(horse.pid)
            self._all_gone(2 * patience)
        self.selector.close()

    def _all_gone(self, patience: float) -> bool:
        """Wait until no child is left, at most *patience* seconds."""
        deadline = boottime() + patience
        left = list(self.workhorses())
        while True:
            left = [horse for horse in left if offspring.bury(horse.pid) is None]
            own = self._strangers | {horse.pid for horse in left}
            if not offspring.kill_adopted(own) and not left:
                return True
            if boottime() >= deadline:
                return False
            # A child's end is a signal, and each signal makes this descriptor readable.
            self.selector.select(SWEEP_PAUSE)
            self.drain_wakeup()

    def drain_wakeup(self) -> None:
        """Take note of signals: one of them may be the end of a child."""
        self.children_ended = True
        with contextlib.suppress(BlockingIOError):
            os.read(self.wakeup, 4096)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _press(horse: Workhorse, run: Run, stopping: Stopping, now: float) -> None:
    """Have a run end in time: interrupt it, kill it when that does not help."""
    if now < stopping.interrupt_at:
        return
    late_start = now > stopping.interrupt_at + NOT_BEGUN_PATIENCE
    if now >= stopping.kill_at or (late_start and run.phase < page.STARTED):
        horse.kill("shutdown")
    elif run.phase < page.RETURNED:
        horse.interrupt(now)
