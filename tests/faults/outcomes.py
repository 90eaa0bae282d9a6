"""Tell what has become of a task."""

from redis_tasks import Task
from tests.support.waiting import wait_until

State = tuple[str | None, str | None]


def state(task: Task) -> State:
    """Return its status now, with the reason if it has failed."""
    task.refresh()
    return task.status, task.failure_reason


def becomes(task: Task, *statuses: str) -> State:
    """Return its state as soon as it has one of these statuses."""
    wait_until(
        lambda: state(task)[0] in statuses,
        message=lambda: f"{task} is not {' or '.join(statuses)}",
    )
    return task.status, task.failure_reason


def over(task: Task) -> State:
    """Return how it ended, once it has."""
    return becomes(task, "finished", "failed")
