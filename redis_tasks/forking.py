"""Fork workhorses, those that are missing in a row.

A child shares the memory of its supervisor as it was at the fork. What the supervisor writes until
the next one, if only to count references, is a copy more: the child before is left alone with the
page as it was. So nothing is put in order before the last of them is there.
"""

import contextlib
import errno
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis_tasks import hooks, workhorse
from redis_tasks.page import Page
from redis_tasks.shelf import Shelf
from redis_tasks.workhorse_handle import Workhorse

SPARE_FILES = 16  # descriptors that are left for Redis and for the workhorses' own use


class Link:
    """What a supervisor shares with one workhorse, both ends of it."""

    def __init__(self) -> None:
        self.page = Page()
        self.shelf = Shelf()
        try:
            self.ours, self.theirs = _pipe()
        except OSError:
            self.shelf.close()
            raise

    def keep_theirs(self) -> None:
        """Let go of the supervisor's ends, in the workhorse."""
        self.ours.close()
        self.shelf.only_take()

    def let_go(self) -> None:
        """Let go of both ends, in another workhorse."""
        self.ours.close()
        self.theirs.close()
        self.shelf.close()

    def close(self) -> None:
        self.let_go()
        self.page.close()


class Row(NamedTuple):
    """Workhorses that were forked together; *trouble* tells why there are not more of them."""

    workhorses: list[Workhorse]
    trouble: OSError | None


def spawn(
    number: int,
    classes: Sequence[Callable[[], Any]],
    inherited: Sequence[Callable[[], None]],
) -> Row:
    """Fork workhorses: *number* of them, or fewer if the system has no room for more.

    Each child first calls all of *inherited*, to let go of what is not its own.
    """
    links, trouble = _links(number)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    for let_go in hooks.before_fork:
        let_go()
    supervisor = os.getpid()
    pids: list[int] = []
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, workhorse.STOP_SIGNALS)
    try:
        for link in links:
            pid = os.fork()
            if pid == 0:
                others = [other.let_go for other in links if other is not link]
                let_go_all = [link.keep_theirs, *others, *inherited]
                workhorse.main(link.theirs, link.page, link.shelf, supervisor, classes, let_go_all)
            pids.append(pid)
    except OSError as error:
        trouble = error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for link in links[len(pids) :]:
            link.close()
    return Row([_handle(pid, link) for pid, link in zip(pids, links, strict=False)], trouble)


def _links(number: int) -> tuple[list[Link], OSError | None]:
    links: list[Link] = []
    try:
        while len(links) < number:
            links.append(Link())
    except OSError as error:
        return links, error
    return links, None


def _pipe() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and theirs.fileno() + SPARE_FILES >= limit:
        ours.close()
        theirs.close()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return ours, theirs


def _handle(pid: int, link: Link) -> Workhorse:
    link.theirs.close()
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    link.ours.setblocking(False)
    return Workhorse(pid, link.ours, link.page, link.shelf)
