"""What a workhorse says to its supervisor, frame by frame."""

import socket

import pytest

from redis_tasks.channel import CALL, Channel
from redis_tasks.frames import Unpacker
from redis_tasks.store import scripts
from redis_tasks.store.scripts import NewTask


@pytest.mark.usefixtures("settings_for_test")
def test_an_enqueue_that_the_supervisor_may_send_twice_is_one_that_is_repeated() -> None:
    supervisors, workhorses = socket.socketpair()
    call = scripts.enqueue("q", [NewTask("t", "m.f", b"[[],{}]", True, 60)])

    with supervisors, workhorses:
        answer = Channel(workhorses).ask(1, call, within=0.01)
        (frame,) = Unpacker().feed(supervisors.recv(65536))

    assert answer is None
    assert frame[0] == CALL
    # A second sending finds the task that the first one made, even if it is over by then.
    assert b"again" in frame
    assert b"new" not in frame
