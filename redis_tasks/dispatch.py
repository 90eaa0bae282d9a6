"""Say to Redis what a supervisor's workers have to say, all of it in one round trip.

Everything is kept until it was answered: outcomes, calls of the tasks, the request for more.
Whatever is repeated is recognised, so that nothing happens twice.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from redis.exceptions import OutOfMemoryError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_tasks import sync_points
from redis_tasks.channel import REPLY, write_reply
from redis_tasks.clock import boottime
from redis_tasks.exchange import Exchange
from redis_tasks.lifecycle import TaskOutcome
from redis_tasks.run import Run
from redis_tasks.store import graph_scripts, scripts
from redis_tasks.store.client import Call, Reply, Unreachable, is_script
from redis_tasks.store.graph_scripts import Advanced
from redis_tasks.store.scripts import Claimed, Renewed, Settled
from redis_tasks.workhorse_handle import Workhorse

logger = logging.getLogger("redis_tasks.worker")


@dataclass(slots=True, eq=False)
class Ended:
    """A run that is over, and of which Redis has not confirmed the outcome."""

    run: Run
    outcome: TaskOutcome
    description: str
    duration: float  # seconds that the function took; 0 if it did not begin


@dataclass(slots=True, eq=False)
class Asked:
    """A script call of a task, waiting to be carried out."""

    workhorse: Workhorse
    number: bytes
    call: Call[Reply]
    deadline: float
    sent: bool = False  # an attempt before may have been carried out
    on_its_way: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request for tasks; it keeps its number until it was answered."""

    supervisor_id: str
    worker_ids: tuple[str, ...]
    call: Call[list[Claimed] | None]


Said = tuple[Call[Any], Callable[[Any], None]]
"""A call, with what takes its raw reply."""


class Dispatch:
    """What is to be said, and to whom the answers go."""

    def __init__(self, exchange: Exchange, queues: Sequence[str]) -> None:
        self.exchange = exchange
        self.supervisor_id = ""
        self.queues = queues
        self.ended: list[Ended] = []
        self.asked: list[Asked] = []
        self.request: Request | None = None
        self.tokens_to_return: list[str] = []
        self.said: list[Said] = []  # what waits for its answer just now
        self.on_settled: Callable[[Ended, Settled], None]
        self.on_claimed: Callable[[list[Claimed] | None, Request, float], None]
        self.on_renewed: Callable[[Renewed, Sequence[Run], float], None]
        self.on_advanced: Callable[[Advanced | None], None]
        self.measure: Callable[[], int]  # tells how many bytes all of it takes, 0 if nobody knows
        self.advancing = False  # there may be graphs whose next tasks can be enqueued
        self._prepared: Request | None = None
        self._one_by_one = False
        self._is_full = False
        self._numbers = count(1)

    @property
    def urgent(self) -> bool:
        """Tell whether there is something to say to Redis now."""
        return self.pending or self.advancing

    @property
    def pending(self) -> bool:
        return bool(self.ended or self.asked or self.request or self.tokens_to_return)

    @property
    def waiting(self) -> bool:
        """Tell whether an answer is outstanding."""
        return bool(self.said)

    def want(self, worker_ids: Sequence[str]) -> None:
        """Ask for a task for each of these workers, with the next round trip."""
        if self.request is None and worker_ids:
            wanted = self.supervisor_id, tuple(worker_ids)
            # If it is not wanted now, it never will be: numbers go up.
            request, self._prepared = self._prepared, None
            if request is None or (request.supervisor_id, request.worker_ids) != wanted:
                request = self._new_request(*wanted)
            self.request = request

    def prepare(self, worker_ids: Sequence[str]) -> None:
        """Pack the next request beforehand, in case that it is for these workers."""
        self._prepared = self._new_request(self.supervisor_id, tuple(worker_ids))

    def _new_request(self, supervisor_id: str, worker_ids: tuple[str, ...]) -> Request:
        call = scripts.claim(supervisor_id, next(self._numbers), self.queues, worker_ids)
        return Request(supervisor_id, worker_ids, call.prepared())

    def ask(self, workhorse: Workhorse, frame: Sequence[bytes]) -> None:
        """Take up a call that a task sent over its pipe (see ``channel``).

        Raises ``ValueError`` for one that ``channel`` does not send.
        """
        number, within, name, count, *rest = frame
        if not is_script(name.decode()):
            raise ValueError(f"There is no script {name!r:.100}")
        fixed = tuple(key.decode() for key in rest[: int(count)])
        call: Call[Reply] = Call(name.decode(), fixed, tuple(rest[int(count) :]), lambda raw: raw)
        # A little less than the task waits, so that it still hears why.
        deadline = boottime() + 0.9 * float(within)
        self.asked.append(Asked(workhorse, number, call, deadline))

    def say(self, now: float, renewing: Sequence[Run] | None) -> bool:
        """Send everything; true if answers will come. *renewing*: runs to renew, None: not due."""
        said: list[Said] = []
        if renewing is not None:
            said.append(self._renew(renewing, now))
        said += self._settle()
        if self.advancing or any(ended.run.in_graph for ended in self.ended):
            # After the ends that it follows from, before the claim that may give it out.
            said.append(self._advance())
        said += [(asked.call, partial(self._answer, asked)) for asked in self.asked]
        if self.tokens_to_return:
            said.append((scripts.wake(self.tokens_to_return[0]), self._returned_token))
        if self.request is not None:
            said.append(self._claim(self.request, now))
        if not said:
            return False
        if not self.exchange.post([call for call, _ in said]):
            self._unanswered()
            return False
        self.said = said
        for asked in self.asked:
            asked.on_its_way = True
        return True

    def hear(self) -> None:
        """Take the answers to what was said, or note that there are none."""
        replies = self.exchange.collect()
        if replies is None:
            self._unanswered()
            return
        said, self.said = self.said, []
        for (_, take), reply in zip(said, replies, strict=True):
            take(reply)

    def _unanswered(self) -> None:
        self.said = []
        for asked in self.asked:
            asked.sent = asked.sent or self.exchange.wire.sent
            asked.on_its_way = False

    def _renew(self, runs: Sequence[Run], now: float) -> Said:
        fences = [(run.task_id, run.worker_id, run.number) for run in runs]
        call = scripts.renew(self.supervisor_id, fences, self.measure())

        def take(reply: Reply) -> None:
            if not _refused(call, reply):
                self.on_renewed(call.read(reply), runs, now)

        return call, take

    def _settle(self) -> list[Said]:
        size = 1 if self._one_by_one else scripts.BATCH
        batches = [self.ended[at : at + size] for at in range(0, len(self.ended), size)]
        if batches:
            sync_points.reached("before_ack")
        return [self._settle_batch(batch) for batch in batches]

    def _settle_batch(self, batch: list[Ended]) -> Said:
        call = scripts.settle([ended.run.settlement(ended.outcome) for ended in batch])

        def take(reply: Reply) -> None:
            if _refused(call, reply):
                # One record that is not what it should be must not hold up the others.
                if len(batch) == 1:
                    self.ended.remove(batch[0])
                self._one_by_one = True
                return
            for ended, settled in zip(batch, call.read(reply), strict=True):
                self.ended.remove(ended)
                self.on_settled(ended, settled)
            self._one_by_one = self._one_by_one and bool(self.ended)

        return call, take

    def _advance(self) -> Said:
        call = graph_scripts.advance()

        def take(reply: Reply) -> None:
            # What is refused now is tried again by maintenance.
            full, self._is_full = self._is_full, isinstance(reply, OutOfMemoryError)
            if self._is_full and not full:
                logger.warning("Redis is full: the next tasks of graphs have to wait")
            refused = self._is_full or _refused(call, reply)
            self.on_advanced(None if refused else call.read(reply))

        return call, take

    def _claim(self, request: Request, now: float) -> Said:
        call = request.call

        def take(reply: Reply) -> None:
            if self.request is request:
                self.request = None
            claimed = [] if _refused(call, reply) else call.read(reply)
            if claimed:
                sync_points.reached("after_claim")
            self.on_claimed(claimed, request, now)

        return call, take

    def _answer(self, asked: Asked, reply: Reply) -> None:
        if asked not in self.asked:
            return  # it was told that this comes too late
        self.asked.remove(asked)
        if asked.sent and isinstance(reply, ResponseError):
            # Refused now, but an earlier attempt may have been carried out.
            reply = Unreachable(reply, sent=True)
        asked.workhorse.say(REPLY, asked.number, *write_reply(reply))

    @property
    def patience_ends_at(self) -> float:
        """Return when the first task that waits for an answer is told that none came."""
        return min((asked.deadline for asked in self.asked), default=math.inf)

    def refuse_late(self, now: float) -> None:
        """Tell the tasks whose calls could not be carried out in time."""
        for asked in [asked for asked in self.asked if now > asked.deadline]:
            trouble = self.exchange.trouble or RedisTimeoutError("Redis did not answer in time")
            self._answer(asked, Unreachable(trouble, sent=asked.sent or asked.on_its_way))

    def _returned_token(self, _reply: Reply) -> None:
        self.tokens_to_return.pop(0)


def _refused(call: Call[Any], reply: Reply) -> bool:
    if isinstance(reply, ResponseError):
        logger.error("Redis refused %s: %s", call.name, reply)
        return True
    return False
