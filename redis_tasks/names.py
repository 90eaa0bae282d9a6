"""Say what queues, tasks, workers may be called."""

import os

MOST_BYTES = 255


def is_name(name: object) -> bool:
    """Tell whether *name* is printable text of 1 to 255 bytes."""
    return isinstance(name, str) and name.isprintable() and 1 <= len(name.encode()) <= MOST_BYTES


def new_id() -> str:
    """Return a random UUID (version 4, RFC 9562), in less time than ``uuid.uuid4()`` takes."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) % 4]
    parts = (digits[:8], digits[8:12], f"4{digits[13:16]}", f"{variant}{digits[17:20]}")
    return f"{'-'.join(parts)}-{digits[20:]}"


def check_name(name: object, what: str) -> str:
    """Return *name* if it is printable text of 1 to 255 bytes; *what* tells the error's reader.

    Raises ``TypeError`` for what is no text, ``ValueError`` for other text.
    """
    if not isinstance(name, str):
        raise TypeError(f"{what} must be text, not a {type(name).__name__}")
    if not is_name(name):
        raise ValueError(
            f"{what} must be printable text of 1 to {MOST_BYTES} bytes, not {name!r:.100}"
        )
    return name
