"""An app that takes 50 MB: what the modules of a large one are in memory, many small objects.

Its tasks are among what is preloaded.
"""

from typing import Any

from benchmarks import tasks

__all__ = ["load", "tasks"]

MB = 50
OBJECTS_A_MB = 2_650  # measured: such a dict with what it holds takes about 390 bytes

_held: list[Any] = []


def load() -> None:
    """Be the preload function."""
    _held.extend(
        {"name": f"name {number}", "values": [number + 1000], "of": (number,)}
        for number in range(MB * OBJECTS_A_MB)
    )
