"""Where the parts of drawings stand."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from dashboard import charts, drawings, graph_drawing
from dashboard.shapes import (
    Bar,
    Chart,
    Charts,
    Edge,
    GraphPage,
    HistoryPage,
    Lane,
    Node,
    Segment,
    Series,
)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def past(*values: float | None, unit: str = "tasks") -> Chart:
    moments = tuple(NOW + number * MINUTE for number in range(len(values)))
    return Chart(moments, 60, unit, (Series("a", values), Series("b", values)))


def test_a_life_is_drawn_to_scale() -> None:
    segments = [
        Segment("waiting", NOW, NOW + MINUTE, "waited"),
        Segment("running", NOW + MINUTE, None, "runs"),
    ]

    drawn = drawings.timeline(segments, NOW + 4 * MINUTE)

    assert drawn is not None
    assert [(piece.at, piece.width) for piece in drawn[1]] == [(0, 25), (25, 75)]
    assert drawings.timeline([], NOW) is None


@pytest.mark.parametrize("seconds", [0.004, 1, 59, 3600, 80_000, 604800, 86400 * 60])
def test_a_scale_names_a_few_round_moments(seconds: float) -> None:
    scale = drawings.Scale(NOW, NOW + timedelta(seconds=seconds))

    ticks = drawings.ticks(scale, UTC)

    assert 2 <= len(ticks) <= 10
    assert len({tick.label for tick in ticks}) == len(ticks)
    assert all(0 <= tick.at <= 100 for tick in ticks)


def test_what_is_too_fine_is_drawn_as_one_and_leads_closer() -> None:
    runs = [
        Bar(str(n), "f", "finished", NOW + n * MINUTE / 600, NOW + (n + 1) * MINUTE / 600)
        for n in range(4_000)
    ]
    alone = Bar("x", "f", "failed", NOW + 30 * MINUTE, NOW + 40 * MINUTE)
    page = HistoryPage(NOW, NOW, NOW + 60 * MINUTE, "worker", (Lane("w", (*runs, alone)),))

    ((_, blocks),) = drawings.lanes(page)

    assert len(blocks) < 1000
    assert sum(block.number for block in blocks) == 4001
    (failed,) = [block for block in blocks if block.status == "failed"]
    assert (failed.number, failed.at, failed.width) == (1, 50, 16.667)


def test_a_graph_runs_from_left_to_right() -> None:
    nodes = (Node("a", "a", "finished"), Node("b", "b", "queued", level=1), Node("c", "c", "x"))
    page = GraphPage(NOW, "g", "running", nodes, (Edge("a", "b"), Edge("c", "b"), Edge("a", "?")))

    drawn = graph_drawing.draw(page)

    places = {box.node.id: (box.x, box.y) for box in drawn.boxes}
    assert places["a"][0] == places["c"][0] < places["b"][0]
    assert len({tuple(place) for place in places.values()}) == 3
    assert len(drawn.paths) == 2


@pytest.mark.parametrize("name", charts.NAMES)
@pytest.mark.parametrize("values", [(), (None, None), (0, 0), (1, None, 7), (1e9, 0.001)])
def test_a_chart_is_a_picture_without_a_script(name: str, values: tuple[float | None]) -> None:
    unit = "seconds" if name in ("waiting", "running") else "tasks"
    chart = past(*values, unit=unit)
    found = Charts("hour", chart, chart, chart, chart)

    picture = charts.draw(found, name, UTC)

    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(picture).iter()}
    assert "script" not in tags
    assert b"http" not in picture.replace(b"http://www.w3.org/", b"")
    assert b"prefers-color-scheme:dark" in picture.replace(b" ", b"")
    assert charts.TITLES[name] in charts.summary(found, name)


def test_the_numbers_beside_a_chart_are_round() -> None:
    assert charts.scale(past(7)) == [0, 5, 10]
    assert charts.scale(past(0)) == [0, 1]
    assert charts.scale(past(95, unit="seconds")) == [0, 60, 120]
