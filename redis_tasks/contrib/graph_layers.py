"""Arrange the nodes of a graph in layers.

Nodes are numbered from 1, a dependency is a pair (before, after) of numbers.
"""

from collections import deque
from collections.abc import Collection

Pairs = Collection[tuple[int, int]]


def successors(count: int, pairs: Pairs) -> list[list[int]]:
    """Return for each number, 0 included, which come right after it."""
    after: list[list[int]] = [[] for _ in range(count + 1)]
    for first, second in sorted(pairs):
        after[first].append(second)
    return after


def open_counts(count: int, pairs: Pairs) -> list[int]:
    """Return for each number, 0 included, how many come right before it."""
    before = [0] * (count + 1)
    for _, second in pairs:
        before[second] += 1
    return before


def order(count: int, pairs: Pairs) -> tuple[list[int], list[int]]:
    """Return the numbers with every one after its predecessors, then for each number its layer.

    The layer is the length of the longest way to it. Those in a circle, or behind one, are left
    out of the order; their layer is -1.
    """
    after, before = successors(count, pairs), open_counts(count, pairs)
    layers = [-1] * (count + 1)
    ready = deque(number for number in range(1, count + 1) if not before[number])
    for number in ready:
        layers[number] = 0
    ordered = []
    while ready:
        number = ready.popleft()
        ordered.append(number)
        for later in after[number]:
            before[later] -= 1
            if not before[later]:
                layers[later] = layers[number] + 1
                ready.append(later)
    return ordered, layers


def find_circle(count: int, pairs: Pairs) -> list[int]:
    """Return numbers that depend on one another all around, the first one again at the end.

    Empty if there is no circle.
    """
    _, layers = order(count, pairs)
    left = {number for number in range(1, count + 1) if layers[number] < 0}
    if not left:
        return []
    # Each of these has a predecessor among them: going back must meet one for a second time.
    before = {second: first for first, second in pairs if first in left and second in left}
    way: dict[int, int] = {}
    number = min(left)
    while number not in way:
        way[number] = len(way)
        number = before[number]
    return [number, *reversed(list(way)[way[number] :])]
