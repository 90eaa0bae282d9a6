"""Lines go where standard output goes, and hold up nobody."""

import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from redis_tasks import logs
from redis_tasks.logs import DroppingHandler, JsonFormatter, LineFormatter

PIPE_BYTES = 65536


def record(
    message: object,
    *args: object,
    level: int = logging.INFO,
    name: str = "redis_tasks.task",
    error: BaseException | None = None,
    **extra: object,
) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord(name, level, "shop/tasks.py", 12, message, args, info)
    vars(made).update(extra)
    return made


class Unshowable:
    def __str__(self) -> str:
        raise LookupError("no text")


class UnshowableError(Exception):
    def __str__(self) -> str:
        raise LookupError("no text")


@dataclass
class Pipe:
    reader: int
    writer: int

    def read(self) -> str:
        """Return all that is in the pipe now."""
        os.set_blocking(self.reader, False)
        data = b""
        try:
            while piece := os.read(self.reader, PIPE_BYTES):
                data += piece
        except BlockingIOError:
            pass
        return data.decode()

    def fill(self, leave: int = 0) -> None:
        """Write until there is room for *leave* bytes only, as another process would."""
        os.set_blocking(self.writer, False)
        room = PIPE_BYTES - leave
        while room > 0:
            room -= os.write(self.writer, b"." * min(room, 4096))
        os.set_blocking(self.writer, True)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    made = Pipe(reader, writer)
    yield made
    for fd in (made.reader, made.writer):
        if fd >= 0:
            os.close(fd)


@pytest.fixture
def handler(pipe: Pipe) -> Iterator[DroppingHandler]:
    made = DroppingHandler(pipe.writer)
    made.setFormatter(logging.Formatter("%(message)s"))
    yield made
    made.close()


def test_a_line_goes_out_at_once(handler: DroppingHandler, pipe: Pipe) -> None:
    handler.handle(record("one"))
    handler.handle(record("two"))

    assert pipe.read() == "one\ntwo\n"


def test_a_full_pipe_drops_lines_and_says_later_how_many(
    handler: DroppingHandler, pipe: Pipe
) -> None:
    pipe.fill()
    for number in range(3):
        handler.handle(record("lost %s", number))
    pipe.read()

    handler.handle(record("there is room"))
    handler.handle(record("again"))

    assert pipe.read() == "3 log lines dropped\nthere is room\nagain\n"


def test_a_pipe_that_fills_up_meanwhile_is_not_waited_for(
    handler: DroppingHandler, pipe: Pipe
) -> None:
    pipe.fill()
    handler._room = select.poll()
    handler._room.register(pipe.reader)  # as if another process took the room that there was

    handler.handle(record("lost"))

    assert handler.dropped == 1


def test_other_writers_of_the_pipe_still_wait_for_room(
    handler: DroppingHandler, pipe: Pipe
) -> None:
    handler.handle(record("one"))

    assert os.get_blocking(pipe.writer)


def test_a_line_that_is_cut_short_does_not_swallow_the_next(
    handler: DroppingHandler, pipe: Pipe
) -> None:
    pipe.fill(leave=4096)
    handler.handle(record("x" * 9000))
    torn = pipe.read().lstrip(".")

    handler.handle(record("next"))

    assert torn == "x" * 4096
    assert pipe.read() == "\n1 log lines dropped\nnext\n"


def test_a_long_line_arrives_whole_where_there_is_room(
    handler: DroppingHandler, pipe: Pipe
) -> None:
    handler.handle(record("x" * 9000))

    assert pipe.read() == "x" * 9000 + "\n"


def test_a_reader_that_is_gone_is_no_error(handler: DroppingHandler, pipe: Pipe) -> None:
    os.close(pipe.reader)
    pipe.reader = -1

    handler.handle(record("into the void"))

    assert handler.dropped == 0


def test_a_closed_standard_output_is_no_error(pipe: Pipe) -> None:
    closed = os.dup(pipe.writer)
    os.close(closed)

    handler = DroppingHandler(closed)
    handler.handle(record("into the void"))
    handler.close()
    handler.handle(record("after the end"))

    assert pipe.read() == ""


def test_a_descriptor_that_is_closed_and_used_anew_is_not_written_to(
    handler: DroppingHandler, pipe: Pipe, tmp_path: Path
) -> None:
    os.close(pipe.writer)
    other = os.open(tmp_path / "precious", os.O_WRONLY | os.O_CREAT)
    assert other == pipe.writer

    handler.handle(record("a line"))

    assert pipe.read() == "a line\n"
    assert (tmp_path / "precious").read_bytes() == b""


def test_a_file_takes_lines_in_the_order_in_which_they_come(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as file:
        handler = DroppingHandler(file.fileno())
        handler.setFormatter(logging.Formatter("%(message)s"))
        file.write(b"before\n")
        handler.handle(record("line"))
        file.write(b"after\n")
        handler.close()

    assert (tmp_path / "log").read_text() == "before\nline\nafter\n"


def test_a_full_disk_is_no_error() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    handler = DroppingHandler(full)
    os.close(full)

    handler.handle(record("one"))
    handler.close()

    assert handler.dropped == 1


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (record("%d", "x"), "TypeError"),
        (record("%s", Unshowable()), "LookupError"),
        (record(Unshowable()), "LookupError"),
    ],
    ids=["arguments", "argument", "message"],
)
@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()], ids=["text", "json"])
def test_what_cannot_be_formatted_says_where_it_was_logged(
    pipe: Pipe, made: logging.LogRecord, why: str, formatter: logging.Formatter
) -> None:
    handler = DroppingHandler(pipe.writer)
    handler.setFormatter(formatter)

    handler.handle(made)
    handler.close()

    assert f"shop/tasks.py:12: cannot format this: {why}" in pipe.read()


def test_an_exception_without_text_is_reported_as_such(pipe: Pipe) -> None:
    handler = DroppingHandler(pipe.writer)

    handler.handle(record("x", error=UnshowableError()))
    handler.close()

    assert "shop/tasks.py:12: cannot format this: LookupError" in pipe.read()


def test_many_threads_write_whole_lines(handler: DroppingHandler, pipe: Pipe) -> None:
    threads = [
        threading.Thread(target=lambda: [handler.handle(record("x" * 99)) for _ in range(50)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert pipe.read() == ("x" * 99 + "\n") * 400


def run(source: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import logging\nfrom redis_tasks import logs\n{source}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        cwd=Path(logs.__file__).parent.parent,
    )
    return done.stdout.splitlines()


def test_configuring_again_changes_level_and_format_of_the_one_handler() -> None:
    first, second = run(
        "logs.configure()\n"
        "logging.getLogger('shop').info('one')\n"
        "logging.getLogger('shop').debug('unseen')\n"
        "logs.configure('DEBUG', 'json')\n"
        "logging.getLogger('shop').debug('two')\n"
    )

    assert first.endswith("shop: one")
    assert json.loads(second)["message"] == "two"


def test_an_application_that_has_its_own_logging_keeps_it() -> None:
    lines = run(
        "import sys\n"
        "logging.basicConfig(stream=sys.stdout, format='own: %(message)s')\n"
        "logs.configure()\n"
        "logging.getLogger('shop').info('unseen')\n"
        "logging.getLogger('shop').warning('one')\n"
    )

    assert lines == ["own: one"]


def test_standard_output_that_is_closed_stops_nobody() -> None:
    assert run("import os\nos.close(1)\nlogs.configure()\nlogging.error('unseen')\n") == []
