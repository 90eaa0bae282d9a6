"""A supervisor's selector knows who has a descriptor now, not who had its number before."""

import os
import socket
from collections.abc import Iterator
from selectors import EVENT_READ
from typing import Any

import pytest

from redis_tasks.clock import boottime
from redis_tasks.forking import Row
from redis_tasks.page import Page
from redis_tasks.shelf import Shelf
from redis_tasks.store import scripts
from redis_tasks.supervisor import Supervisor
from redis_tasks.workhorse_handle import Workhorse
from tests.conftest import StartServer

NOBODY = 2**22  # no process has this number, which is above the system's highest


@pytest.fixture
def supervisor(
    settings_for_test: dict[str, Any], start_redis: StartServer
) -> Iterator[Supervisor]:
    """A supervisor that is connected, and has not begun to work."""
    settings_for_test["REDIS_URL"] = start_redis().url
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    supervisor = Supervisor(
        "supervisor",
        ["default"],
        concurrency=1,
        description="one of a test",
        burst=False,
        classes=(),
        wakeup=reading,
        stop_asked_at=lambda: None,
    )
    register = scripts.register(supervisor.id, "", ["default"], 1)
    assert supervisor.exchange.talk([register]) is not None
    supervisor.bell.arm(boottime())
    assert supervisor.bell.armed
    supervisor._watch_redis()
    yield supervisor
    supervisor.bell.close()
    supervisor.exchange.close()
    supervisor.stable.selector.close()
    os.close(reading)
    os.close(writing)


def workhorse_on(descriptor: int) -> Workhorse:
    """Return a workhorse without a process, whose pipe is this descriptor."""
    ours, theirs = socket.socketpair()
    theirs.close()
    number = ours.detach()
    if number != descriptor:
        os.dup2(number, descriptor)
        os.close(number)
    return Workhorse(NOBODY, socket.socket(fileno=descriptor), Page(), Shelf())


@pytest.mark.parametrize("which", ["exchange", "bell"])
def test_a_workhorse_may_get_the_descriptor_of_a_closed_connection(
    which: str, supervisor: Supervisor
) -> None:
    descriptor = getattr(supervisor, which).wire.socket.fileno()
    getattr(supervisor, which).close()
    horse = workhorse_on(descriptor)
    supervisor.stable.spawn = lambda *_: Row([horse], None)

    supervisor.stable.fill(boottime())

    known = supervisor.stable.selector.get_map()
    assert known[descriptor].data is horse
    horse.close()


@pytest.mark.parametrize("which", ["exchange", "bell"])
def test_the_other_connection_may_get_the_descriptor_of_a_closed_one(
    which: str, supervisor: Supervisor
) -> None:
    other: Any = {"exchange": supervisor.bell, "bell": supervisor.exchange}[which]
    descriptor = getattr(supervisor, which).wire.socket.fileno()
    before = other.wire.socket
    getattr(supervisor, which).close()
    os.dup2(before.fileno(), descriptor)
    other.wire.connection._sock = socket.socket(fileno=descriptor)

    supervisor._watch_redis()

    known = supervisor.stable.selector.get_map()
    assert known[descriptor].data is other
    before.close()


def test_a_bell_that_redis_hangs_up_while_it_waits_for_nothing_is_closed(
    supervisor: Supervisor,
) -> None:
    supervisor.bell.armed_until = None  # as if it had been heard; no workhorse is there to arm it
    supervisor.hungry, supervisor.registered = False, True
    supervisor.bell.wire.socket.shutdown(socket.SHUT_RDWR)

    supervisor._wait()

    assert not supervisor.bell.wire.connected
    assert not supervisor.hungry
    assert supervisor.bell.moment == 0.0  # it may be armed at once


def test_news_of_a_socket_that_had_the_number_before_is_not_taken_for_an_answer(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        supervisor.stable.selector,
        "select",
        lambda _: [(key, EVENT_READ) for key in supervisor.stable.selector.get_map().values()],
    )

    supervisor._wait()

    assert supervisor.bell.armed
    assert supervisor.bell.wire.connected
    assert supervisor.exchange.wire.connected
