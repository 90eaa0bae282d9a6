"""Tell which ports are free for what bin/up starts."""

import os
import socket

HIGHEST = 2**16 - 1


class PortError(Exception):
    """One sentence for the person at the terminal."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def read_port(variable: str, default: int | None = None) -> int | None:
    """Return the port that an environment variable names. Raises PortError."""
    text = os.environ.get(variable)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST):
        raise PortError(f"{variable} is a number from 1 to {HIGHEST}, not {text!r}.")
    return int(text)


def refuse_taken(port: int, remedy: str, host: str = "127.0.0.1") -> None:
    """Raise PortError, whose sentence ends with *remedy*, if nobody can listen there."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise PortError(f"port {port} cannot be listened on ({why}): {remedy}.") from error
