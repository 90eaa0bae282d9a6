"""Share one page of memory with a workhorse: how far its task has got.

The workhorse writes, the supervisor reads. What stands here stays readable when the workhorse
is dead: that is how the supervisor knows whether the task's function had begun.
"""

import mmap
import struct

IDLE, PREPARING, STARTED, RETURNED = 0, 1, 2, 3

_PHASE, _INTERRUPTION = 0, 1
_LENGTH = struct.Struct("=H")
_MOMENT = struct.Struct("=d")
_STARTED_AT, _RETURNED_AT, _LENGTH_AT, _TEXT_AT = 8, 16, 24, 26


class Page:
    """The page of one workhorse. Moments are in seconds of ``clock.boottime()``."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def clear(self) -> None:
        """Forget the task before; only while the workhorse has none."""
        self._memory[_PHASE] = IDLE
        self._memory[_INTERRUPTION] = 0
        _LENGTH.pack_into(self._memory, _LENGTH_AT, 0)

    @property
    def phase(self) -> int:
        return self._memory[_PHASE]

    def preparing(self) -> None:
        self._memory[_PHASE] = PREPARING

    def started(self, now: float) -> None:
        _MOMENT.pack_into(self._memory, _STARTED_AT, now)
        self._memory[_PHASE] = STARTED

    def returned(self, now: float) -> None:
        _MOMENT.pack_into(self._memory, _RETURNED_AT, now)
        self._memory[_PHASE] = RETURNED

    @property
    def started_at(self) -> float:
        return float(_MOMENT.unpack_from(self._memory, _STARTED_AT)[0])

    @property
    def returned_at(self) -> float:
        return float(_MOMENT.unpack_from(self._memory, _RETURNED_AT)[0])

    @property
    def interruption(self) -> int:
        """``shutdown.NOTHING``, ``POSTPONED`` or ``RAISED``."""
        return self._memory[_INTERRUPTION]

    @interruption.setter
    def interruption(self, state: int) -> None:
        self._memory[_INTERRUPTION] = state

    @property
    def description(self) -> str:
        """The call in words, for the log; empty if the workhorse did not get that far."""
        (length,) = _LENGTH.unpack_from(self._memory, _LENGTH_AT)
        return self._memory[_TEXT_AT : _TEXT_AT + length].decode(errors="replace")

    @description.setter
    def description(self, text: str) -> None:
        raw = text.encode(errors="backslashreplace")[: mmap.PAGESIZE - _TEXT_AT]
        self._memory[_TEXT_AT : _TEXT_AT + len(raw)] = raw
        _LENGTH.pack_into(self._memory, _LENGTH_AT, len(raw))

    def close(self) -> None:
        self._memory.close()
