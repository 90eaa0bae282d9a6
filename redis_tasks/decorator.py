"""Mark the functions that may run as tasks."""

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

ATTRIBUTE = "_redis_task_options"


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What the decorator was given; *timeout* None: ``DEFAULT_TASK_TIMEOUT`` at enqueue."""

    reentrant: bool = False
    timeout: float | None = None
    secret_args: tuple[str, ...] = ()


UNMARKED = TaskOptions()


def redis_task(
    reentrant: bool = False,  # noqa: FBT001, FBT002 -- the decorator's name says whose it is
    timeout: float | None = None,
    secret_args: Iterable[str] = (),
) -> Callable[[F], F]:
    """Allow a function to run as a task; the function itself stays as it is.

    A *reentrant* task is started again after an interruption; another one is started at most
    once. A run that takes longer than *timeout* seconds is killed. Arguments for the parameters
    *secret_args* are shown to nobody: ``[redacted]`` stands in descriptions, log lines, errors.
    """
    if callable(reentrant):
        raise TypeError("@redis_task needs parentheses: write @redis_task()")
    if not isinstance(reentrant, bool):
        raise TypeError(f"reentrant must be True or False, not {reentrant!r:.100}")
    options = TaskOptions(reentrant, _checked_timeout(timeout), _checked_names(secret_args))

    def mark(function: F) -> F:
        _check_function(function, options.secret_args)
        try:
            setattr(function, ATTRIBUTE, options)
        except (AttributeError, TypeError):
            raise TypeError(
                f"@redis_task() cannot mark {function!r:.100}: write a function that calls it"
            ) from None
        return function

    return mark


def options_of(function: object) -> TaskOptions:
    """Return what a function was marked with, the defaults if it was not."""
    options = getattr(function, ATTRIBUTE, None)
    return options if isinstance(options, TaskOptions) else UNMARKED


def is_marked(function: object) -> bool:
    return isinstance(getattr(function, ATTRIBUTE, None), TaskOptions)


def _checked_timeout(timeout: object) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r:.100}")
    if not (timeout > 0 and math.isfinite(timeout)):
        raise ValueError(f"timeout must be above 0 seconds, not {timeout!r}")
    return timeout


def _checked_names(names: object) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"secret_args must be a list of parameter names, not {names!r:.100}")
    checked = tuple(names)
    if not all(isinstance(name, str) for name in checked):
        raise TypeError(f"secret_args must be a list of parameter names, not {names!r:.100}")
    return checked


def _check_function(function: object, secret_args: tuple[str, ...]) -> None:
    if isinstance(function, (staticmethod, classmethod)):
        kind = type(function).__name__
        raise TypeError(f"@redis_task() belongs below @{kind}, next to the function")
    if not callable(function):
        raise TypeError(f"@redis_task() marks functions, not {function!r:.100}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"@redis_task() cannot mark {function!r:.100}:"
            " calling a generator function runs none of its body"
        )
    if not secret_args:
        return
    parameters = inspect.signature(function).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    unknown = [name for name in secret_args if name not in parameters and not takes_any]
    if unknown:
        raise ValueError(
            f"secret_args names {unknown[0]!r}, which {function!r:.100} does not take"
        )
