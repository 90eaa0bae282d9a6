"""Lay out the drawing of a task graph, from left to right in the order of its dependencies."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.shapes import Edge, GraphPage, Node

WIDTH, HEIGHT = 176, 40  # of a node
GAP_X, GAP_Y = 56, 14
MARGIN = 8
SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Box:
    """A node with the place of its upper left corner."""

    node: Node
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes, with the paths of the lines between them as SVG writes them."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    paths: tuple[str, ...]


def draw(page: GraphPage) -> Drawing:
    """Return where each node stands: its level from the left, near what it depends on."""
    levels = _ordered_levels(page.nodes, page.edges)
    tallest = max((len(level) for level in levels), default=0)
    height = 2 * MARGIN + tallest * (HEIGHT + GAP_Y) - GAP_Y if tallest else 2 * MARGIN
    boxes = {}
    for column, level in enumerate(levels):
        top = (height - len(level) * (HEIGHT + GAP_Y) + GAP_Y) / 2
        for row, node in enumerate(level):
            x = MARGIN + column * (WIDTH + GAP_X)
            boxes[node.id] = Box(node, x, top + row * (HEIGHT + GAP_Y))
    width = 2 * MARGIN + len(levels) * (WIDTH + GAP_X) - GAP_X if levels else 2 * MARGIN
    return Drawing(width, height, tuple(boxes.values()), tuple(_paths(page.edges, boxes)))


def _ordered_levels(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[list[Node]]:
    by_level = defaultdict(list)
    for node in nodes:
        by_level[node.level].append(node)
    levels = [by_level[level] for level in sorted(by_level)]
    before, after = defaultdict(list), defaultdict(list)
    for edge in edges:
        before[edge.target].append(edge.source)
        after[edge.source].append(edge.target)
    row = {node.id: row for level in levels for row, node in enumerate(level)}
    for sweep in range(SWEEPS):
        # There and back: each node goes to the middle of its neighbours on the last level.
        neighbours = after if sweep % 2 else before
        ordered = reversed(levels) if sweep % 2 else levels
        for level in ordered:
            level.sort(key=lambda node: _middle(neighbours[node.id], row, row[node.id]))
            row.update({node.id: place for place, node in enumerate(level)})
    return levels


def _middle(neighbours: Sequence[str], row: Mapping[str, int], own: int) -> float:
    rows = [row[neighbour] for neighbour in neighbours if neighbour in row]
    return sum(rows) / len(rows) if rows else own


def _paths(edges: Sequence[Edge], boxes: Mapping[str, Box]) -> list[str]:
    paths = []
    for edge in edges:
        source, target = boxes.get(edge.source), boxes.get(edge.target)
        if source is None or target is None:
            continue
        x1, y1 = source.x + WIDTH, source.y + HEIGHT / 2
        x2, y2 = target.x, target.y + HEIGHT / 2
        bend = GAP_X / 2
        paths.append(f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}")
    return paths
