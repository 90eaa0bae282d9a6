"""Write one line to standard output for each event.

A line never holds up the process that writes it: what a full pipe does not take at once is
dropped, counted, and the count is written when there is room again.
"""

import errno
import json
import logging
import os
import re
import select
import stat
import traceback
from datetime import UTC, datetime
from typing import Literal

MAX_LINE = 9_999  # bytes, the line's end included: log routers cut or split longer ones
EXTRAS = ("task_id", "func", "queue", "worker", "duration")  # taken from extra={...} into JSON
_STDOUT = 1
_LEVELS = {"WARNING": "WARN", "CRITICAL": "CRIT"}
_ELLIPSIS = "…"
# Control characters, ends of lines and paragraphs, what reverses the direction of text, and
# halves of surrogate pairs, which have no encoding.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    r"""Return *text* with ``\n``, ``\x1b``, ``\u2028`` in place of characters that act."""
    if text.isascii() and text.isprintable():
        return text  # almost any line: many times faster than looking for each of them
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class LineFormatter(logging.Formatter):
    """``16:15:39 INFO    redis_tasks.worker: message (ValueError: what an exception says)``."""

    def __init__(self) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._told = -1, ""  # the last second, and what was written of it

    def _time(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        told, text = self._told
        if second != told:
            text = self.formatTime(record, self.datefmt)
            self._told = second, text
        return text

    def format(self, record: logging.LogRecord) -> str:
        level = _LEVELS.get(record.levelname, record.levelname)[:5]
        start = f"{self._time(record)} {level:<5} {record.name:>20}: "
        label = getattr(record, "task_label", "")  # see contrib.log_context
        text = start + (f"[{label}] " if label else "") + record.getMessage()
        error = _error(record)
        if error is not None:
            text += f" ({type(error).__name__}: {error})"
        line = escaped(text[:MAX_LINE])
        if len(line) < MAX_LINE // 4:  # characters of at most four bytes
            return line
        encoded = line.encode()
        if len(encoded) < MAX_LINE:
            return line
        room = MAX_LINE - 1 - len(_ELLIPSIS.encode())
        return encoded[:room].decode(errors="ignore") + _ELLIPSIS


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII; an exception's traceback is in ``traceback``."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:MAX_LINE],
        }
        for name in EXTRAS:
            if hasattr(record, name):
                value = getattr(record, name)
                fields[name] = value if isinstance(value, (int, float)) else str(value)[:MAX_LINE]
        error = _error(record)
        if error is not None:
            fields["traceback"] = "".join(traceback.format_exception(error))[-MAX_LINE:]
        line = _dumped(fields)
        while len(line) >= MAX_LINE:
            _halve_longest(fields)
            line = _dumped(fields)
        return line


def _dumped(fields: dict[str, object]) -> str:
    # DEL is the one control character that JSON leaves as it is.
    return json.dumps(fields).replace("\x7f", "\\u007f")


def _halve_longest(fields: dict[str, object]) -> None:
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    name = max(texts, key=lambda name: len(texts[name]))
    half = len(texts[name]) // 2
    # Of a traceback the end says most.
    is_traceback = name == "traceback"
    fields[name] = (
        _ELLIPSIS + texts[name][half:] if is_traceback else texts[name][:half] + _ELLIPSIS
    )


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


class DroppingHandler(logging.Handler):
    """Write to a file descriptor what it takes at once.

    Never waits, never raises. What is dropped for lack of room is counted; "3 log lines dropped"
    precedes the next line for which there is room. Nothing is written any more once the
    reader is gone.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())
        self.dropped = 0
        self._is_torn = False  # the last line lacks its end
        self._fd = _own_descriptor(fd)
        self._room = select.poll()
        if self._fd is not None:
            self._room.register(self._fd, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        line = self._line(record)
        if self.dropped:
            notice = _record(logging.WARNING, f"{self.dropped} log lines dropped")
            if self._write(self._line(notice)):
                self.dropped = 0
        if self.dropped or not self._write(line):
            self.dropped += 1

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        super().close()

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record)
        except Exception as error:  # noqa: BLE001 -- the __str__ of what somebody logs
            where, why = f"{record.pathname}:{record.lineno}", type(error).__name__
            return self.format(_record(record.levelno, f"{where}: cannot format this: {why}"))

    def _write(self, line: str) -> bool:
        """Tell whether nothing was lost for lack of room."""
        text = line.encode(errors="backslashreplace")
        data = b"\n" * self._is_torn + text + b"\n"
        # A piece of this size goes into a pipe as a whole or not at all.
        for start in range(0, len(data), select.PIPE_BUF):
            piece = data[start : start + select.PIPE_BUF]
            written = self._write_piece(piece)
            if written < len(piece):
                self._is_torn = self._is_torn or start + written > 0
                return False
        self._is_torn = False
        return True

    def _write_piece(self, piece: bytes) -> int:
        if self._fd is None:
            return len(piece)
        if not self._room.poll(0):
            return 0
        try:
            return os.write(self._fd, piece)
        except OSError as error:
            is_gone = error.errno in (errno.EPIPE, errno.EBADF)
            return len(piece) if is_gone else 0


def _own_descriptor(fd: int) -> int | None:
    """Return a descriptor of the same file that nobody else closes; None if it is closed."""
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            # Opened anew, a pipe can refuse to wait without changing that for other writers;
            # asking for room is not enough where several processes write.
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        pass  # another user's pipe, a system without /proc, no reader
    try:
        return os.dup(fd)
    except OSError:
        return None


def _record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, level, __file__, 0, message, None, None)


def configure(
    level: int | str = logging.INFO, log_format: Literal["text", "json"] = "text"
) -> None:
    """Log to standard output, unless the application has given the root logger its handlers.

    May be called again, with another level or format.
    """
    root = logging.getLogger()
    handler = next((h for h in root.handlers if isinstance(h, DroppingHandler)), None)
    if handler is None:
        if root.handlers:
            return
        handler = DroppingHandler(_STDOUT)
        root.addHandler(handler)
    handler.setFormatter(JsonFormatter() if log_format == "json" else LineFormatter())
    root.setLevel(level)
