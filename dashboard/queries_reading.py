"""Ask Redis much at once, within a time limit.

Only commands that read are sent, in pipelines without MULTI: a Redis user that has nothing but
read rights is enough.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TypeVar

from redis.exceptions import RedisError, ResponseError

from dashboard.queries_connection import PageClient, Reading
from redis_tasks import conf, keys
from redis_tasks.conf import connection, settings
from redis_tasks.frames import pack_command

T = TypeVar("T")
Command = tuple[Any, ...]
Column = Sequence[bytes | None]  # a field's value of one record after the other
BATCH = 5_000  # records that are read in one round trip


class RedisAway(Exception):
    """Redis did not answer in time, or refused; *last_answer* is when it last did."""

    def __init__(self, cause: str, last_answer: datetime | None) -> None:
        super().__init__(cause)
        self.last_answer = last_answer


_reading: ContextVar[Reading | None] = ContextVar("dashboard_reading", default=None)
_clients: list[PageClient] = []  # the one of this process


def prepare() -> None:
    """Check the settings; pages are asked for by what they say now. Raises ``SettingsError``."""
    settings.validate()
    old, _clients[:] = [*_clients], [PageClient(_present)]
    for client in old:
        client.close()


def forget() -> None:
    """Close the connections; ``prepare()`` makes new ones."""
    while _clients:
        _clients.pop().close()


@contextmanager
def reading() -> Iterator[Reading]:
    """Ask all that is asked in a ``with`` block within a page's time; blocks nest.

    Raises ``RedisAway``.
    """
    present = _reading.get() or Reading()
    token = _reading.set(present)
    try:
        with connection.lent(_clients[0].redis):
            yield present
    except (RedisError, OSError) as error:
        raise RedisAway(conf.without_password(str(error)), last_answer()) from error
    finally:
        _reading.reset(token)


def ask(commands: Iterable[Command]) -> list[Any]:
    """Send commands in one round trip; an error that is one command's alone reads as None."""
    sent = list(commands)
    if not sent:
        return []
    answers: list[Any] = []
    packed = [pack_command(tuple(_raw(word) for word in command)) for command in sent]
    _clients[0].exchange(packed, answers.append)
    return [_read(*pair) for pair in zip(sent, answers, strict=True)]


def _read(command: Command, answer: Any) -> Any:
    if isinstance(answer, ResponseError):
        return None
    if command[0] == "HGETALL":
        return dict(zip(answer[::2], answer[1::2], strict=True))
    return answer


def _raw(word: Any) -> Any:
    # A name out of a URL may stand for any bytes.
    return word.encode(errors="surrogateescape") if isinstance(word, str) else word


def ask_columns(task_ids: Iterable[bytes], fields: Sequence[str]) -> list[Column]:
    """Return some fields of many tasks' records, a column for each field.

    There is None for what a record lacks, and for all of what is no record. That records have no
    list of their own spares each page some collections of garbage.
    """
    begin = keys.task("").encode()
    verb = b"*%d\r\n$5\r\nHMGET\r\n$" % (len(fields) + 2)
    rest = b"".join(b"$%d\r\n%s\r\n" % (len(name), name.encode()) for name in fields)
    packed = [
        b"%s%d\r\n%s%s\r\n%s" % (verb, len(begin) + len(task_id), begin, task_id, rest)
        for task_id in task_ids
    ]
    values: list[bytes | None] = []
    nothing = [None] * len(fields)

    def take(reply: Any) -> None:
        values.extend(reply if isinstance(reply, list) else nothing)

    for at in range(0, len(packed), BATCH):
        _clients[0].exchange(packed[at : at + BATCH], take)
    return [values[place :: len(fields)] for place in range(len(fields))]


def ask_one(*command: Any) -> Any:
    return ask([command])[0]


def once(name: Hashable, read: Callable[[], T]) -> T:
    """Return what *read* has returned under that name in this reading, or does now."""
    found = _present().found
    if name not in found:
        found[name] = read()
    value: T = found[name]
    return value


def now() -> datetime:
    """Return the Redis server's time, the same one all through a page."""
    return once("now", lambda: moment_of(ask_one("TIME")))


def moment_of(reply: tuple[int, int]) -> datetime:
    seconds, microseconds = reply
    return datetime.fromtimestamp(int(seconds) + int(microseconds) / 1e6, UTC)


def last_answer() -> datetime | None:
    """Return when Redis last answered this process."""
    return _clients[0].pool.answered_at if _clients else None


def _present() -> Reading:
    present = _reading.get()
    if present is None:
        raise RuntimeError("Redis is asked outside of reading()")
    return present
