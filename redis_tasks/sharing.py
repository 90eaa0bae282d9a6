"""Divide tasks among workhorses by how long they will take."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from redis_tasks.page import LINES

SHORT = 0.0005  # seconds that a task may take which is given to a workhorse with others
TOGETHER = 0.001  # seconds that the tasks may take which a workhorse is given together

SLOWEST: Final = 0.01  # seconds; how much longer a task took does not matter
WEIGHT = 1 / 8  # of the last task in the mean
FUNCTIONS = 256  # whose pace is remembered


class Pace:
    """The mean time of each function's tasks in this worker, the last ones weighing most."""

    def __init__(self) -> None:
        self._means: OrderedDict[str, float] = OrderedDict()

    def note(self, func_name: str, seconds: float) -> None:
        took = min(max(0.0, seconds), SLOWEST)
        mean = self._means.get(func_name, took)
        self._means[func_name] = mean + (took - mean) * WEIGHT
        self._means.move_to_end(func_name)
        if len(self._means) > FUNCTIONS:
            self._means.popitem(last=False)

    def expected(self, func_name: str) -> float:
        """Return how many seconds a task will take; ``SLOWEST`` for an unknown function."""
        return self._means.get(func_name, SLOWEST)


def divide(expected: Sequence[float], processors: int) -> list[list[int]]:
    """Put together the numbers of the tasks that one workhorse is to do, in their order.

    *expected*: seconds for each task; *processors* have nothing to do just now. What takes its
    time is alone; the others are divided evenly, so that each processor has its share. The groups
    are in the order of their first tasks.
    """
    groups = [[number] for number, seconds in enumerate(expected) if seconds > SHORT]
    short = [(number, seconds) for number, seconds in enumerate(expected) if seconds <= SHORT]
    share = sum(seconds for _, seconds in short) / max(1, processors - len(groups))
    left = -1.0
    for number, seconds in short:
        if left < seconds / 2 or len(groups[-1]) == LINES:
            groups.append([])
            left = min(TOGETHER, share)
        groups[-1].append(number)
        left -= seconds
    return sorted(groups)
