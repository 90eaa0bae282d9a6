"""Look host names up within a time limit.

The C library's resolver cannot be interrupted and may take half a minute. The look-up therefore
runs in a thread of its own; the caller waits for it no longer than it can afford.
"""

import contextlib
import queue
import socket
import threading

Address = tuple[socket.AddressFamily, tuple[object, ...]]

MOST_LOOK_UPS = 8  # at a time: where so many hang, one more would hang as well

_threads: list[threading.Thread] = []


def addresses(host: str, port: int, timeout: float) -> list[Address]:
    """Return the addresses of a host, in the resolver's order.

    Raises ``OSError`` for an unknown host, or if that is not known after *timeout* seconds.
    """
    if _is_address(host):
        return _look_up(host, port)
    if _going_on() >= MOST_LOOK_UPS:
        raise OSError(f"{MOST_LOOK_UPS} look-ups of host names hang: no room for that of {host}")
    answers: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()
    thread = threading.Thread(
        target=_answer, args=(host, port, answers), name=f"resolve {host}", daemon=True
    )
    _start(thread)
    try:
        answer = answers.get(timeout=max(0.0, timeout))
    except queue.Empty:
        # Not a TimeoutError: the client library would replace its text by a vague one.
        raise OSError(f"looking up {host} takes longer than {timeout:.1f} s") from None
    thread.join(1)
    if isinstance(answer, OSError):
        raise answer
    return answer


def busy() -> bool:
    """Tell whether a look-up goes on: forking now could copy a lock that it holds."""
    return _going_on() > 0


def _going_on() -> int:
    # In a forked child none of the parent's threads is alive: it starts anew by itself.
    return sum(thread.is_alive() for thread in list(_threads))


def _start(thread: threading.Thread) -> None:
    _threads[:] = [other for other in list(_threads) if other.is_alive()]
    try:
        thread.start()
    except RuntimeError as error:  # no more threads just now
        raise OSError(str(error)) from error
    _threads.append(thread)


def _answer(host: str, port: int, answers: "queue.SimpleQueue[list[Address] | OSError]") -> None:
    try:
        answers.put(_look_up(host, port))
    except OSError as error:
        answers.put(error)
    except UnicodeError as error:  # a name that cannot be one
        answers.put(OSError(f"{host!r} is not the name of a host: {error}"))


def _look_up(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return True
    return False
