"""Draw the guide's diagrams: `python -m development.diagrams` makes docs/images/*.svg anew.

Each is a text in docs/diagrams, a line a thing; lengths are pixels, from the upper left corner:

    title: heading for screen readers        text: what is to be seen, in a sentence or two
    size W H                                 redis NAME X Y W H: first line | second line | ...
    box NAME X Y W H: first | second | ...   frame NAME X Y W H: what is in it
    NAME -> NAME: label                      between the sides that face each other
    line X Y, X Y, ...: label                an arrow through these points
    lane X Y1 Y2                             a thin line downwards, for sequences
    note X Y: words                          centred on X;  left X Y: words  begins there

A first line in a box is its name. A label that does not fit is an error.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
SOURCES = DOCS / "diagrams"
PICTURES = DOCS / "images"
NAME_SIZE, NOTE_SIZE = 17, 13  # pixels
# Width of a character by its size: on the safe side of the fonts that systems have.
WIDTH = {NAME_SIZE: 0.64, NOTE_SIZE: 0.53}

# It has a background of its own, so that it can be read whatever page it is shown on.
STYLE = """
    .page { fill: #ffffff; stroke: #d0d7de }
    .box { fill: #f6f8fa; stroke: #57606a; stroke-width: 1.5 }
    .redis { fill: #fff1ee; stroke: #c0392b; stroke-width: 1.5 }
    .frame { fill: none; stroke: #57606a; stroke-width: 1.5; stroke-dasharray: 5 4 }
    .lane { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 2 4 }
    .name { fill: #1f2328; font-size: 17px; font-weight: 600; text-anchor: middle }
    .note { fill: #424a53; font-size: 13px; text-anchor: middle }
    .left { fill: #424a53; font-size: 13px }
    .arrow { stroke: #1f2328; stroke-width: 1.6; fill: none; marker-end: url(#head) }
    .head { fill: #1f2328 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #30363d }
      .box { fill: #161b22; stroke: #8d96a0 }
      .redis { fill: #2d1512; stroke: #e5705f }
      .frame { stroke: #8d96a0 }
      .lane { stroke: #6e7681 }
      .name { fill: #f0f6fc }
      .note, .left { fill: #c3ccd5 }
      .arrow { stroke: #f0f6fc }
      .head { fill: #f0f6fc }
    }"""
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
     width="{width}" height="{height}" role="img" aria-labelledby="title text"
     font-family="ui-sans-serif, system-ui, 'Helvetica Neue', Arial, sans-serif">
  <!-- Drawn by development/diagrams.py from docs/diagrams/{source}: change that. -->
  <title id="title">{title}</title>
  <desc id="text">{text}</desc>
  <style>{style}
  </style>
  <defs>
    <marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"
            orient="auto">
      <path class="head" d="M0 0 L10 5 L0 10 z"/>
    </marker>
  </defs>
  <rect class="page" x="1" y="1" width="{inner_width}" height="{inner_height}" rx="10"/>
"""

Point = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> Point:
        return self.x + self.width // 2, self.y + self.height // 2

    def side_towards(self, other: "Box") -> Point:
        """Return the middle of the side that faces *other*."""
        if self.x + self.width <= other.x:
            return self.x + self.width, self.middle[1]
        if other.x + other.width <= self.x:
            return self.x, self.middle[1]
        return self.middle[0], self.y + self.height if self.y < other.y else self.y


@dataclass
class Drawing:
    """What the lines of a source have drawn so far."""

    title: str = ""
    text: str = ""
    size: Point = (0, 0)
    boxes: dict[str, Box] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)

    def word(self, style: str, x: int, y: int, words: str) -> None:
        self.parts.append(f'<text class="{style}" x="{x}" y="{y}">{escape(words)}</text>')

    def box(self, style: str, name: str, numbers: list[int], lines: list[str]) -> None:
        box = self.boxes[name] = Box(*numbers)
        self.parts.append(
            f'<rect class="{style}" x="{box.x}" y="{box.y}" width="{box.width}" '
            f'height="{box.height}" rx="8"/>'
        )
        if style == "frame":
            self.word("note", box.middle[0], box.y + 23, " ".join(lines))
            return
        sizes = [NAME_SIZE, *[NOTE_SIZE] * (len(lines) - 1)]
        y = box.middle[1] - (23 * (len(lines) - 1)) // 2 + 5
        for line, size in zip(lines, sizes, strict=True):
            self.check_width(line, size, box.width)
            self.word("name" if size == NAME_SIZE else "note", box.middle[0], y, line)
            y += 23

    def arrow(self, points: list[Point], label: str) -> None:
        path = " L".join(f"{x} {y}" for x, y in points)
        self.parts.append(f'<path class="arrow" d="M{path}"/>')
        if not label:
            return
        (x1, y1), (x2, y2) = points[:2]
        if y1 == y2:
            self.check_width(label, NOTE_SIZE, abs(x2 - x1) + 8)
            self.word("note", (x1 + x2) // 2, y1 - 9, label)
        else:
            self.word("left", (x1 + x2) // 2 + 9, (y1 + y2) // 2 + 4, label)

    def check_width(self, words: str, size: int, room: int) -> None:
        if len(words) * size * WIDTH[size] > room:
            raise ValueError(f"{words!r} does not fit into {room} pixels")


def draw(source: Path) -> str:
    """Return the SVG of a diagram. Raises ValueError, which names the line that is wrong."""
    drawing = Drawing()
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        if line and not line.startswith("#"):
            try:
                read_line(drawing, line)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{source.name}, line {number}: {error}") from error
    width, height = drawing.size
    head = HEAD.format(
        width=width,
        height=height,
        source=source.name,
        style=STYLE,
        title=escape(drawing.title),
        text=escape(drawing.text),
        inner_width=width - 2,
        inner_height=height - 2,
    )
    return head + "".join(f"  {part}\n" for part in drawing.parts) + "</svg>\n"


def read_line(drawing: Drawing, line: str) -> None:
    what, _, words = (part.strip() for part in line.partition(":"))
    verb, *rest = what.split()
    if verb in ("title", "text"):
        before = getattr(drawing, verb)
        setattr(drawing, verb, f"{before} {words}".strip())
    elif verb == "size":
        drawing.size = (int(rest[0]), int(rest[1]))
    elif verb in ("box", "redis", "frame"):
        lines = [part.strip() for part in words.split("|")]
        drawing.box(verb, rest[0], [int(part) for part in rest[1:]], lines)
    elif verb in ("note", "left"):
        drawing.word(verb, int(rest[0]), int(rest[1]), words)
    elif verb == "lane":
        x, top, bottom = rest
        drawing.parts.append(f'<path class="lane" d="M{x} {top} V{bottom}"/>')
    elif verb == "line":
        numbers = [int(part) for part in re.findall(r"\d+", " ".join(rest))]
        drawing.arrow(list(zip(numbers[::2], numbers[1::2], strict=True)), words)
    else:
        first, second = (drawing.boxes[name.strip()] for name in what.split("->"))
        drawing.arrow([first.side_towards(second), second.side_towards(first)], words)


def pictures() -> Iterator[tuple[Path, Path]]:
    """Yield each diagram's text with the file of its picture."""
    for source in sorted(SOURCES.glob("*.txt")):
        yield source, PICTURES / f"{source.stem}.svg"


def main() -> None:
    for source, picture in pictures():
        picture.write_text(draw(source), encoding="utf-8")
        print(picture.relative_to(DOCS.parent))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"diagrams: {error}")
