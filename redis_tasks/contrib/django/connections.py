"""Close database connections around tasks."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from django.db import connections, reset_queries
from django.db.utils import Error


class DatabaseConnections:
    """Middleware that treats a task's connections as Django treats those of a request.

    They are closed when the task ends, or kept up to ``CONN_MAX_AGE``. What a failed or
    interrupted task leaves behind is never kept: nobody knows in which state it is.
    """

    def __init__(self) -> None:
        self._not_ours: set[str] = set()

    def run_task(
        self,
        task: object,  # noqa: ARG002 -- every middleware is given it
        run: Callable[..., None],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        # A test case may have begun a transaction around the worker that it runs.
        self._not_ours = {c.alias for c in _initialized() if c.in_atomic_block}
        reset_queries()
        self._let_go()
        failed = True
        try:
            run(*args, **kwargs)
            failed = False
        finally:
            self._let_go(broken=failed)

    def process_outcome(self, task: object, *exc_info: object) -> bool:  # noqa: ARG002 -- same
        """Close what other middleware has opened since; the outcome stays as it is."""
        self._let_go()
        return False

    def _let_go(self, *, broken: bool = False) -> None:
        for connection in _initialized():
            if connection.alias in self._not_ours:
                continue
            # Interrupted as it was entered, a block was never left: it would swallow the next
            # task's writes.
            is_stuck = connection.in_atomic_block
            with suppress(Error):
                if broken or is_stuck:
                    connection.close()
                else:
                    connection.close_if_unusable_or_obsolete()
            if is_stuck:
                del connections[connection.alias]


def close_all() -> None:
    """Close all connections and pools of this thread, before a fork could share them."""
    for connection in _initialized():
        with suppress(Error):
            connection.close()
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            close_pool()


def _initialized() -> list[Any]:
    return list(connections.all(initialized_only=True))
