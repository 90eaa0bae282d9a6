"""Let a test stop a process at a named moment.

In production nobody observes and ``reached()`` does nothing. A test's preload function sets
``observer``, which then is called with the name of each moment as it comes, in the supervisor
and (inherited through fork) in its workhorses.

==================  ==========  ================================================================
name                process     moment
==================  ==========  ================================================================
``after_ready``     workhorse   has said that it waits for a task
``before_started``  workhorse   middleware has begun, the task's function is next
``before_outcome``  workhorse   the outcome is known here, not yet to the supervisor
``after_outcome``   workhorse   what was known of outcomes is on its way to the supervisor
``after_claim``     supervisor  tasks were claimed, no workhorse has them yet
``before_ack``      supervisor  runs have ended, Redis is about to be told
==================  ==========  ================================================================
"""

from collections.abc import Callable

observer: Callable[[str], None] | None = None


def reached(name: str) -> None:
    """Tell the observer, if there is one, that the process is at the moment *name*."""
    if observer is not None:
        observer(name)
