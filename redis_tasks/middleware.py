"""Wrap the task's function in the layers that ``settings.MIDDLEWARE`` names.

A middleware is a class, made anew for each task, with one or both of::

    def run_task(self, task, run, args, kwargs):    # call run(*args, **kwargs), or do not
    def process_outcome(self, task, *exc_info):     # true: the failure is a success after all

The first in the setting is the outermost. ``process_outcome`` is called from the innermost
outwards, for every run that ends with another outcome than a requeue, with ``(None, None, None)``
after a success; what it raises is the outcome from then on. Where the function could not be
called at all, it is told so, but what it returns or raises changes nothing.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

from redis_tasks.conf import settings
from redis_tasks.dotted import import_attribute
from redis_tasks.exceptions import SettingsError

Layer = Any
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
SUCCESS: ExcInfo = (None, None, None)

logger = logging.getLogger("redis_tasks.task")


def load() -> list[Callable[[], Layer]]:
    """Import the classes of the setting and try whether each can be made.

    Raises ``SettingsError`` with one line for each that cannot.
    """
    classes, errors = [], []
    for path in settings.MIDDLEWARE:
        try:
            made = import_attribute(path)
            made()
        except (Exception, SystemExit) as error:  # the user's code
            errors.append(f"MIDDLEWARE: {path} cannot be used: {type(error).__name__}: {error}")
        else:
            classes.append(made)
    if errors:
        raise SettingsError(errors)
    return classes


def wrap(call: Callable[..., None], layers: Sequence[Layer], task: Any) -> Callable[..., None]:
    """Return *call* inside all layers, the first one outermost."""
    for layer in reversed(layers):
        if hasattr(layer, "run_task"):
            call = partial(_pass_through, layer.run_task, task, call)
    return call


def _pass_through(
    run_task: Callable[..., None], task: Any, run: Callable[..., None], *args: Any, **kwargs: Any
) -> None:
    run_task(task, run, args, kwargs)


def process(layers: Sequence[Layer], task: Any, outcome: ExcInfo) -> ExcInfo:
    """Let each layer see the outcome, and change it, from the innermost outwards."""
    for layer in reversed(layers):
        if hasattr(layer, "process_outcome"):
            try:
                if layer.process_outcome(task, *outcome):
                    outcome = SUCCESS
            except BaseException:  # the user's code, which may call sys.exit()
                outcome = sys.exc_info()
    return outcome


def report(layers: Sequence[Layer], task: Any, outcome: ExcInfo) -> None:
    """Let each layer see an outcome that stands, from the innermost outwards."""
    for layer in reversed(layers):
        if hasattr(layer, "process_outcome"):
            try:
                layer.process_outcome(task, *outcome)
            except BaseException as error:
                _warn(task, type(layer), error)


def made(make: Callable[[], Layer], task: Any) -> Layer | None:
    """Return a layer for a report; None, and a line in the log, where it cannot be made."""
    try:
        return make()
    except BaseException as error:
        _warn(task, make, error)
        return None


def _warn(task: Any, make: Callable[[], Layer], error: BaseException) -> None:
    logger.warning(
        "Task %s [%s] was not reported by %s: %s",
        task.func_name,
        task.id,
        getattr(make, "__name__", repr(make)),
        task.redact("".join(traceback.format_exception_only(error)).strip()),
        extra={"task_id": task.id, "func": task.func_name, "queue": task.origin},
    )
