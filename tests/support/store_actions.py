"""Carries out single actions on Redis and on a model of it, and compares what both say."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from redis_tasks import conf, keys
from redis_tasks.conf import connection, settings
from redis_tasks.store import client, scripts
from redis_tasks.store.client import Call
from redis_tasks.store.scripts import Claimed, NewTask, Recovered, Settlement
from tests.support import store_invariants
from tests.support.store_model import World
from tests.support.store_records import Limits, Run, Wanted
from tests.support.store_view import CLOCK, View, look

S = TypeVar("S")
T = TypeVar("T")

START = 1_700_000_000_000
QUEUES = ["alpha", "beta"]


class Supervisor:
    """A process that claims: its identity now, its requests, and what it believes to run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.incarnation = 0
        self.queues = QUEUES if name == "a" else QUEUES[::-1]
        self.begin_anew()

    def begin_anew(self) -> None:
        self.incarnation += 1
        self.id = f"{self.name}{self.incarnation}"
        self.requests = 0
        self.runs: dict[str, Run] = {}

    def free(self) -> list[str]:
        return [worker for k in (1, 2) if (worker := f"{self.id}#{k}") not in self.runs]


def _as_it_is(reply: T) -> T:
    return reply


class StoreActions:
    """An empty store with two supervisors; each method is one call, perhaps repeated."""

    def __init__(self) -> None:
        connection.flushall()
        self.limits = Limits(
            lease=scripts.lease_ms(),
            guard=round(conf.guard() * 1000),
            grace=round(conf.grace() * 1000),
            finished=settings.FINISHED_TASKS_MAX,
            failed=settings.FAILED_TASKS_MAX,
            size=settings.REGISTRIES_MAX_BYTES,
            crashes=settings.MAX_CRASHES,
            releases=settings.MAX_RELEASES,
        )
        self.world = World(self.limits, START)
        self.view = View()
        self.used: set[str] = set()
        self.ghosts: set[str] = set()
        self.runs: list[Run] = []  # all that there ever were
        # Of each life of a task, which its place in the order of enqueueing names.
        self.starts: Counter[tuple[str, str]] = Counter()
        self.releases: Counter[tuple[str, str]] = Counter()
        self.pass_time(0)
        self.supervisors = {name: Supervisor(name) for name in "ab"}
        for supervisor in self.supervisors.values():
            self.register(supervisor)

    def do(
        self,
        call: Call[S],
        ask_model: Callable[[], T],
        shape: Callable[[S], Any] = _as_it_is,
        *,
        replay: bool = False,
    ) -> T:
        """Carry out a call; *replay*: its answer was lost, so it is sent again."""
        found, expected = shape(client.run(call)), ask_model()
        assert found == expected, f"{call.name} says {found}, not {expected}"
        if replay:
            before = look()
            found, after = shape(client.run(call)), look()
            assert found == ask_model(), f"{call.name}, repeated, says {found}"
            before.totals.pop("seq", None)
            after.totals.pop("seq", None)
            assert after == before, f"{call.name}, repeated, does something"
        return expected

    def check(self) -> None:
        """See that all is as it should be since the last check."""
        before, self.view = self.view, look()
        store_invariants.check(self.view, self.ghosts, self.limits)
        store_invariants.check_model(self.view, self.world)
        for id_, record in self.view.tasks.items():
            old = before.tasks.get(id_, {})
            if "seq" in record and old.get("seq") == record["seq"]:
                assert int(record.get("run", 0)) >= int(old.get("run", 0)), f"{id_} runs back"

    def pass_time(self, milliseconds: int) -> None:
        self.world.now += milliseconds
        connection.set(CLOCK, self.world.now)

    def enqueue(
        self,
        queue: str,
        ids: Sequence[str],
        func: str,
        arguments: bytes,
        *,
        at_front: bool = False,
        replay: bool = False,
    ) -> None:
        # Only ids that were never sent may be called new, and only until they are.
        again = replay or not self.used.isdisjoint(ids)
        self.used.update(ids)
        wanted = [Wanted(id_, func, arguments, id_.startswith("R"), again) for id_ in ids]
        tasks = [
            NewTask(each.id, func, arguments, each.reentrant, 60, again=again) for each in wanted
        ]
        self.do(
            scripts.enqueue(queue, tasks, at_front=at_front),
            lambda: self.world.enqueue(queue, wanted, at_front=at_front),
            lambda reply: list(reply.words),
            replay=replay,
        )

    def register(self, supervisor: Supervisor, *, replay: bool = False) -> None:
        def registered() -> int:
            self.world.register(supervisor.id)
            return self.world.now

        call = scripts.register(supervisor.id, supervisor.name, supervisor.queues, 2)
        self.do(call, registered, replay=replay)

    def begin_anew(self, supervisor: Supervisor) -> None:
        """It died, or was taken for dead."""
        supervisor.begin_anew()
        self.register(supervisor)

    def retire(self, supervisor: Supervisor, *, replay: bool) -> None:
        call = scripts.retire(supervisor.id)
        self.do(call, lambda: self.world.retire(supervisor.id), replay=replay)
        after = scripts.claim(supervisor.id, supervisor.requests + 1, QUEUES, ["nobody"])
        assert client.run(after) is None
        self.begin_anew(supervisor)

    def claim(self, supervisor: Supervisor, count: int, *, replay: bool = False) -> None:
        workers = supervisor.free()[:count]
        if workers:
            supervisor.requests += 1
            self._claim(supervisor, supervisor.requests, workers, replay=replay)

    def claim_late(self, supervisor: Supervisor) -> None:
        """An old request arrives, which had been overtaken by its repetition."""
        if supervisor.requests > 1:
            self._claim(supervisor, supervisor.requests - 1, [f"{supervisor.id}#1"])

    def _claim(
        self, supervisor: Supervisor, request: int, workers: list[str], *, replay: bool = False
    ) -> None:
        def shape(reply: list[Claimed] | None) -> list[Run] | None:
            given.extend(reply or ())
            if reply is None:
                return None
            return [(each.task_id, each.worker_id, each.run) for each in reply]

        given: list[Claimed] = []
        claimed = self.do(
            scripts.claim(supervisor.id, request, supervisor.queues, workers),
            lambda: self.world.claim(supervisor.id, request, supervisor.queues, workers),
            shape,
            replay=replay,
        )
        if claimed is None:
            self.begin_anew(supervisor)
            return
        self.runs += claimed
        supervisor.runs |= {run[1]: run for run in claimed}
        for each in given[: len(claimed)]:
            seq = connection.hget(keys.task(each.task_id), "seq")
            self._check_start(each.task_id, seq.decode())

    def _check_start(self, id_: str, seq: str) -> None:
        self.starts[id_, seq] += 1
        most = 1 + self.releases[id_, seq]
        assert id_.startswith("R") or self.starts[id_, seq] <= most, f"{id_} started again"

    def settle(self, runs: Sequence[Run], move: str, *, replay: bool) -> None:
        """Settle runs, whosoever they are; nobody believes to run them then."""
        text, before = "text" * 20, look()
        said = self.do(
            scripts.settle([Settlement(*run, move, f"why-{move}", text) for run in runs]),
            lambda: self.world.settle([(run, move, f"why-{move}", text) for run in runs]),
            lambda reply: [(settled.word, settled.reason) for settled in reply],
            replay=replay,
        )
        self._check_limits(look())
        for run, (word, _) in zip(runs, said, strict=True):
            self._check_fence(before, run, move, word)
            for supervisor in self.supervisors.values():
                if supervisor.runs.get(run[1]) == run:
                    del supervisor.runs[run[1]]

    def _check_limits(self, view: View) -> None:
        assert len(view.registries[keys.FINISHED]) <= self.limits.finished
        assert len(view.registries[keys.FAILED]) <= self.limits.failed
        assert sum(int(view.totals.get(name, 0)) for name in view.registries) <= self.limits.size

    def _check_fence(self, view: View, run: Run, move: str, word: str) -> None:
        """Only the current run may settle a task, and one that it was taken from only late."""
        if word not in ("finished", "failed", "queued"):
            return
        record = view.tasks[run[0]]
        assert (record["w"], int(record["run"])) == run[1:], f"{run} is over"
        assert record["st"] == "running" or record["why"] == "lost", f"{run} is settled"
        if move == "release" and word == "queued":
            self.releases[run[0], record["seq"]] += 1

    def renew(self, supervisor: Supervisor, *, obeys: bool, replay: bool) -> None:
        held = list(supervisor.runs.values())
        registered, words = self.do(
            scripts.renew(supervisor.id, held),
            lambda: self.world.renew(supervisor.id, held),
            lambda reply: (reply.registered, list(reply.words)),
            replay=replay,
        )
        for run, word in zip(held, words, strict=True):
            if obeys and word in ("lost", "gone"):
                del supervisor.runs[run[1]]
        if not registered:
            self.begin_anew(supervisor)

    def renew_alone(self, runs: list[Run]) -> None:
        """Somebody who is not registered renews."""
        self.do(
            scripts.renew("nobody", runs),
            lambda: self.world.renew("nobody", runs),
            lambda reply: (reply.registered, list(reply.words)),
        )

    def recover(self, queue: str, *, replay: bool) -> None:
        def shape(reply: list[Recovered] | None) -> list[tuple[Run, str, str]] | None:
            if reply is None:
                return None
            return [
                ((taken.task_id, taken.worker_id, taken.run), taken.word, taken.reason)
                for taken in reply
            ]

        call = scripts.recover(queue)
        self.do(call, lambda: self.world.recover(queue), shape, replay=replay)

    def cancel(self, id_: str, *, replay: bool) -> None:
        self.do(scripts.cancel(id_), lambda: self.world.cancel(id_), replay=replay)

    def delete(self, ids: Sequence[str]) -> None:
        self.do(scripts.delete(ids), lambda: self.world.delete(list(ids)))

    def empty(self, queue: str, *, replay: bool) -> None:
        self.do(scripts.drain(queue), lambda: self.world.drain(queue))
        forget = scripts.forget_queue(queue)
        self.do(forget, lambda: self.world.forget_queue(queue), tuple, replay=replay)

    def save_meta(self, run: Run, meta: bytes, *, replay: bool) -> None:
        call = scripts.save_meta(*run, meta)
        self.do(call, lambda: self.world.save_meta(*run, meta), replay=replay)

    def expire(self, registry: str, age: int) -> None:
        call = scripts.expire(registry, age)
        self.do(call, lambda: self.world.expire(registry, age * 1000))

    def bury(self) -> None:
        def shape(reply: list[tuple[str, str]]) -> list[str]:
            assert all(description == id_[0] for id_, description in reply)
            return sorted(id_ for id_, _ in reply)

        self.do(scripts.bury(), self.world.bury, shape)

    def ring(self, queue: str, *, give_back: bool) -> None:
        connection.lpop(keys.wake(queue))
        self.world.ring(queue)
        if give_back:
            self.do(scripts.wake(queue), lambda: self.world.wake(queue), lambda _: None)

    def plant_ghost(self, queue: str, rank: int) -> None:
        """Put an id into a queue that no task has."""
        ghost = f"ghost{len(self.ghosts)}"
        self.ghosts.add(ghost)
        connection.zadd(keys.queue(queue), {ghost: rank})
        self.world.queues.setdefault(queue, {})[ghost] = rank
