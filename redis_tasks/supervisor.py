"""Host workers: claim tasks for them, see to it that each run is settled."""

import logging
import os
import selectors
from collections.abc import Callable, Sequence
from typing import Any

from redis_tasks import conf, narration, page, resident
from redis_tasks.clock import boottime
from redis_tasks.conf import settings
from redis_tasks.dispatch import Dispatch, Ended, Request
from redis_tasks.exchange import Bell, Exchange
from redis_tasks.lifecycle import TaskOutcome
from redis_tasks.maintenance import Maintenance
from redis_tasks.names import new_id
from redis_tasks.postmortem import PostMortem
from redis_tasks.run import Run
from redis_tasks.stable import NEVER, Stable
from redis_tasks.stopping import Stopping
from redis_tasks.store import scripts
from redis_tasks.store.graph_scripts import Advanced
from redis_tasks.store.scripts import Claimed, Renewed, Settled
from redis_tasks.workhorse_handle import Workhorse

logger = logging.getLogger("redis_tasks.worker")

GOODBYE = 0.3  # seconds that idle workhorses have to end by themselves in burst mode


class Supervisor:
    """One process that hosts *concurrency* workers. It runs no user code.

    *wakeup* is a descriptor that becomes readable at every signal; *stop_asked_at* tells when the
    worker was asked to stop (``boottime()``), None as long as it was not.
    """

    def __init__(
        self,
        supervisor_id: str,
        queues: Sequence[str],
        *,
        concurrency: int,
        description: str,
        burst: bool,
        classes: Sequence[Callable[[], Any]],
        wakeup: int,
        stop_asked_at: Callable[[], float | None],
    ) -> None:
        self.queues = list(queues)
        self.description = description
        self.burst = burst
        self.processed = 0
        self.stopping: Stopping | None = None
        self.registered = False
        self.hungry = True  # there may be tasks to claim
        self.beat_at = 0.0
        self._has_registered = False
        self._round_at = 0.0  # when the workhorses are to be looked after
        self._heard: dict[Exchange | Bell, Any] = {}  # the sockets that the selector knows
        self._stop_asked_at = stop_asked_at
        self._assemble(concurrency, classes, wakeup)
        self._take_ids(supervisor_id)

    def _assemble(
        self, concurrency: int, classes: Sequence[Callable[[], Any]], wakeup: int
    ) -> None:
        self.exchange = Exchange("redis_tasks.worker")
        self.bell = Bell(self.exchange.server, self.queues)
        self.maintenance = Maintenance(self.exchange)
        self.dispatch = Dispatch(self.exchange, self.queues)
        self.dispatch.on_settled = self._on_settled
        self.dispatch.on_claimed = self._on_claimed
        self.dispatch.on_renewed = self._on_renewed
        self.dispatch.on_advanced = self._on_advanced
        self.stable = Stable(concurrency, classes, wakeup)
        self.stable.on_ready = self._on_ready
        self.stable.on_outcome = self._on_outcome
        self.stable.on_call = self.dispatch.ask
        self.stable.on_taken_back = self._on_taken_back
        self.stable.before_hearing = self._watch_redis
        self.dispatch.measure = self._memory
        self.stable.inherited = [self.exchange.abandon, self.bell.abandon]
        self.post_mortem = PostMortem(self.exchange, self.stable, wanted=bool(classes))
        self._events = self.stable.selector

    def _take_ids(self, supervisor_id: str) -> None:
        """Begin a new incarnation: under the old ids nothing is claimed any more."""
        self.id = supervisor_id
        self.dispatch.supervisor_id = self.id
        self.dispatch.request = None
        self.registered = False
        for slot in self.stable.slots:
            mark = f"#{slot.number}" if len(self.stable.slots) > 1 else ""
            slot.worker_id = self.id + mark
            slot.description = self.description + mark

    def run(self) -> int:
        """Work until asked to stop or, in burst mode, until nothing is left to do.

        Returns the number of runs that were settled.
        """
        try:
            self.stable.fill(boottime())
            while not self._over():
                self._wait()
                now = boottime()
                # Between two rounds, workhorses only ask and are given.
                if self.stopping or self.stable.children_ended or now >= self._round_at:
                    self._make_the_round(now)
                else:
                    self._talk(now)
            self._say_goodbye()
        finally:
            self.bell.close()
            self.exchange.close()
            self._watch_redis()  # so that only the end of a workhorse wakes up who waits for it
            self.stable.close(GOODBYE if self.stopping is None else self.stopping.patience())
        return self.processed

    def _make_the_round(self, now: float) -> None:
        """Look after the workhorses."""
        self._notice_stop()
        self.stable.bury_dead()
        self.stable.watch(now, self.stopping)
        self._talk(now)
        self._fence(now)
        if self.stopping is None:
            self.stable.fill(now)
        else:
            # Ended before the last moment, they do not hold up the end then.
            self.stable.dismiss()
            self.bell.close()  # nothing more is claimed, and a new dyno may wait for a connection
        self._round_at = min(self.stable.moment(), self._fence_moment())

    def _over(self) -> bool:
        if self.stopping is None:
            if not self.burst or self.hungry:
                return False
        elif boottime() >= self.stopping.last_word_at:
            return True
        if self.dispatch.pending or self.stable.busy():
            return False
        left = self.dispatch.advancing or self.post_mortem.pending
        return self.stopping is not None or not left

    # Waiting

    def _wait(self) -> None:
        """Wait for a signal, a workhorse, a wake-up, or the next moment at which to act."""
        if not self.bell.armed and self._may_listen():
            self.bell.arm(boottime())
            self.dispatch.prepare(self.stable.free_workers())
        self._watch_redis()
        now = boottime()
        for key, events in self._events.select(max(0.0, self._next_moment(now) - now)):
            if isinstance(key.data, Workhorse):
                self.stable.serve(key.data, events)
                self._round_at = min(self._round_at, key.data.moment)
            elif key.data is None:
                self.stable.drain_wakeup()
            elif not key.data.wire.readable:
                continue  # news of a socket that had its number before, and that a child still has
            elif key.data is self.exchange:
                self._hear_redis()
            else:
                self._hear_bell()
        if self.bell.overdue(boottime()):
            self.bell.close()
            self.hungry = True

    def _watch_redis(self) -> None:
        """Have the selector know the sockets of both connections as they are now."""
        connections: Sequence[Exchange | Bell] = (self.exchange, self.bell)
        sockets = {ears: ears.wire.socket for ears in connections}
        if sockets == self._heard:
            return
        for ears, socket in self._heard.items():
            if socket is not None and socket is not sockets[ears]:
                self._events.unregister(socket)
        for ears, socket in sockets.items():
            if socket is not None and socket is not self._heard.get(ears):
                self._events.register(socket, selectors.EVENT_READ, ears)
        self._heard = sockets

    def _next_moment(self, now: float) -> float:
        if self.stopping is not None:
            return min(now + 0.1, self.stopping.last_word_at)
        if self.dispatch.waiting:
            redis_at = self.exchange.due_at
        elif (
            not self.registered or self.dispatch.urgent or (self.hungry and self.stable.has_free())
        ):
            redis_at = 0.0
        else:
            duties_at = min(self.maintenance.due_at, self.post_mortem.due_at)
            redis_at = min(self.beat_at, duties_at)
        bell_at = self.bell.moment if self._may_listen() else NEVER
        round_at = 0.0 if self.stable.children_ended else self._round_at
        late_at = self.dispatch.patience_ends_at
        return min(max(redis_at, self.exchange.next_try), round_at, bell_at, late_at)

    def _may_listen(self) -> bool:
        idle = self.registered and not self.hungry and not self.burst and self.stopping is None
        return idle and self.stable.has_free()

    def _hear_bell(self) -> None:
        if not self.bell.armed:
            self.bell.close()  # by Redis, while nothing was asked of it
            return
        rung = self.bell.listen(boottime())
        if rung and not self.stable.has_free():
            self.dispatch.tokens_to_return.append(self.bell.queue)
        else:
            self.hungry = True

    def _notice_stop(self) -> None:
        asked_at = self._stop_asked_at()
        if asked_at is not None and self.stopping is None:
            self.stopping = Stopping(asked_at)
            self.exchange.limit_at = self.stopping.last_word_at
            running = len(self.stable.runs())
            logger.info("Worker %s is asked to stop, %d running", self.description, running)

    # Redis

    def _talk(self, now: float) -> None:
        if self.dispatch.asked:
            self.dispatch.refuse_late(now)
        if self.dispatch.waiting:
            if now >= self.exchange.due_at:
                self._hear_redis()
            return
        if not self.exchange.ready(now) or not (self.registered or self._register()):
            return
        if self.stopping is None and not self._keep_house(now):
            return
        if self.hungry and self.stopping is None:
            self.dispatch.want(self.stable.free_workers())
        self.dispatch.say(now, self.stable.runs() if now >= self.beat_at else None)

    def _keep_house(self, now: float) -> bool:
        """Do what is due beside the tasks; false if Redis does not answer."""
        for duty in (self.maintenance, self.post_mortem):
            if now >= duty.due_at:
                duty.step(now)
                if not self.exchange.ready(now):
                    return False
        return True

    def _hear_redis(self) -> None:
        if self.dispatch.waiting:
            self.dispatch.hear()
        else:
            self.exchange.wire.close()  # by Redis, while nothing was asked of it

    def _register(self) -> bool:
        workers = len(self.stable.slots)
        call = scripts.register(self.id, self.description, self.queues, workers)
        if self.exchange.talk([call]) is None:
            return False
        self.registered = self._has_registered = True
        for slot in self.stable.slots:
            narration.tell_of_worker(slot, "started")
        return True

    def _on_ready(self) -> None:
        self.hungry = True

    def _on_outcome(self, horse: Workhorse, outcome: TaskOutcome) -> None:
        run = horse.run
        if run is None:
            return
        line, took, description = run.line, 0.0, ""
        if line is not None and narration.tells_of(outcome):
            description = line.description
            if line.phase >= page.STARTED:
                ended_at = line.returned_at if line.phase >= page.RETURNED else boottime()
                took = ended_at - line.started_at
        self.dispatch.ended.append(Ended(run, outcome, description, took))
        self.hungry = True

    def _on_settled(self, ended: Ended, settled: Settled) -> None:
        self.processed += settled.word in ("finished", "failed")
        self.post_mortem.settled(settled)
        narration.tell_settled(ended, settled)

    def _on_claimed(
        self, claimed: list[Claimed] | None, request: Request, asked_at: float
    ) -> None:
        if claimed is None:
            self._given_up()
            return
        self._notice_stop()  # who was asked to stop while the answer was on its way begins nothing
        self.hungry = len(claimed) == len(request.worker_ids)
        homes = self.stable.free_by_worker() if self.stopping is None else {}
        runs = [Run.of(given, asked_at) for given in claimed]
        begin_now = [run for run in runs if run.worker_id in homes]
        if begin_now:
            moment = self.stable.hand_out(begin_now, homes)
            self._round_at = min(self._round_at, moment, *map(_fenced_at, begin_now))
        for run in runs:
            if run.worker_id not in homes:
                self._put_back(run)

    def _put_back(self, run: Run) -> None:
        stopped = "The worker was shut down before the task began"
        why = "No workhorse was free to begin it" if self.stopping is None else stopped
        self.dispatch.ended.append(Ended(run, TaskOutcome.release(why), "", 0.0))

    def _on_taken_back(self, run: Run) -> None:
        home = self.stable.free_by_worker().get(run.worker_id)
        is_late = run.is_lost or boottime() > _fenced_at(run)
        if home is None or self.stopping is not None or is_late:
            self._put_back(run)
        else:
            home.give([run])
            self.stable.say_rest(home)

    def _memory(self) -> int:
        horses = [horse.pid for horse in self.stable.workhorses()]
        return resident.together([os.getpid(), *horses])

    def _on_renewed(self, renewed: Renewed, runs: Sequence[Run], asked_at: float) -> None:
        self.beat_at = asked_at + settings.WORKER_HEARTBEAT_FREQ
        words = {id(run): word for run, word in zip(runs, renewed.words, strict=True)}
        for run in runs:
            if words[id(run)] == "ok":
                run.renewed_at = asked_at
            run.is_lost = words[id(run)] in ("lost", "gone")
        for horse in self.stable.busy():
            word = words.get(id(horse.run), "ok")
            if horse.run is None or word == "ok":
                continue
            if word == "late" and horse.run.phase >= page.STARTED:
                _let_go_on(horse.run)
            elif horse.killed_for == "":
                _warn(horse.run, f"is stopped: its run is {word}")
                horse.run.is_lost = True
                horse.kill("lost")
        if not renewed.registered:
            self._given_up()

    def _on_advanced(self, advanced: Advanced | None) -> None:
        self.dispatch.advancing = advanced is not None and advanced.more
        if advanced is not None:
            self.hungry = self.hungry or advanced.released > 0
            narration.tell_advanced(advanced)

    def _given_up(self) -> None:
        if self.registered:  # else it has heard so from the answer just before
            known = {"worker": self.id}
            logger.warning(
                "Worker %s [%s] had been given up for dead", self.description, self.id, extra=known
            )
            self._take_ids(new_id())

    def _fence(self, now: float) -> None:
        """Stop reentrant runs whose lease may soon run out: another worker will start them."""
        for horse in self.stable.busy():
            run = horse.run
            if run and not horse.killed_for and now > max(_fenced_at(run), self._answer_at()):
                _warn(run, "is stopped: Redis is out of reach")
                horse.kill("fence")

    def _fence_moment(self) -> float:
        runs = [horse.run for horse in self.stable.busy() if not horse.killed_for]
        fenced_at = [_fenced_at(run) for run in runs if run is not None]
        return max(min(fenced_at, default=NEVER), self._answer_at())

    def _answer_at(self) -> float:
        # Who wakes up from a long sleep hears first what Redis says; it is soon late.
        return self.exchange.due_at if self.dispatch.waiting else 0.0

    def _say_goodbye(self) -> None:
        if self.dispatch.waiting:
            self._hear_redis()
        for ended in self.dispatch.ended:
            narration.tell_unsettled(ended)
        if self.registered:
            self.exchange.talk([scripts.retire(self.id)])
        for slot in self.stable.slots if self._has_registered else ():
            narration.tell_of_worker(slot, "shut down")


def _warn(run: Run, what: str) -> None:
    logger.warning("Task %s %s", run.label, what, extra=run.log_fields)


def _let_go_on(run: Run) -> None:
    """Take note of a run that failed as lost; its result will count all the same."""
    if not run.is_late:
        run.is_late = True
        _warn(run, "was given up as lost, but goes on: nobody else may start it")


def _fenced_at(run: Run) -> float:
    """Return when a run has to stop if Redis does not answer until then."""
    return run.renewed_at + conf.self_fence() if run.reentrant else NEVER
