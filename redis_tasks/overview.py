"""Draw queues with their workers for a terminal."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from redis_tasks import keys
from redis_tasks.conf import connection
from redis_tasks.logs import escaped
from redis_tasks.queue import Queue
from redis_tasks.registries import failed_task_registry, finished_task_registry
from redis_tasks.task import Task
from redis_tasks.worker import BUSY, Worker

EIGHTHS = " ▏▎▍▌▋▊▉█"
WIDEST_NAME = 30
WIDEST_BAR = 40
COUNTS = 33  # columns of the numbers beside a bar


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue; *oldest* is for how many seconds its next task has waited."""

    name: str
    waiting: int
    running: int
    oldest: float | None


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker; *task* is what it does in words, for *seconds* so far."""

    description: str
    state: str
    queues: tuple[str, ...]
    task: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """All that is drawn."""

    queues: list[QueueState]
    workers: list[WorkerState]
    finished: int
    failed: int


@dataclass(frozen=True, slots=True)
class Canvas:
    """How much room there is, and with what to draw."""

    width: int = 80
    blocks: bool = True  # False: ASCII only


def gather(names: Collection[str] = ()) -> Overview:
    """Ask Redis for the queues of these *names*, or all, with the workers that serve them."""
    queues = [Queue(name) for name in names] or Queue.all()
    workers = [
        worker
        for worker in Worker.all()
        if not names or not {queue.name for queue in worker.queues}.isdisjoint(names)
    ]
    now = _server_time()
    return Overview(
        _queue_states(queues, now),
        _worker_states(workers, now),
        finished_task_registry.count(),
        failed_task_registry.count(),
    )


def _server_time() -> datetime:
    seconds, microseconds = connection.time()
    return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)


def _queue_states(queues: Sequence[Queue], now: datetime) -> list[QueueState]:
    pipeline = connection.pipeline(transaction=False)
    for queue in queues:
        pipeline.zcard(keys.queue(queue.name))
        pipeline.zcard(keys.leases(queue.name))
        pipeline.zrange(keys.queue(queue.name), 0, 0)
    answers = pipeline.execute()
    waiting, running, first = answers[0::3], answers[1::3], answers[2::3]
    next_ids = [ids[0].decode(errors="replace") if ids else "" for ids in first]
    tasks = {task.id: task for task in Task.fetch_many(filter(None, next_ids))}
    return [
        QueueState(
            queue.name, waiting[i], running[i], _age(tasks.get(next_ids[i]), "enqueued_at", now)
        )
        for i, queue in enumerate(queues)
    ]


def _worker_states(workers: Sequence[Worker], now: datetime) -> list[WorkerState]:
    ids = [worker.current_task_id for worker in workers]
    tasks = {task.id: task for task in Task.fetch_many(filter(None, ids))}
    return [
        WorkerState(
            escaped(worker.description),
            worker.state,
            tuple(queue.name for queue in worker.queues),
            escaped(task.description) if task else "",
            _age(task, "started_at", now),
        )
        for worker in workers
        for task in [tasks.get(worker.current_task_id or "")]
    ]


def _age(task: Task | None, since: str, now: datetime) -> float | None:
    moment: datetime | None = getattr(task, since, None)
    return None if moment is None else max(0.0, (now - moment).total_seconds())


def draw(overview: Overview, canvas: Canvas, *, by_queue: bool = False) -> Iterator[str]:
    """Yield lines: queues with bars, then workers; *by_queue*: workers below their queues."""
    name_width = min(WIDEST_NAME, max((len(q.name) for q in overview.queues), default=0))
    name_width = max(name_width, len("Queue"))
    bar_width = max(8, min(WIDEST_BAR, canvas.width - name_width - COUNTS))
    most = max((q.waiting for q in overview.queues), default=0)
    if overview.queues:
        yield f"{'Queue':<{name_width + bar_width + 4}}{'Waiting':>11}{'Running':>9}{'Oldest':>9}"
    else:
        yield "No queues: nothing was enqueued yet."
    for queue in overview.queues:
        bar = _bar(queue.waiting, most, bar_width, canvas)
        oldest = "" if queue.oldest is None else duration(queue.oldest)
        counts = f"{queue.waiting:>11,}{queue.running:>9,}{oldest:>9}"
        yield f"{_fit(queue.name, name_width):<{name_width}}  {bar}  {counts}".rstrip()
        if by_queue:
            serving = [w for w in overview.workers if queue.name in w.queues]
            yield from _worker_lines(serving, canvas, with_queues=False)
            yield "" if serving else "  no worker serves this queue\n"
    if overview.queues and not by_queue:
        yield ""
    yield f"{overview.finished:,} finished, {overview.failed:,} failed tasks are kept"
    yield _head_count(overview.workers)
    if not by_queue:
        yield from _worker_lines(overview.workers, canvas, with_queues=True)


def _head_count(workers: Sequence[WorkerState]) -> str:
    busy = sum(worker.state == BUSY for worker in workers)
    noun = "worker" if len(workers) == 1 else "workers"
    return f"{len(workers):,} {noun}, {busy:,} busy" if workers else "No workers"


def _bar(value: int, most: int, width: int, canvas: Canvas) -> str:
    eighths = -(-value * width * 8 // most) if most else 0
    if not canvas.blocks:
        return ("#" * -(-eighths // 8)).ljust(width)
    whole, rest = divmod(eighths, 8)
    return (EIGHTHS[8] * whole + (EIGHTHS[rest] if rest else "")).ljust(width)


def _worker_lines(
    workers: Sequence[WorkerState], canvas: Canvas, *, with_queues: bool
) -> Iterator[str]:
    name_width = max((len(worker.description) for worker in workers), default=0)
    for worker, before in zip(workers, itertools.chain([None], workers), strict=False):
        took = duration(worker.seconds) if worker.seconds is not None else ""
        start = f"  {worker.description:<{name_width}}  {worker.state:<4}  {took:>6}  "
        queues = ", ".join(worker.queues) if with_queues and not worker.task else ""
        # Neighbours that are idle alike need not all say where.
        repeats = before is not None and not before.task and before.queues == worker.queues
        what = worker.task or ("" if repeats or not queues else f"on {queues}")
        yield _fit(start + what, canvas.width).rstrip()


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."


def duration(seconds: float) -> str:
    """Return a time span in its two largest units: 4s, 2m10s, 3h05m, 4d02h."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole // 60 % 60:02}m"
    return f"{whole // 86400}d{whole // 3600 % 24:02}h"
