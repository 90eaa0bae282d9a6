"""Let integrations see what is enqueued, for instance to send the caller's trace along.

Without an integration nothing is registered, and an enqueue costs one comparison more.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

LONGEST = 2048  # characters of a header; it stays in Redis for as long as its task

Publisher = Callable[[str, Sequence[Any]], AbstractContextManager[object]]

publishers: list[Publisher] = []
"""Called with a queue's name and new tasks; what they return is entered while these are sent."""

_NOTHING = nullcontext()


def around(queue: str, tasks: Sequence[Any]) -> AbstractContextManager[object]:
    """Return what sending these tasks happens in."""
    return _entered(queue, tasks) if publishers else _NOTHING


@contextmanager
def _entered(queue: str, tasks: Sequence[Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for publisher in publishers:
            stack.enter_context(publisher(queue, tasks))
        yield


def attach(headers: dict[str, str], tasks: Sequence[Any]) -> None:
    """Send headers along with tasks; several integrations may add to ``baggage``."""
    for task in tasks:
        for name, value in headers.items():
            before = task.headers.get(name) if name == "baggage" else None
            together = f"{before},{value}" if before else value
            if len(together) <= LONGEST:
                task.headers[name] = together
