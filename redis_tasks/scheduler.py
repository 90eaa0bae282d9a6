"""Enqueue the tasks of the schedule when they are due.

Of all schedulers one leads; see ``leadership``. It keeps in mind the next tick of each entry. What
has become of the ticks is in Redis alone, and is read from there by whoever takes the lead.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis_tasks.agenda import Agenda, Tick, longest_interval
from redis_tasks.entries import Entry
from redis_tasks.leadership import TOLERANCE, Leadership, NotNow
from redis_tasks.maintenance import Maintenance
from redis_tasks.store import schedule_scripts
from redis_tasks.store.schedule_scripts import TickCall, Ticked
from redis_tasks.store.scripts import NewTask

logger = logging.getLogger("redis_tasks.scheduler")
task_log = logging.getLogger("redis_tasks.task")

ADOPTED = 500  # entries in one call
TICKS = 200  # entries of whose ticks one call takes care
TICK_BYTES = 1024 * 1024  # of arguments in one call, so that it is over in good time


@dataclass(frozen=True, slots=True)
class _Template:
    """The task of an entry's ticks, all but its id."""

    task: NewTask
    description: str


class Scheduler:
    """One of the processes that keep the schedule; all that it says goes by one connection.

    It takes entries from ``entries.load()``, which has seen that their tasks can be made.
    """

    def __init__(self, entries: Sequence[Entry], description: str) -> None:
        self.entries = list(entries)
        self.leadership = Leadership(description)
        self.maintenance = Maintenance(self.leadership.exchange)
        self._templates: dict[str, _Template] = {}  # of entries that have had a tick
        self._agenda = Agenda()
        self._beginning = 0  # of a lead, after which the agenda was made
        self._to_adopt: list[Entry] = []
        self._unanswered: list[Tick] = []  # perhaps done: to be sent again as they were

    @property
    def next_moment(self) -> float:
        """When the next step is to be made (``boottime()``)."""
        moments = [self.leadership.ask_at, self.maintenance.due_at]
        if self.leadership.term:
            due = self._agenda.next_at
            if self._to_adopt or self._unanswered:
                moments.append(0.0)
            elif due is not None:
                moments.append(self.leadership.our_time(due))
        return max(min(moments), self.leadership.rests_until)

    def step(self, now: float) -> None:
        """Do what is due at *now* (``boottime()``); of entries and ticks, one batch."""
        if now < self.leadership.rests_until:
            return
        self.leadership.begin_step(now)
        with suppress(NotNow):
            if now >= self.leadership.ask_at:
                self.leadership.claim()
            if self.leadership.term:
                self._keep_schedule()
        if now >= self.maintenance.due_at and self.leadership.exchange.ready(now):
            self.maintenance.step(now)

    def close(self) -> None:
        """Give the lead up, so that another scheduler takes over at once."""
        self.leadership.close()

    def _keep_schedule(self) -> None:
        is_new = self._beginning != self.leadership.beginnings
        if self._unanswered and not is_new:
            self._make(self._unanswered)
        if is_new or self.leadership.was_cut_off:
            # A Redis that was away may have lost its last second: what it says now counts.
            self._beginning = self.leadership.beginnings
            self.leadership.was_cut_off = False
            self._unanswered = []
            self._agenda.clear()
            self._to_adopt = list(self.entries)
        if self._to_adopt:
            self._adopt()
        if ticks := self._next_batch():
            self._make(ticks)

    def _lose(self) -> None:
        self.leadership.lose()
        raise NotNow

    # ---- Entries

    def _adopt(self) -> None:
        """Take some of the entries in that are not on the agenda yet."""
        moment = self.leadership.redis_now()
        batch = self._to_adopt[:ADOPTED]
        told = [(entry.id, entry.fingerprint, _keep(entry, moment)) for entry in batch]
        call = schedule_scripts.adopt(self.leadership.id, self.leadership.term, told)
        done = self.leadership.ask(call)
        if done is None:
            return self._lose()
        del self._to_adopt[:ADOPTED]
        for entry, last in zip(batch, done, strict=True):
            if entry.enabled:
                self._agenda.enter(entry, last)
                self._warn_if_ahead(entry, last, moment)
        return None

    def _warn_if_ahead(self, entry: Entry, last: datetime, now: datetime) -> None:
        if last > now + TOLERANCE:
            until = last.strftime("%Y-%m-%d %H:%M:%S UTC")
            logger.warning(
                "Entry %s: Redis' clock has gone back, no ticks until %s", entry.id, until
            )

    # ---- Ticks

    def _next_batch(self) -> list[Tick]:
        ticks = self._agenda.due(self.leadership.redis_now(), TICKS)
        room = TICK_BYTES
        for number, tick in enumerate(ticks):
            room -= len(self._template(tick.entry).task.arguments)
            if room < 0 and number > 0:
                self._agenda.put_back(ticks[number:])
                return ticks[:number]
        return ticks

    def _make(self, ticks: list[Tick]) -> None:
        """Have Redis enqueue the tasks of some ticks, all at once."""
        calls = [self._call(tick) for tick in ticks]
        call = schedule_scripts.tick(self.leadership.id, self.leadership.term, calls)
        self._unanswered = ticks
        try:
            said = self.leadership.ask(call)
        except NotNow:
            if not self.leadership.was_cut_off:  # refused: nothing of it was done
                self._agenda.put_back(ticks)
            if not self.leadership.may_have_heard:
                self._unanswered = []
            raise
        self._unanswered = []
        if said is None:
            return self._lose()
        self.leadership.hear_time(said.now)
        self._tell(ticks, calls, said)
        return None

    def _call(self, tick: Tick) -> TickCall:
        entry = tick.entry
        if tick.missed:
            return TickCall(entry.id, tick.moment, "never", tick.missed, tick.keep)
        how = "alone" if entry.singleton else "always"
        task = self._template(entry).task._replace(id=entry.task_id(tick.moment))
        return TickCall(entry.id, tick.moment, how, 0, tick.keep, entry.queue, task)

    def _tell(self, ticks: Sequence[Tick], calls: Sequence[TickCall], said: Ticked) -> None:
        early = []
        for tick, call, word, busy in zip(ticks, calls, said.words, said.busy, strict=True):
            if word == "early":  # Redis' clock has gone back a little
                early.append(tick)
            elif tick.missed:
                logger.warning(
                    "Entry %s: missed ticks are skipped: %d", tick.entry.id, tick.missed
                )
            elif word in ("new", "known"):
                self._tell_enqueued(tick.entry, call)
            elif word == "busy":
                logger.info(
                    "Entry %s: tick skipped, its task [%s] is not over yet", tick.entry.id, busy
                )
        self._agenda.put_back(early)

    def _tell_enqueued(self, entry: Entry, call: TickCall) -> None:
        extra = {"task_id": call.task.id, "func": call.task.func_name, "queue": call.queue}
        what = self._template(entry).description
        task_log.info("Task %s [%s] enqueued", what, call.task.id, extra=extra)

    def _template(self, entry: Entry) -> _Template:
        found = self._templates.get(entry.id)
        if found is None:
            task = entry.task()
            found = self._templates[entry.id] = _Template(task.as_new(), task.description)
        return found


def _keep(entry: Entry, now: datetime) -> float:
    """Return for how many seconds the state of an entry is kept that has not had a tick lately."""
    if not entry.enabled:
        return entry.keep(timedelta())
    return entry.keep(longest_interval(entry.schedule, now))
