"""Graphs are drawn so that one sees what runs and what waits, however large they are."""

from xml.etree import ElementTree as ET

import pytest

from redis_tasks.contrib import graph_layers, graph_svg, graph_text
from redis_tasks.contrib.graph_node import STATES, GraphNode

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert('&\"]]>')</script>\x1b\x00\n\u2028"


def nodes_of(count: int, state: str = "waiting", func_name: str = "tasks.f") -> list[GraphNode]:
    nodes = [GraphNode("g", number, func_name, "default") for number in range(1, count + 1)]
    for node in nodes:
        node.state = state
    return nodes


def chain_of(count: int) -> set[tuple[int, int]]:
    return {(number, number + 1) for number in range(1, count)}


def test_a_node_stands_behind_the_longest_way_to_it() -> None:
    ordered, layers = graph_layers.order(4, {(1, 2), (2, 3), (1, 3), (4, 3)})

    assert ordered.index(3) == 3
    assert layers[1:] == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("pairs", "circle"),
    [
        ({(1, 2), (2, 3)}, []),
        ({(1, 1)}, [1, 1]),
        ({(1, 2), (2, 3), (3, 2), (3, 4)}, [2, 3, 2]),
    ],
)
def test_a_circle_is_found(pairs: set[tuple[int, int]], circle: list[int]) -> None:
    assert graph_layers.find_circle(4, pairs) == circle


def test_many_predecessors_are_counted() -> None:
    text = graph_text.draw("title", nodes_of(9), {(number, 9) for number in range(1, 9)})

    assert text.splitlines()[-1] == "  9  tasks.f  waiting    after 1, 2, 3, 4, 5 and 3 more"


def test_a_long_chain_is_summarised() -> None:
    lines = graph_text.draw("title", nodes_of(10_000), chain_of(10_000)).splitlines()

    assert len(lines) <= 3 + graph_text.MOST_ROWS
    assert lines[3].split() == ["layers", "1-334", "334", "tasks.f", "334", "waiting"]


@pytest.mark.parametrize("count", [3, 500])
def test_svg_needs_no_style_and_no_script(count: int) -> None:
    drawn = ET.fromstring(graph_svg.draw(NASTY, nodes_of(count, func_name=NASTY), chain_of(count)))

    found = list(drawn.iter())
    assert not [e for e in found if e.tag in (f"{SVG}style", f"{SVG}script")]
    assert not [name for e in found for name in e.attrib if name == "style" or name[:2] == "on"]
    assert {e.tag for e in found} == {
        SVG + t for t in ("svg", "title", "g", "rect", "text", "line")
    }
    assert not [e for e in found if set(e.text or "") & set("\x1b\x00\u2028")]


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_look_of_its_own_words(state: str) -> None:
    drawn = graph_svg.draw("title", nodes_of(1, state), set())

    assert f'class="node {state}"' in drawn
    assert f"1: {state}" in drawn


def test_a_wide_layer_is_summarised() -> None:
    drawn = graph_svg.draw("title", nodes_of(40), {(number, 40) for number in range(1, 40)})

    assert drawn.count("<rect") == 2
    assert "layer 1: 39 tasks, tasks.f" in drawn


def test_a_dependency_is_not_hidden_by_the_boxes_between() -> None:
    drawn = graph_svg.draw("title", nodes_of(3), {(1, 2), (2, 3), (1, 3)})

    assert (drawn.count("<line"), drawn.count("<path")) == (2, 1)


@pytest.mark.parametrize("count", [3, 500])
def test_no_text_is_wider_than_its_box(count: int) -> None:
    name = "shop.a_module_with_a_long_name.fetch_the_prices_of_all_parcels"
    drawn = ET.fromstring(graph_svg.draw("title", nodes_of(count, func_name=name), set()))

    for box in drawn.iter(f"{SVG}g"):
        width = float(box.findall(f"{SVG}rect")[0].attrib["width"])
        texts = [text.text or "" for text in box.findall(f"{SVG}text")]
        assert all(len(text) * 7.7 < width - 10 for text in texts)  # pixels in a wide font
        if count == 3:
            assert texts[0].endswith("prices_of_all_parcels")
        else:
            assert texts[0].startswith("layer 1: 500 tasks, shop.a_module")


def test_a_damaged_graph_is_drawn_all_the_same() -> None:
    circle = {(1, 2), (2, 1)}

    assert "tasks.f" in graph_text.draw("title", nodes_of(2), circle)
    assert "tasks.f" in graph_svg.draw("title", nodes_of(2), circle)
    assert graph_svg.draw("title", [], set()).startswith("<svg ")
    assert graph_text.draw("title", [], set()).startswith("title")
