"""Run one task in this process, from its record to its outcome."""

import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from redis_tasks import allowlist, lifecycle, middleware, shutdown
from redis_tasks.exceptions import DeserializationError, TaskAborted, WorkerShutdown
from redis_tasks.lifecycle import TaskOutcome
from redis_tasks.middleware import ExcInfo, Layer
from redis_tasks.task import Running, Task

OURS = {module.__file__ for module in (middleware, shutdown)} | {__file__}


class NotBegun(BaseException):
    """The run was called off before the task's function began."""


class Watch(Protocol):
    """Who is told how far the task has got."""

    def begin(self) -> None:
        """Take note that the function is called next; raise ``NotBegun`` to call the run off."""

    def returned(self, outcome: TaskOutcome) -> None:
        """Take note that the function ended so, unless middleware changes it."""


class FunctionCall:
    """The innermost layer: the task's function itself."""

    def __init__(self, function: Callable[..., Any], task: Task, watch: Watch) -> None:
        self.function = function
        self.task = task
        self.watch = watch
        self.begun = self.called_off = False
        self.interrupted_by: BaseException | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        try:
            self.watch.begin()
        except NotBegun:
            if self.begun:  # middleware calls it once more: it can no longer be put back as new
                self.interrupted_by = WorkerShutdown()
                raise self.interrupted_by from None
            self.called_off = True
            raise
        self.begun = True
        try:
            shutdown.call(self.function, args, kwargs)
        except BaseException as error:
            if isinstance(error, WorkerShutdown) or shutdown.state.happened:
                self.interrupted_by = error
            self.watch.returned(self._outcome(sys.exc_info()))
            raise
        self.watch.returned(TaskOutcome.success())

    def _outcome(self, outcome: ExcInfo) -> TaskOutcome:
        if self.interrupted_by is None:
            return _failure(self.task, outcome)
        if self.task.is_reentrant:
            return TaskOutcome.requeue()
        return _failure(self.task, aborted(self.interrupted_by))


def execute(task: Task, classes: Sequence[Callable[[], Layer]], watch: Watch) -> TaskOutcome:
    """Import, decode, call through all middleware; tell how it went, whatever happened.

    Only an exception of the process itself, such as ``NotBegun``, passes through.
    """
    with Running(task):
        layers: list[Layer] = []
        try:
            for make in classes:
                layers.append(make())  # noqa: PERF401 -- those made hear of the one that fails
            call = _prepare(task, watch)
        except BaseException as error:  # importing runs the user's code
            if shutdown.state.asked:
                raise NotBegun from error
            outcome = sys.exc_info()
            middleware.report(layers, task, outcome)
            return _failure(task, outcome, _reason(error))
        return _call(call, layers, task)


def _call(call: FunctionCall, layers: Sequence[Layer], task: Task) -> TaskOutcome:
    outcome = middleware.SUCCESS
    try:
        middleware.wrap(call, layers, task)(*task.args, **task.kwargs)
    except BaseException:  # the user's code: sys.exit() ends the task, not the worker
        outcome = sys.exc_info()
    # Middleware that failed before the function has perhaps lost a child to the same signal.
    failed_early = outcome[0] is not None and not call.begun
    if call.called_off or (failed_early and shutdown.state.asked):
        raise NotBegun
    if call.interrupted_by is not None:
        if task.is_reentrant:
            return TaskOutcome.requeue()
        outcome = aborted(call.interrupted_by)
    outcome = middleware.process(layers, task, outcome)
    return TaskOutcome.success() if outcome[0] is None else _failure(task, outcome)


def report(task: Task, classes: Sequence[Callable[[], Layer]]) -> None:
    """Let middleware hear that a run of *task* was killed, as its record says."""
    error = TaskAborted(task.error_message or "")
    with Running(task):
        layers = [layer for make in classes if (layer := middleware.made(make, task)) is not None]
        middleware.report(layers, task, (TaskAborted, error, None))


def _prepare(task: Task, watch: Watch) -> FunctionCall:
    call = FunctionCall(allowlist.load(task.func_name), task, watch)
    try:
        _ = task.args  # fails here, where it is known why
    except DeserializationError as error:
        if task.has_secrets:  # the error may quote them
            why = "the arguments cannot be read; some are secret, so that no more is told"
            raise DeserializationError(why, error.raw_data) from None
        raise
    return call


def _reason(error: BaseException) -> str:
    reasons = {
        allowlist.NotAllowed: lifecycle.NOT_ALLOWED,
        allowlist.Unimportable: lifecycle.UNIMPORTABLE,
        DeserializationError: lifecycle.UNDECODABLE,
    }
    return reasons.get(type(error), lifecycle.EXCEPTION)


def aborted(cause: BaseException) -> ExcInfo:
    """Return the exception that stands for an interruption, as ``sys.exc_info()`` does."""
    error = TaskAborted("Worker shutdown: the task was interrupted, and it is not reentrant")
    if not isinstance(cause, WorkerShutdown):
        error.__cause__ = cause  # what the function made of it
    return TaskAborted, error, cause.__traceback__


def _failure(task: Task, outcome: ExcInfo, reason: str = lifecycle.EXCEPTION) -> TaskOutcome:
    if isinstance(outcome[1], TaskAborted):
        reason = lifecycle.INTERRUPTED
    # Before it is cut: half of a secret would not be found.
    return TaskOutcome.failure(task.redact(error_text(outcome)), reason)


def error_text(outcome: ExcInfo) -> str:
    """Format a traceback without our own frames and without local variables."""
    kind, error, trace = outcome
    if kind is None or error is None:
        return ""
    told = traceback.TracebackException(kind, error, trace)
    part: traceback.TracebackException | None = told
    while part is not None:
        users = [frame for frame in part.stack if frame.filename not in OURS]
        part.stack = traceback.StackSummary.from_list(users)
        part = part.__cause__ or part.__context__
    return "".join(told.format())
