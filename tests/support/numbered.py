"""Tasks that a test tells apart by a number."""

from redis_tasks import Queue, Task
from tests.support.actions import act


def numbers(tasks: list[Task]) -> list[int]:
    return [task.args[0] for task in tasks]


def enqueue_numbers(count: int, queue: str = "default") -> list[Task]:
    return Queue(queue).enqueue_many([{"func": act, "args": [i]} for i in range(count)])
