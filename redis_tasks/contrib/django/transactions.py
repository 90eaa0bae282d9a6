"""Hold back what is enqueued inside of a transaction until that has committed."""

from collections.abc import Callable
from functools import partial

from django.db import connections


def hold(send: Callable[[], None], on_commit: bool | str) -> bool:  # noqa: FBT001 -- a hook's form
    """Leave *send* to the commit of the transactions that are open; false if none is.

    It is called once all of them have committed; if one is rolled back, or the savepoint in which
    this was called, it is never called. With the name of a database only that one counts.
    """
    if isinstance(on_commit, str):
        asked = [connections[on_commit]]
    else:
        asked = connections.all(initialized_only=True)
    waited_for = [connection for connection in asked if connection.in_atomic_block]
    left = {connection.alias for connection in waited_for}

    def committed(alias: str) -> None:
        was_last = left == {alias}  # a test may run a hook that runs again at the commit
        left.discard(alias)
        if was_last:
            send()

    for connection in waited_for:
        connection.on_commit(partial(committed, connection.alias))
    return bool(waited_for)
