"""Pass lists of byte strings through a stream socket, each list in one piece.

A frame is an array of bulk strings of the Redis protocol: hiredis, which is there anyway, writes
and reads it many times faster than Python could.
"""

from collections.abc import Callable, Iterator
from typing import Any

import hiredis

# hiredis declares a tuple of one item; it takes any number.
pack_command: Callable[[tuple[bytes | str | float, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]
MALFORMED = (hiredis.ProtocolError, hiredis.ReplyError)


def pack(*parts: bytes) -> bytes:
    return pack_command(parts)


class Unpacker:
    """Collects what arrives and gives out the frames that are complete."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()

    def feed(self, data: bytes) -> Iterator[list[bytes]]:
        """Yield each frame that *data* completes. Raises one of ``MALFORMED``."""
        self._reader.feed(data)
        while (frame := self._reader.gets()) is not False:
            yield _checked(frame)


def _checked(frame: Any) -> list[bytes]:
    if not isinstance(frame, list) or not frame:
        raise hiredis.ProtocolError("A frame is a list that is not empty")
    return frame
