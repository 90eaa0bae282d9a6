"""Calls of scripts in the fewest words: queue "q", supervisor "s" with the workers "s#1", ..."""

from typing import Any

from redis_tasks import keys
from redis_tasks.conf import connection
from redis_tasks.registries import TaskRegistry
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Claimed, NewTask, Settled, Settlement


def register() -> None:
    client.run(scripts.register("s", "web.1", ["q"], 2))


def new_task(id_: str, *, reentrant: bool = True, again: bool = False, **more: Any) -> NewTask:
    return NewTask(id_, "m.f", more.get("arguments", b"[[],{}]"), reentrant, 60, again=again)


def enqueue(*ids: str, at_front: bool = False, **more: Any) -> tuple[str, ...]:
    tasks = [new_task(id_, **more) for id_ in ids]
    return client.run(scripts.enqueue("q", tasks, at_front=at_front)).words


def claim(request: int, workers: int = 1, queues: tuple[str, ...] = ("q",)) -> list[Claimed]:
    worker_ids = [f"s#{number + 1}" for number in range(workers)]
    claimed = client.run(scripts.claim("s", request, queues, worker_ids))
    assert claimed is not None
    return claimed


def start(id_: str, **more: Any) -> None:
    enqueue(id_, **more)
    assert [each.task_id for each in claim(1)] == [id_]


def settle(id_: str, move: str, run: int = 1, reason: str = "why") -> Settled:
    return client.run(scripts.settle([Settlement(id_, "s#1", run, move, reason, "text")]))[0]


def field(id_: str, name: str) -> str:
    value = connection.hget(keys.task(id_), name)
    return "" if value is None else str(value.decode())


def tokens() -> int:
    return int(connection.llen(keys.wake("q")))


def waiting() -> list[str]:
    return [id_.decode() for id_ in connection.zrange(keys.queue("q"), 0, -1)]


def redis_now() -> int:
    """Return the server's moment (ms)."""
    seconds, microseconds = connection.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def totals() -> dict[str, int]:
    found = {
        name.decode(): int(value) for name, value in connection.hgetall(keys.totals()).items()
    }
    return {name: found.get(name, 0) for name in (keys.FINISHED, keys.FAILED)}


def kept(registry: str) -> list[str]:
    return TaskRegistry(registry).get_task_ids()
