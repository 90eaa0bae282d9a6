"""Draw a graph as SVG.

The drawing has neither styles nor scripts, so that a page with a strict policy for its contents
may show it; whatever comes from Redis is escaped. Classes are for a page's own style sheet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from redis_tasks.contrib import graph_layers
from redis_tasks.contrib.graph_layers import Pairs
from redis_tasks.contrib.graph_node import GraphNode
from redis_tasks.contrib.graph_text import rows, told_counts, told_functions
from redis_tasks.logs import escaped

MOST_BOXES = 60  # tasks that are drawn one by one,
MOST_IN_LAYER = 12  # unless more than these stand in one layer,
MOST_LINES = 200  # or there are more dependencies than these
WIDTH, HEIGHT = 220, 46  # of a task's box
WIDE = 520  # width of a box for many
GAP_X, GAP_Y = 60, 18
MARGIN = 10
LETTERS = 26  # that fit into a box, in whatever font
MANY_LETTERS = 64  # and into a wide one

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

FILLS = {
    "finished": "#d3f0dc",
    "failed": "#ffd9d6",
    "running": "#d6e8ff",
    "queued": "#e8e2fa",
    "waiting": "#f2f3f5",
    "stopped": "#fde8cf",
    "cancelled": "#dfe2e6",
    "new": "#f2f3f5",
}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with two lines of text; *title* is shown where the mouse rests."""

    x: int
    y: int
    width: int
    state: str
    name: str
    words: str
    title: str


def draw(title: str, nodes: Sequence[GraphNode], pairs: Pairs) -> str:
    """Return an ``svg`` element."""
    boxes, lines = _one_by_one(nodes, pairs) or _many(nodes, pairs)
    width = max(box.x + box.width for box in boxes) + MARGIN if boxes else 2 * MARGIN
    height = max(box.y for box in boxes) + HEIGHT + MARGIN if boxes else 2 * MARGIN
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="img" width="{width}"'
        f' height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        f' font-size="13" aria-label={quoteattr(_cleaned(title))}>'
    )
    parts = [
        start,
        f"<title>{escape(_cleaned(title))}</title>",
        *(_line(boxes[first], boxes[second]) for first, second in lines),
        *(part for box in boxes for part in _box(box)),
        "</svg>",
    ]
    return "\n".join(parts)


def _one_by_one(nodes: Sequence[GraphNode], pairs: Pairs) -> tuple[list[Box], Pairs] | None:
    """Return a box for each node in a column for each layer; None where that is too much."""
    if len(nodes) > MOST_BOXES or len(pairs) > MOST_LINES:
        return None
    _, layers = graph_layers.order(len(nodes), pairs)
    heights: dict[int, int] = {}
    boxes = []
    for node in nodes:
        layer = max(0, layers[node.number])
        row = heights[layer] = heights.get(layer, 0) + 1
        if row > MOST_IN_LAYER:
            return None
        x, y = MARGIN + layer * (WIDTH + GAP_X), MARGIN + (row - 1) * (HEIGHT + GAP_Y)
        words = f"{node.number}: {node.state}"
        about = f"{node.func_name} ({node.state}), task {node.task_id}"
        boxes.append(Box(x, y, WIDTH, node.state, node.func_name, words, about))
    return boxes, [(first - 1, second - 1) for first, second in sorted(pairs)]


def _many(nodes: Sequence[GraphNode], pairs: Pairs) -> tuple[list[Box], Pairs]:
    """Return a wide box for each layer, or for several of them, one below the other."""
    boxes = []
    for row, (words, members) in enumerate(rows(nodes, pairs)):
        states = {node.state for node in members}
        state = states.pop() if len(states) == 1 else "running"
        noun = "task" if len(members) == 1 else "tasks"
        name = f"{words}: {len(members):,} {noun}, {told_functions(members)}"
        y, counts = MARGIN + row * (HEIGHT + GAP_Y), told_counts(members)
        boxes.append(Box(MARGIN, y, WIDE, state, name, counts, f"{name}: {counts}"))
    return boxes, [(row - 1, row) for row in range(1, len(boxes))]


def _box(box: Box) -> Iterator[str]:
    name = box.name if box.width == WIDE else _end_of(box.name)
    yield f'<g class="node {box.state}">'
    yield f"<title>{escape(_cleaned(box.title))}</title>"
    yield (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{HEIGHT}" rx="6"'
        f' fill="{FILLS[box.state]}" stroke="#5b6470"/>'
    )
    for offset, text in ((19, name), (37, box.words)):
        shown = escape(_shortened(_cleaned(text), MANY_LETTERS if box.width == WIDE else LETTERS))
        yield f'<text x="{box.x + 10}" y="{box.y + offset}" fill="#1b1f24">{shown}</text>'
    yield "</g>"


def _line(first: Box, second: Box) -> str:
    if first.width == WIDE:
        x = first.x + WIDE // 2
        ends = x, first.y + HEIGHT, x, second.y
    else:
        ends = first.x + WIDTH, first.y + HEIGHT // 2, second.x, second.y + HEIGHT // 2
    x1, y1, x2, y2 = ends
    if y1 == y2 and x2 - x1 > GAP_X:  # in a bow below the boxes between
        way = f"M{x1} {y1}Q{(x1 + x2) // 2} {y1 + HEIGHT + GAP_Y} {x2} {y2}"
        return f'<path d="{way}" class="edge" fill="none" stroke="#5b6470"/>'
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="edge" stroke="#5b6470"/>'


def _end_of(path: str) -> str:
    """Return a function's path, or as much of its end as fits: that says more."""
    text = _cleaned(path)
    return text if len(text) <= LETTERS else ELLIPSIS + text[1 - LETTERS :]


def _shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + ELLIPSIS


def _cleaned(text: str) -> str:
    # Control characters are not allowed in XML, not even escaped by its own means.
    return escaped(text)
