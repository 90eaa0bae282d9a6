"""What the scripts promise, in plain Python: a task has one place, which its run may change."""

import re
from itertools import takewhile

from redis_tasks.store import client
from tests.support.store_records import Host, Limits, Record, Run, Wanted

YOUNG = 60_000  # ms in which a task that was taken away is remembered
INTERRUPTED_RANK = -(10**12)
KEPT_ARGUMENTS = 1024
MOST_TOKENS = 64
BATCH = 100


class World:
    """All of Redis; each method is a script, and returns what the script should."""

    def __init__(self, limits: Limits, now: int) -> None:
        self.limits = limits
        self.now = now
        self.seq = 0
        self.tasks: dict[str, Record] = {}
        self.names: set[str] = set()
        self.queues: dict[str, dict[str, int]] = {}
        self.tokens: dict[str, int] = {}
        self.leases: dict[str, dict[str, int]] = {}
        # In the order of the ends: task -> moment.
        self.registries: dict[str, dict[str, int]] = {"finished": {}, "failed": {}}
        self.guards: dict[str, tuple[int, int]] = {}
        self.hosts: dict[str, Host] = {}
        self.live: dict[str, int] = {}
        self._tombs: set[tuple[int, str]] = set()
        text = client.script("settle").text
        self._record_bytes = int(re.findall(r"RECORD_BYTES = (\d+)", text)[0])

    # Queues

    def enqueue(self, queue: str, wanted: list[Wanted], *, at_front: bool) -> list[str]:
        words = []
        for each in wanted:
            self.seq += 1
            words.append(self._enqueue(queue, each, -self.seq if at_front else self.seq))
        if "new" in words:
            self.names.add(queue)
            self._add_tokens(queue, words.count("new"))
        return words

    def _enqueue(self, queue: str, wanted: Wanted, rank: int) -> str:
        known = self.tasks.get(wanted.id)
        if known is not None:
            same = known.func == wanted.func and (
                known.less or known.arguments == wanted.arguments
            )
            return "repeated" if same else "other"
        if wanted.again and self._is_buried(wanted.id):
            return "repeated"
        self.tasks[wanted.id] = Record(
            wanted.id, queue, wanted.func, wanted.arguments, wanted.reentrant, self.seq, self.now
        )
        self.queues.setdefault(queue, {})[wanted.id] = rank
        return "new"

    def claim(
        self, host_id: str, request: int, queues: list[str], workers: list[str]
    ) -> list[Run] | None:
        host = self.hosts.get(host_id)
        if host is None or not host.on:
            return None
        if request < host.request:
            return []
        if request == host.request:
            slots = [(worker, host.slots[worker]) for worker in workers if worker in host.slots]
            return [(id_, worker, run) for worker, (id_, run) in slots if self._runs(id_, worker)]
        host.request, host.claimed_at = request, self.now
        for worker in workers:
            host.slots.pop(worker, None)
        claimed: list[Run] = []
        for queue in queues:
            for id_ in self._pop(queue, len(workers) - len(claimed), skip=True):
                claimed.append(self._give(self.tasks[id_], queue, host, workers[len(claimed)]))
            self._trim_tokens(queue)
        return claimed

    def _give(self, task: Record, queue: str, host: Host, worker: str) -> Run:
        task.status, task.worker = "running", worker
        task.run += 1
        task.attempt += 1
        self.leases.setdefault(queue, {})[task.id] = self.now + self.limits.lease
        host.slots[worker] = (task.id, task.run)
        return (task.id, worker, task.run)

    def _pop(self, queue: str, count: int, *, skip: bool) -> list[str]:
        """Take the next ids; *skip*: those without a task do not count."""
        waiting = self.queues.get(queue, {})
        popped: list[str] = []
        for id_ in sorted(waiting, key=lambda id_: (waiting[id_], id_)):
            if len(popped) == count:
                break
            del waiting[id_]
            if id_ in self.tasks or not skip:
                popped.append(id_)
        return popped

    def cancel(self, id_: str) -> str:
        task = self.tasks.get(id_)
        if task is None:
            return "cancelled" if self._is_buried("cancelled " + id_) else "gone"
        if task.status != "queued":
            return task.status
        self._leave_queue(task)
        del self.tasks[id_]
        self._bury(id_)
        self._bury("cancelled " + id_)
        return "cancelled"

    def delete(self, ids: list[str]) -> list[str]:
        return [self._delete(id_) for id_ in ids]

    def _delete(self, id_: str) -> str:
        task = self.tasks.get(id_)
        if task is None:
            return "gone"
        if task.status == "running":
            return "running"
        if task.status == "queued":
            self._leave_queue(task)
        else:
            del self.registries[task.status][id_]
        self._forget(id_)
        return "deleted"

    def drain(self, queue: str) -> int:
        popped = self._pop(queue, BATCH, skip=False)
        for id_ in popped:
            self._forget(id_)
        self._trim_tokens(queue)
        return len(popped)

    def forget_queue(self, queue: str) -> tuple[int, int]:
        waiting, running = len(self.queues.get(queue, {})), len(self.leases.get(queue, {}))
        if not waiting and not running:
            self.names.discard(queue)
            self.guards.pop(queue, None)
        return waiting, running

    def ring(self, queue: str) -> None:
        """Take a wake-up token, as BLPOP does."""
        self.tokens[queue] = max(0, self.tokens.get(queue, 0) - 1)

    def wake(self, queue: str) -> None:
        self._add_tokens(queue, 1)

    # Runs

    def settle(self, settlements: list[tuple[Run, str, str, str]]) -> list[tuple[str, str]]:
        words = []
        for run, move, reason, text in settlements:
            words.append(self._settle(run, move, reason, text))
        self._keep_bounded()
        return words

    def _settle(self, run: Run, move: str, reason: str, text: str) -> tuple[str, str]:
        id_, worker, number = run
        task = self.tasks.get(id_)
        if task is None:
            return "gone", ""
        if (task.worker, task.run) != (worker, number):
            if move == "interrupt" and task.lost == f"{worker} {number}":
                task.crashes, task.lost = task.crashes - 1, ""
            return "lost", ""
        if task.status == "running":
            self._leave_worker(task)
            return self._apply(task, move, reason, text)
        is_late = (task.status, task.why) == ("failed", "lost")
        if is_late and move in ("finish", "fail"):
            del self.registries["failed"][id_]
            task.why = ""
            return self._apply(task, move, reason, text)
        return "already", ""

    def _apply(self, task: Record, move: str, reason: str, text: str) -> tuple[str, str]:
        if move == "finish":
            task.less = len(task.arguments) > KEPT_ARGUMENTS
            task.arguments = task.arguments[:KEPT_ARGUMENTS]
            return self._end(task, "finished", "", "")
        if move == "fail":
            return self._end(task, "failed", reason, text)
        if move == "release":
            task.releases += 1
            if task.releases > self.limits.releases:
                text += f" (put back {self.limits.releases} times)"
                return self._end(task, "failed", "unstartable", text)
        elif not task.reentrant:
            return self._end(task, "failed", reason, text)
        if move == "crash":
            return self._crash(task, text)
        task.attempt -= 1
        return self._go_front(task, began=move != "release")

    def _crash(self, task: Record, text: str) -> tuple[str, str]:
        task.crashes += 1
        if task.crashes >= self.limits.crashes:
            text += f" (crash {task.crashes} of this task: given up)"
            return self._end(task, "failed", "poison", text)
        return self._go_front(task, began=True)

    def _go_front(self, task: Record, *, began: bool) -> tuple[str, str]:
        task.status = "queued"
        task.aborted = min(20, task.aborted + began)
        self.queues.setdefault(task.queue, {})[task.id] = INTERRUPTED_RANK + task.seq
        self.names.add(task.queue)
        self._add_tokens(task.queue, 1)
        return "queued", ""

    def _end(self, task: Record, status: str, why: str, text: str) -> tuple[str, str]:
        task.status, task.why = status, why
        task.size = self._record_bytes + len(task.arguments) + len(task.meta)
        task.size += len(text) + len(text.rstrip().rpartition("\n")[2][:200])
        self.registries[status][task.id] = self.now
        return status, why

    def renew(self, host_id: str, runs: list[Run]) -> tuple[bool, list[str]]:
        host = self.hosts.get(host_id)
        registered = host is not None and host.on
        if registered:
            self.live[host_id] = self.now
        return registered, [self._renew(run) for run in runs]

    def _renew(self, run: Run) -> str:
        task = self.tasks.get(run[0])
        if task is None:
            return "gone"
        if (task.worker, task.run) != run[1:]:
            return "lost"
        if task.status == "running":
            self.leases[task.queue][task.id] = self.now + self.limits.lease
            return "ok"
        return "late" if (task.status, task.why) == ("failed", "lost") else "lost"

    def recover(self, queue: str) -> list[tuple[Run, str, str]] | None:
        last, grace_ends = self.guards.get(queue, (0, 0))
        if self.now < last or self.now - last > self.limits.guard:
            grace_ends = self.now + self.limits.grace
        grace_ends = min(grace_ends, self.now + self.limits.grace)
        self.guards[queue] = (self.now, grace_ends)
        if self.now < grace_ends:
            return None
        leases = self.leases.get(queue, {})
        for id_, expiry in leases.items():
            leases[id_] = min(expiry, self.now + self.limits.lease)
        expired = sorted((leases[id_], id_) for id_ in leases if leases[id_] <= self.now)
        taken = [self._take_back(self.tasks[id_]) for _, id_ in expired]
        if taken:
            self._keep_bounded()
        return taken

    def _take_back(self, task: Record) -> tuple[Run, str, str]:
        run = (task.id, task.worker, task.run)
        self._leave_worker(task)
        text = f"Worker {task.worker} was lost; the task may or may not have begun"
        if task.reentrant:
            task.lost, task.worker = f"{task.worker} {task.run}", ""
        return (run, *self._apply(task, "crash", "lost", text))

    # Registries and supervisors

    def _keep_bounded(self) -> None:
        for name, limit in (("finished", self.limits.finished), ("failed", self.limits.failed)):
            while len(self.registries[name]) > limit:
                self._drop_oldest(name)
        while self.size() > self.limits.size:
            # Where both are as old, the finished one: "finished" > "failed".
            oldest = [(-next(iter(kept.values())), name) for name, kept in self._kept()]
            self._drop_oldest(max(oldest)[1])

    def _kept(self) -> list[tuple[str, dict[str, int]]]:
        return [(name, kept) for name, kept in self.registries.items() if kept]

    def _drop_oldest(self, name: str) -> None:
        kept = self.registries[name]
        id_ = next(iter(kept))
        del kept[id_]
        self._forget(id_)

    def size(self) -> int:
        return sum(self.tasks[id_].size for _, kept in self._kept() for id_ in kept)

    def expire(self, name: str, ttl: int) -> int:
        kept = self.registries[name]
        old = list(takewhile(lambda id_: kept[id_] <= self.now - ttl, kept))
        for id_ in old:
            del kept[id_]
            self._forget(id_)
        return len(old)

    def save_meta(self, id_: str, worker: str, number: int, meta: bytes) -> str:
        task = self.tasks.get(id_)
        if task is None:
            return "gone"
        if worker and (task.worker, task.run) != (worker, number):
            return "refused"
        if task.status == "running" and not worker:
            return "refused"
        task.size += len(meta) - len(task.meta)
        task.meta = meta
        return "saved"

    def register(self, host_id: str) -> None:
        self.hosts.setdefault(host_id, Host()).on = True
        self.live[host_id] = self.now

    def retire(self, host_id: str) -> int:
        was_on = self.hosts[host_id].on
        self.hosts[host_id].on = False
        self.live.pop(host_id, None)
        return int(was_on)

    def bury(self) -> list[str]:
        self.live = {id_: min(seen, self.now) for id_, seen in self.live.items()}
        silent = [id_ for id_, seen in self.live.items() if seen <= self.now - self.limits.lease]
        dead = [id_ for id_ in silent if not self._has_claimed(id_)]
        for id_ in dead:
            self.retire(id_)
        return sorted(dead)

    def _has_claimed(self, host_id: str) -> bool:
        host = self.hosts[host_id]
        claimed_at, host.claimed_at = host.claimed_at, 0
        recently = self.now - claimed_at < self.limits.lease
        if recently:
            self.live[host_id] = min(claimed_at, self.now)
        return recently

    # Parts of the above

    def _runs(self, id_: str, worker: str) -> bool:
        task = self.tasks.get(id_)
        return task is not None and (task.status, task.worker) == ("running", worker)

    def _leave_worker(self, task: Record) -> None:
        del self.leases[task.queue][task.id]
        slots = self.hosts[task.worker.partition("#")[0]].slots
        if slots.get(task.worker) == (task.id, task.run):
            del slots[task.worker]

    def _leave_queue(self, task: Record) -> None:
        del self.queues[task.queue][task.id]
        self._trim_tokens(task.queue)

    def _add_tokens(self, queue: str, added: int) -> None:
        most = min(MOST_TOKENS, len(self.queues.get(queue, {})))
        self.tokens[queue] = min(most, self.tokens.get(queue, 0) + added)

    def _trim_tokens(self, queue: str) -> None:
        self.tokens[queue] = min(self.tokens.get(queue, 0), len(self.queues.get(queue, {})))

    def _forget(self, id_: str) -> None:
        task = self.tasks.pop(id_, None)
        if task is not None and self.now - task.enqueued_at < YOUNG:
            self._bury(id_)

    def _bury(self, mark: str) -> None:
        self._tombs.add((self.now // YOUNG, mark))

    def _is_buried(self, mark: str) -> bool:
        window = self.now // YOUNG
        return (window, mark) in self._tombs or (window - 1, mark) in self._tombs
