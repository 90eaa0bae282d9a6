"""Hold what integrations have registered, for the library to call at its own moments.

Without an integration nothing is registered, and each moment costs one comparison.
"""

from collections.abc import Callable

# Asked at an enqueue with what sends it and with ``on_commit``: true if it will be called later.
hold: Callable[[Callable[[], None], bool | str], bool] | None = None

# Called with a queue's name when tasks were put into it.
enqueued: Callable[[str], None] | None = None

# Called in the supervisor before workhorses are forked, one or several in a row; may not raise.
before_fork: list[Callable[[], None]] = []


def deliver(send: Callable[[], None], on_commit: bool | str) -> None:  # noqa: FBT001 -- passed on
    """Call *send* now, or leave it to the integration that knows the caller's transaction."""
    if hold is None:
        if isinstance(on_commit, str):
            raise ValueError(
                f"on_commit={on_commit!r} names a database, but no integration knows any:"
                " add redis_tasks.contrib.django to INSTALLED_APPS, or leave it out"
            )
        send()
    elif on_commit is False or not hold(send, on_commit):
        send()
