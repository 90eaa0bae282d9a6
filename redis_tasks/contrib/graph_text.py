"""Draw a graph as text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from redis_tasks.contrib import graph_layers
from redis_tasks.contrib.graph_layers import Pairs
from redis_tasks.contrib.graph_node import STATES, GraphNode
from redis_tasks.logs import escaped

MOST_LINES = 60  # tasks that are drawn one by one
MOST_ROWS = 30  # that a summary has
MOST_NAMES = 5  # that stand in one place


def draw(title: str, nodes: Sequence[GraphNode], pairs: Pairs) -> str:
    """Return lines: the title, how many are in which state, then what depends on what."""
    lines = [title, told_counts(nodes), ""]
    single = len(nodes) <= MOST_LINES
    lines += _single_lines(nodes, pairs) if single else _summary(nodes, pairs)
    return "\n".join(line.rstrip() for line in lines)


def told_counts(nodes: Iterable[GraphNode]) -> str:
    """Return how many nodes are in which state, as text."""
    found = Counter(node.state for node in nodes)
    return ", ".join(f"{found[state]:,} {state}" for state in STATES if found[state])


def told_functions(nodes: Iterable[GraphNode]) -> str:
    """Return which functions nodes call, the most frequent ones first, as text."""
    found = Counter(node.func_name for node in nodes).most_common()
    return _listed([escaped(name) for name, _ in found])


def rows(nodes: Sequence[GraphNode], pairs: Pairs) -> list[tuple[str, list[GraphNode]]]:
    """Return the layers in words with their nodes, several in one where they are very many."""
    _, layers = graph_layers.order(len(nodes), pairs)
    by_layer: dict[int, list[GraphNode]] = {}
    for node in nodes:
        by_layer.setdefault(layers[node.number], []).append(node)
    ordered = [by_layer[layer] for layer in sorted(by_layer)]
    each = -(-len(ordered) // MOST_ROWS)
    found = []
    for first in range(0, len(ordered), each):
        some = ordered[first : first + each]
        words = f"layers {first + 1}-{first + len(some)}" if each > 1 else f"layer {first + 1}"
        found.append((words, [node for layer in some for node in layer]))
    return found


def _single_lines(nodes: Sequence[GraphNode], pairs: Pairs) -> Iterator[str]:
    before: dict[int, list[str]] = {node.number: [] for node in nodes}
    for first, second in sorted(pairs):
        before[second].append(str(first))
    names = [escaped(node.func_name) for node in nodes]
    widest = max((len(name) for name in names), default=0)
    digits = len(str(len(nodes)))
    for node, name in zip(nodes, names, strict=True):
        after = f"after {_listed(before[node.number])}" if before[node.number] else ""
        yield f"  {node.number:>{digits}}  {name:<{widest}}  {node.state:<9}  {after}"


def _summary(nodes: Sequence[GraphNode], pairs: Pairs) -> Iterator[str]:
    found = rows(nodes, pairs)
    widest = max(len(words) for words, _ in found)
    names = [told_functions(members) for _, members in found]
    name_width = max(map(len, names))
    for (words, members), name in zip(found, names, strict=True):
        count = f"{len(members):,}"
        yield f"  {words:<{widest}}  {count:>7}  {name:<{name_width}}  {told_counts(members)}"


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(words[:MOST_NAMES])
    more = len(words) - MOST_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown
