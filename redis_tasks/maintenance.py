"""Keep the house: recover lost tasks, mark dead supervisors, forget what is too old."""

import contextlib
import logging
import random
from collections.abc import Sequence
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from redis_tasks import keys, narration
from redis_tasks.clock import boottime
from redis_tasks.conf import settings
from redis_tasks.exchange import Exchange
from redis_tasks.store import graph_scripts, scripts
from redis_tasks.store.client import Call
from redis_tasks.store.scripts import Recovered

T = TypeVar("T")

worker_log = logging.getLogger("redis_tasks.worker")
task_log = logging.getLogger("redis_tasks.task")

ROUNDS = 10  # batches of one kind that are taken at one go


class _Away(Exception):
    """Redis does not answer just now: another attempt would only hold up the supervisor."""


class Maintenance:
    """What every supervisor and scheduler does from time to time; they need not agree on it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.recover_at = boottime()
        self.expire_at = boottime()
        self.advance_at = boottime()

    @property
    def due_at(self) -> float:
        return min(self.recover_at, self.expire_at, self.advance_at)

    def step(self, now: float) -> None:
        """Do what is due. Gives up at once when Redis does not answer, until the next time."""
        with contextlib.suppress(_Away):
            if now >= self.recover_at:
                # Spread out, so that many processes do not all come at the same moment.
                self.recover_at = now + settings.WORKER_HEARTBEAT_FREQ * random.uniform(0.8, 1.2)
                self._recover()
            if now >= self.advance_at:
                self.advance_at = now + settings.WORKER_HEARTBEAT_FREQ * random.uniform(0.8, 1.2)
                self._advance(now)
            if now >= self.expire_at:
                self.expire_at = now + settings.MAINTENANCE_FREQ
                self._learn_limits()
                self._expire()
                self._summarize()

    def _recover(self) -> None:
        grace = False
        names = self._command("SMEMBERS", keys.queues())
        queues = [name.decode(errors="replace") for name in names]
        for start in range(0, len(queues), scripts.BATCH):
            for _ in range(ROUNDS):
                batch = [scripts.recover(queue) for queue in queues[start : start + scripts.BATCH]]
                found = self._ask(batch)
                grace = grace or None in found
                for recovered in (task for tasks in found if tasks for task in tasks):
                    _log_recovered(recovered)
                if not any(tasks and len(tasks) == scripts.BATCH for tasks in found):
                    break
        if not grace:
            self._bury()

    def _bury(self) -> None:
        for dead in self._ask([scripts.bury()])[0] or []:
            extra = {"worker": dead[0]}
            worker_log.warning("Worker %s [%s] died", dead[1], dead[0], extra=extra)

    def _advance(self, now: float) -> None:
        """Let graphs go on whose supervisor died before it did so: one batch a turn."""
        if self._command("ZCARD", keys.graph_ready()) == 0:
            return
        advanced = self._ask([graph_scripts.advance()])[0]
        if advanced is not None:
            narration.tell_advanced(advanced)
            if advanced.more:
                self.advance_at = now

    def _learn_limits(self) -> None:
        info = self._command("INFO", "memory").decode()
        lines = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        scripts.learn_limits(int(lines.get("maxmemory", 0)))

    def _expire(self) -> None:
        for registry in (keys.FINISHED, keys.FAILED):
            for _ in range(ROUNDS):
                gone = self._ask([scripts.expire(registry, settings.EXPIRING_REGISTRIES_TTL)])
                if gone[0] is None or gone[0] < scripts.BATCH:
                    break
        self._ask([graph_scripts.forget_graphs(settings.EXPIRING_REGISTRIES_TTL)])

    def _summarize(self) -> None:
        if settings.STATISTICS:
            self._ask([scripts.summarize()])

    def _command(self, *words: str) -> Any:
        reply = self._exchange.command(*words)
        if reply is None:
            raise _Away
        return reply

    def _ask(self, calls: Sequence[Call[T]]) -> list[T | None]:
        """Return what the calls say; None in place of one that Redis refused, which is logged."""
        replies = self._exchange.talk(calls)
        if replies is None:
            raise _Away
        said: list[T | None] = []
        for call, reply in zip(calls, replies, strict=True):
            if isinstance(reply, ResponseError):
                worker_log.error("Redis refused %s: %s", call.name, reply)
                said.append(None)
            else:
                said.append(call.read(reply))
        return said


def _log_recovered(recovered: Recovered) -> None:
    what = "requeued" if recovered.word == "queued" else f"failed ({recovered.reason})"
    task_log.warning(
        "Task %s [%s] %s: worker %s was lost",
        recovered.func_name,
        recovered.task_id,
        what,
        recovered.worker_id,
        extra={
            "task_id": recovered.task_id,
            "func": recovered.func_name,
            "worker": recovered.worker_id,
        },
    )
