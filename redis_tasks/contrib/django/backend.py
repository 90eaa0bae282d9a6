"""Run the tasks of Django's own framework (``django.tasks``) by redis_tasks."""

import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from inspect import iscoroutinefunction, signature
from typing import Any, Self, cast

from django.utils import timezone

try:
    from django.tasks import signals
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
except ImportError:  # Django 5 has the same as a package of its own
    from django_tasks import signals
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus

from redis_tasks import decorator, hooks
from redis_tasks.exceptions import WorkerShutdown
from redis_tasks.queue import Queue
from redis_tasks.task import Task as Record
from redis_tasks.task import get_current_task


class RedisTask(Task):
    """A task of Django's that a worker of ours finds by its import path, then calls.

    Below ``@task``, ``@redis_task(reentrant=True)`` says of the function what only we know.
    """

    def __new__(cls, **fields: Any) -> Self:
        is_async = iscoroutinefunction(fields.get("func"))
        return cast("Self", object.__new__(AsyncRedisTask if is_async else cls))

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        its = signature(self.func)
        parameters = list(its.parameters.values())[1 if self.takes_context else 0 :]
        # The class is frozen, but not these: by them an object passes for the function.
        self.__dict__.update(
            {
                "__module__": self.func.__module__,
                "__qualname__": self.func.__qualname__,
                "__signature__": its.replace(parameters=parameters),
                decorator.ATTRIBUTE: decorator.options_of(self.func),
            }
        )

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        run = Run(self, args, kwargs)
        try:
            self.func(*run.arguments, **kwargs)
        except BaseException as error:
            if not run.has_secrets:
                run.failed(error)
                raise
            failure = error
        else:
            run.succeeded()
            return
        # Not while it is handled: Django logs that exception, whatever it quotes.
        run.failed(failure)
        raise failure


class AsyncRedisTask(RedisTask):
    """The same for a coroutine function; it is interrupted by cancelling it."""

    async def __call__(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        run = Run(self, args, kwargs)
        try:
            await self.func(*run.arguments, **kwargs)
        except Exception as error:
            if not run.has_secrets:
                run.failed(error)
                raise
            failure = error
        else:
            run.succeeded()
            return
        run.failed(failure)
        raise failure


class Run:
    """One run in the terms of Django's framework: its signals, the context that a task takes."""

    def __init__(self, task: RedisTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._record = record = get_current_task()
        self.has_secrets = record is not None and record.has_secrets
        self.result = _result(task, args, kwargs, "" if record is None else record.id)
        now = timezone.now()
        self._set(status=TaskResultStatus.RUNNING, started_at=now, last_attempted_at=now)
        if record is not None:
            self._set(enqueued_at=record.enqueued_at)
            self.result.worker_ids.extend([record.worker_id or ""] * max(1, record.attempt))
        context = [TaskContext(task_result=self.result)] if task.takes_context else []
        self.arguments = [*context, *args]
        signals.task_started.send(RedisTasksBackend, task_result=self.result)

    def succeeded(self) -> None:
        self._finish(TaskResultStatus.SUCCESSFUL)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, WorkerShutdown):
            return  # it is not over: only this run is
        kind = type(error)
        path = f"{kind.__module__}.{kind.__qualname__}"
        text = "".join(traceback.format_exception(error))
        if self._record is not None:
            text = self._record.redact(text)
        self.result.errors.append(TaskError(exception_class_path=path, traceback=text))
        self._finish(TaskResultStatus.FAILED)

    def _finish(self, status: TaskResultStatus) -> None:
        self._set(status=status, finished_at=timezone.now())
        signals.task_finished.send(RedisTasksBackend, task_result=self.result)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self.result, name, value)


class RedisTasksBackend(BaseTaskBackend):
    """Puts tasks into the queue of their name; name it as ``BACKEND`` in the setting ``TASKS``.

    Results are not stored, so they cannot be retrieved. ``OPTIONS["on_commit"]``: see
    ``Queue.enqueue_call()``.
    """

    task_class = RedisTask
    supports_async_task = True
    supports_defer = False
    supports_get_result = False
    supports_priority = False

    def enqueue(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        """Enqueue it, in a transaction when that has committed; until then it is nowhere.

        Raises what ``Queue.enqueue_call()`` raises.
        """
        self.validate_task(task)
        # Made first: it brings the arguments into the form that they have after JSON.
        result = _result(task, args, kwargs)
        record = Record(task.module_path, result.args, result.kwargs)
        object.__setattr__(result, "id", record.id)
        send = partial(self._send, record, result)
        hooks.deliver(send, self.options.get("on_commit", True))
        return result

    def _send(self, record: Record, result: TaskResult) -> None:
        Queue(result.task.queue_name).push(record, on_commit=False)
        object.__setattr__(result, "enqueued_at", record.enqueued_at)
        signals.task_enqueued.send(type(self), task_result=result)


def _result(
    task: Task, args: Sequence[Any], kwargs: Mapping[str, Any], task_id: str = ""
) -> TaskResult:
    return TaskResult(
        task=task,
        id=task_id,
        status=TaskResultStatus.READY,
        enqueued_at=None,
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
        args=args,
        kwargs=kwargs,
        backend=task.backend,
        errors=[],
        worker_ids=[],
    )
