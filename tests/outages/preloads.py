"""Preload functions of workers in these tests."""

import errno
import os
import resource
import threading
from collections.abc import Callable

_really_fork: Callable[[], int] = os.fork


def let_forks_fail() -> None:
    """Have forks fail; RT_FORK_FAILURES tells which, counted from 1: "2 3"."""
    failing = {int(word) for word in os.environ["RT_FORK_FAILURES"].split()}
    calls = 0

    def fork() -> int:
        nonlocal calls
        calls += 1
        if calls in failing:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return _really_fork()

    os.fork = fork


def limit_descriptors() -> None:
    """Leave room for fewer workhorses than the test asks for."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))


def start_a_thread() -> None:
    """Leave a thread running, as a metrics library might."""
    threading.Thread(target=threading.Event().wait, name="metrics", daemon=True).start()


def fail() -> None:
    raise RuntimeError("the database is away")


def start_a_thread_that_never_ends() -> None:
    threading.Thread(target=threading.Event().wait, name="forever").start()
