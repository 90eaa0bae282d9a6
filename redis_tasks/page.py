"""Share memory with a workhorse: how far each of the tasks that it was given has got.

The workhorse writes, the supervisor reads. What stands here stays readable when the workhorse
is dead: that is how the supervisor knows whether a task's function had begun.
"""

import math
import mmap
import struct

IDLE, PREPARING, STARTED, RETURNED, SUCCEEDED = range(5)
LINES = 16  # tasks that a workhorse has at a time, at most

_PHASE, _INTERRUPTION, _LENGTH_AT = 0, 1, 2
_TAKEN_AT, _STARTED_AT, _RETURNED_AT, _SUCCEEDED_AT = 8, 16, 24, 32
_MARKS = 40  # bytes a line, texts apart: those are seldom written
_TEXT = 1024
_CLEAR = bytes(_TAKEN_AT)
_LENGTH = struct.Struct("=H")
_MOMENT = struct.Struct("=d")


class Line:
    """What is known of one task. Moments are in seconds of ``clock.boottime()``."""

    __slots__ = ("_at", "_memory", "_text_at")

    def __init__(self, memory: mmap.mmap, number: int) -> None:
        self._memory = memory
        self._at = number * _MARKS
        self._text_at = LINES * _MARKS + number * _TEXT

    def clear(self) -> None:
        """Forget the task before; only while the workhorse has none here."""
        self._memory[self._at : self._at + _TAKEN_AT] = _CLEAR

    @property
    def phase(self) -> int:
        return self._memory[self._at + _PHASE]

    def preparing(self, now: float) -> None:
        self._note(_TAKEN_AT, now, PREPARING)

    def started(self, now: float) -> None:
        self._note(_STARTED_AT, now, STARTED)

    def returned(self, now: float) -> None:
        self._note(_RETURNED_AT, now, RETURNED)

    def succeeded(self, now: float) -> None:
        """Note that the outcome is known, middleware included, and that it is success."""
        self._note(_SUCCEEDED_AT, now, SUCCEEDED)

    def _note(self, what: int, now: float, phase: int) -> None:
        _MOMENT.pack_into(self._memory, self._at + what, now)
        self._memory[self._at + _PHASE] = phase

    def _moment(self, what: int) -> float:
        return float(_MOMENT.unpack_from(self._memory, self._at + what)[0])

    @property
    def took(self) -> float:
        """Seconds from when the task was taken until all was over; infinity if it is not."""
        if self.phase < RETURNED:
            return math.inf
        over_at = _SUCCEEDED_AT if self.phase == SUCCEEDED else _RETURNED_AT
        return self._moment(over_at) - self._moment(_TAKEN_AT)

    @property
    def started_at(self) -> float:
        return self._moment(_STARTED_AT)

    @property
    def returned_at(self) -> float:
        return self._moment(_RETURNED_AT)

    @property
    def interruption(self) -> int:
        """``shutdown.NOTHING``, ``POSTPONED`` or ``RAISED``."""
        return self._memory[self._at + _INTERRUPTION]

    def interrupted(self, state: int) -> None:
        self._memory[self._at + _INTERRUPTION] = state

    @property
    def description(self) -> str:
        """The call in words, for the log; empty if the workhorse did not get that far."""
        (length,) = _LENGTH.unpack_from(self._memory, self._at + _LENGTH_AT)
        return self._memory[self._text_at : self._text_at + length].decode(errors="replace")

    @description.setter
    def description(self, text: str) -> None:
        raw = text.encode(errors="backslashreplace")[:_TEXT]
        self._memory[self._text_at : self._text_at + len(raw)] = raw
        _LENGTH.pack_into(self._memory, self._at + _LENGTH_AT, len(raw))


class Page:
    """The memory shared with one workhorse: a line for each of its tasks."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, LINES * (_MARKS + _TEXT))

    def line(self, number: int) -> Line:
        """Return a line, for which any number may be used: they begin anew after ``LINES``."""
        return Line(self._memory, number % LINES)

    def close(self) -> None:
        self._memory.close()
