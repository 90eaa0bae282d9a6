"""Take a traceback's text apart."""

import re

from dashboard.shapes import Frame

MOST = 200  # frames
_PLACE = re.compile(r'  File "([^"\n]+)", line (\d+)(?:, in ([^\n]*))?')
_FOREIGN = re.compile(
    r"(^|/)(site-packages|dist-packages|lib/python3[^/]*|redis_tasks)/|^<frozen "
)


def frames(text: str) -> tuple[Frame, ...]:
    """Return the lines of the last error's traceback, innermost last; none if it has none."""
    last = text.rpartition("Traceback (most recent call last):\n")[2]
    lines = last.splitlines()
    found = []
    for number, line in enumerate(lines):
        place = _PLACE.match(line)
        if place is None:
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        code = following.strip() if following.startswith("    ") else ""
        own = not _FOREIGN.search(place[1])
        found.append(Frame(place[1], int(place[2][:9]), place[3] or "", code, own))
    return tuple(found[-MOST:])


def last_line(text: str) -> str:
    """Return the line that names the error, at most 200 characters."""
    lines = [line for line in text.strip().splitlines() if line and not line.startswith("  ")]
    return lines[-1][:200] if lines else ""
