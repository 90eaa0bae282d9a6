"""Interrupt the task's function, nothing else.

``PostponeShutdown`` is the part for users. The rest is used inside a workhorse: ``interrupt`` is
its signal handler, and it calls the task's function through ``call``.

Where the interruption is raised is exact: the handler looks at the stack of the frame it
interrupted. Only if the function that ``call`` called is on it, ``WorkerShutdown`` is raised; a
function that has returned has succeeded, whatever comes a microsecond later.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable
from types import FrameType, FunctionType, TracebackType
from typing import Any, Self

from redis_tasks.exceptions import WorkerShutdown

NOTHING, POSTPONED, RAISED = 0, 1, 2


class Interruption:
    """The state of the one task that this process runs."""

    def __init__(self) -> None:
        self.stopping = False  # some signal has come: nothing is begun that others can do
        self.forget()

    def forget(self) -> None:
        """Begin a new task: nothing was asked of it, nothing postponed yet."""
        self.report: Callable[[int], None] = lambda _: None
        self.depth = 0
        self.cancel: Callable[[], None] | None = None
        self.requested = False
        self.raised = False
        self.stop_seen = False

    @property
    def asked(self) -> bool:
        """Tell whether what has not begun should not begin any more."""
        return self.requested or self.stop_seen

    @property
    def happened(self) -> bool:
        """Tell whether a failure of the function may be due to a shutdown."""
        return self.raised or self.stop_seen


state = Interruption()


def interrupt(_signum: int, frame: FrameType | None) -> None:
    """Raise ``WorkerShutdown`` in the task's function now, or as soon as it may be.

    This is the signal handler, the only one of the library that raises.
    """
    state.requested = state.stopping = True
    if state.depth:
        state.report(POSTPONED)
    elif not state.raised and _in_function(frame):
        _raise()


def _raise() -> None:
    state.raised = True
    state.report(RAISED)
    if state.cancel is None:
        raise WorkerShutdown
    state.cancel()


def _in_function(frame: FrameType | None) -> bool:
    above = frame
    while above is not None:
        if above.f_code in _BOUNDARIES:
            return above is not frame
        if above.f_code.co_name == "__del__":
            return False  # what it raises is dropped: the supervisor asks again in a moment
        above = above.f_back
    return False


def call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Call the task's function; while it is on the stack it can be interrupted.

    ``async def`` functions run in an event loop of their own and are interrupted by cancelling
    them. Raises ``WorkerShutdown`` if the function was interrupted and did not return.
    """
    if _is_async(function):
        _call_async(function, args, kwargs)
    elif isinstance(function, FunctionType):
        _call_sync(function, args, kwargs)
    else:
        _call_sync(_with_frame(function), args, kwargs)


def _is_async(function: Callable[..., Any]) -> bool:
    # An object may be called by an async method; the functions that define classes tell nothing.
    return inspect.iscoroutinefunction(function) or (
        not isinstance(function, (FunctionType, type))
        and inspect.iscoroutinefunction(type(function).__call__)
    )


def _call_sync(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    function(*args, **kwargs)


def _with_frame(function: Callable[..., Any]) -> Callable[..., Any]:
    # A function written in C has no frame by which it could be seen on the stack.
    def framed(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return framed


def _call_async(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    async def run() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def cancel() -> None:
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)

        state.cancel = cancel
        try:
            await function(*args, **kwargs)
        finally:
            # It has ended: while the loop is closed there is nothing to interrupt any more.
            state.cancel = _do_nothing

    try:
        with asyncio.Runner() as runner:
            runner.run(run())
    except asyncio.CancelledError as error:
        if state.raised:
            raise WorkerShutdown from error
        raise


def _do_nothing() -> None:
    pass


_BOUNDARIES = (_call_sync.__code__, _call_async.__code__)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class PostponeShutdown:
    """Keep the block from being interrupted by a shutdown of the worker.

    An interruption that comes meanwhile is raised, as ``WorkerShutdown``, when the block ends.
    It is postponed, not prevented: what still runs 5 s before ``SHUTDOWN_TIMEOUT`` is killed.
    May be nested; ``activate()`` and ``deactivate()`` do the same without a ``with``. Only the
    main thread is interrupted, so only there it may be used: elsewhere ``RuntimeError``.
    """

    def activate(self) -> None:
        if not _in_main_thread():
            raise RuntimeError(
                "PostponeShutdown works in the main thread only: other threads are not interrupted"
            )
        state.depth += 1

    def deactivate(self) -> None:
        if not _in_main_thread():
            raise RuntimeError("PostponeShutdown works in the main thread only")
        if state.depth == 0:
            raise RuntimeError("PostponeShutdown.deactivate() without activate() before it")
        _leave()

    def __enter__(self) -> Self:
        self.activate()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.deactivate()


def _leave() -> None:
    state.depth -= 1
    if (
        state.depth == 0
        and state.requested
        and not state.raised
        and _in_function(inspect.currentframe())
    ):
        _raise()


class Deferred:
    """The same for a few lines of the library's own; does nothing in other threads."""

    def __enter__(self) -> None:
        self.active = _in_main_thread()
        if self.active:
            state.depth += 1

    def __exit__(self, *exc_info: object) -> None:
        if self.active:
            _leave()
