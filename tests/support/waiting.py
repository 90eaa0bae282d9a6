"""Waits for a condition: the one place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], timeout: float = 10.0, message: str | Callable[[], str] = ""
) -> T:
    """Return the first true value of *condition*; fail the test after *timeout* seconds.

    A callable *message* is asked only then, so that it can tell what was there instead.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            said = message() if callable(message) else message
            raise AssertionError(f"not within {timeout:g} s: {said or condition}")
        time.sleep(0.01)
