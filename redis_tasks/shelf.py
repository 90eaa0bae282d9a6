"""Lay tasks out for a workhorse, each of which either it takes or its supervisor takes back.

A datagram for each task, on a socket whose reading end both processes hold: the system gives each
of them to one reader, whole, whatever becomes of the other.
"""

import contextlib
import socket

LARGEST = 2048  # bytes of a task: a larger one is not laid out (macOS takes no more at once)


class Shelf:
    """The tasks that one workhorse comes to after the one it was given."""

    def __init__(self) -> None:
        self._laying, self._taking = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._laying.setblocking(False)

    def lay(self, task: bytes) -> bool:
        """Lay out one more task; false if there is no room for it."""
        if len(task) > LARGEST:
            return False
        try:
            self._laying.send(task)
        except OSError:
            return False
        return True

    def take(self) -> bytes | None:
        """Take the first of those that are left, None if there is none."""
        with contextlib.suppress(BlockingIOError):
            # Asked for each time: whoever has the reading end may change what holds for all.
            return self._taking.recv(LARGEST, socket.MSG_DONTWAIT) or None
        return None

    def only_take(self) -> None:
        """Let go of what only the supervisor uses, in a workhorse."""
        self._laying.close()

    def close(self) -> None:
        self._laying.close()
        self._taking.close()
