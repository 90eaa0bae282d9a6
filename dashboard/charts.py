"""Draw the charts: as SVG, which the pages show as pictures.

A picture runs no script, loads nothing and is styled by itself alone, so it lives with a strict
Content-Security-Policy; by ``prefers-color-scheme`` it is dark where the page is.
"""

import re
import sys
from datetime import datetime, tzinfo
from functools import lru_cache
from xml.etree import ElementTree as ET

import pygal  # type: ignore[import-untyped]
from pygal.style import Style  # type: ignore[import-untyped]

from dashboard import words
from dashboard.shapes import Chart, Charts

# It looks for plugins (maps) at every import from now on, in a way that Python 3.11 warns of.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

NAMES = ("throughput", "failures", "waiting", "running")
TITLES = {
    "throughput": "Throughput",
    "failures": "Failures",
    "waiting": "Waiting time",
    "running": "Run time",
}
WIDTH, HEIGHT = 350, 158  # pixels, at which its text has the size of the page's small print
NAMED = {"hour": 15, "day": 6 * 60, "week": 24 * 60}  # minutes between two moments with a name
TASKS = tuple(base * 10**power for power in range(15) for base in (1, 2, 5))
SECONDS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 20, 30, 60, 120, 360, 720, 1440, 4320, 14400)),
)

# Of each chart: the looks of its series in their order; the second is drawn above the first.
LOOKS = {
    "throughput": ("quiet", "good"),
    "failures": ("bad", "warn"),
    "waiting": ("main", "quiet"),
    "running": ("main", "quiet"),
}

FONT = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'
STYLE = """
text { fill: #5c6470; stroke: none; font-variant-numeric: tabular-nums }
text.no_data { text-anchor: middle }
.graph > .background, .plot > .background { fill: none }
.axis.x text { text-anchor: middle }
.axis.y text { text-anchor: end }
.axis .line, .axis .guide.line { stroke: #e6e8ec; fill: none; stroke-width: 1 }
.axis.x .guides .guide.line, .axis.x > .line { opacity: 0 }
.tooltip, .text-overlay { visibility: hidden }
.series .line { stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round }
.series .bars rect { stroke: none }
.good { stroke: #16845b; fill: #16845b } .bad { stroke: #c8323c; fill: #c8323c }
.warn { stroke: #b26a00; fill: #b26a00 } .main { stroke: #3357c9; fill: #3357c9 }
.quiet { stroke: #9aa3b2; fill: #9aa3b2 }
@media (prefers-color-scheme: dark) {
  text { fill: #a2a9b5 }
  .axis .line, .axis .guide.line { stroke: #2c313a }
  .good { stroke: #4cc38a; fill: #4cc38a } .bad { stroke: #ff7b7f; fill: #ff7b7f }
  .warn { stroke: #f0b355; fill: #f0b355 } .main { stroke: #8aa4ff; fill: #8aa4ff }
  .quiet { stroke: #6b7482; fill: #6b7482 }
}
.series > .line { fill: none }
.series.area > .line { fill: inherit; fill-opacity: .12; stroke: none }
"""


def select(charts: Charts, name: str) -> Chart:
    """Return the chart of that name, one of ``NAMES``."""
    chart: Chart = getattr(charts, name)
    return chart


def summary(charts: Charts, name: str) -> str:
    """Say in words what a chart shows, for those who cannot see it."""
    chart = select(charts, name)
    said = []
    for series in chart.series:
        known = [value for value in series.values if value is not None]
        if not known:
            said.append(f"{series.name}: nothing")
        elif chart.unit == "tasks":
            said.append(f"{series.name}: {sum(known):,.0f}, at most {max(known):,.0f} at once")
        else:
            said.append(f"{series.name}: at most {words.duration(max(known))}")
    return f"{TITLES[name]} over the last {charts.span}. {'; '.join(said) or 'Nothing yet'}."


def draw(charts: Charts, name: str, zone: tzinfo) -> bytes:
    """Return the chart of that name as SVG."""
    chart = select(charts, name)
    return _drawn(name, charts.span, chart, zone)


@lru_cache(maxsize=32)
def _drawn(name: str, span: str, chart: Chart, zone: tzinfo) -> bytes:
    is_stack = name == "failures"
    labels = [_label(moment.astimezone(zone), span, chart.step) for moment in chart.moments]
    plot = (pygal.StackedBar if is_stack else pygal.Line)(
        width=WIDTH,
        height=HEIGHT,
        margin=4,
        margin_right=16,
        css=[f"inline:{STYLE}"],
        js=[],
        style=Style(
            font_family=FONT, label_font_size=11, major_label_font_size=11, no_data_font_size=13
        ),
        no_prefix=True,
        show_legend=False,
        show_dots=False,
        print_values=False,
        allow_interruptions=True,
        truncate_label=-1,
        x_labels=labels,
        x_labels_major=[label for label in labels if label],
        show_minor_x_labels=False,
        no_data_text="Nothing in this time",
    )
    if chart.series:
        plot.y_labels = scale(chart)
        plot.range = (0, plot.y_labels[-1])
    plot.value_formatter = words.short_count if chart.unit == "tasks" else words.duration
    looks = []
    for series, look in zip(chart.series, LOOKS[name], strict=False):
        if not is_stack and look != "quiet":
            plot.add(series.name, [value or 0 for value in series.values], fill=True)
            looks.append(f"{look} area")
        plot.add(series.name, list(series.values))
        looks.append(look)
    return _cleaned(plot.render_tree(), looks)


def scale(chart: Chart) -> list[float]:
    """Return the numbers beside a chart: from 0 in even, round steps over its largest value."""
    known = [[value or 0 for value in series.values] for series in chart.series]
    is_stacked = [series.name for series in chart.series] == ["failed", "requeued"]
    columns = [sum(column) for column in zip(*known, strict=True)] if is_stacked else []
    most = max([*columns, *(value for values in known for value in values)], default=0)
    steps = TASKS if chart.unit == "tasks" else SECONDS
    step = next((step for step in steps if most <= 3 * step), most / 3)
    return [step * number for number in range(max(1, -int(-most // step)) + 1)]


def _label(moment: datetime, span: str, step: float) -> str:
    """Return what stands below a moment; nothing below most of them."""
    minutes = moment.hour * 60 + moment.minute
    if minutes % NAMED[span] >= max(1, step / 60):
        return ""
    return f"{moment:%a %d}" if span == "week" else f"{moment:%H:%M}"


def _cleaned(tree: ET.Element, looks: list[str]) -> bytes:
    """Give the series their looks; take out what a picture cannot use: scripts, remarks."""
    for parent in list(tree.iter()):
        for child in list(parent):
            if child.tag in ("script", "title", "desc", ET.Comment):
                parent.remove(child)
        number = re.match(r"series serie-(\d+)", parent.get("class", ""))
        if number:
            parent.set("class", f"series {looks[int(number[1])]}")
    tree.attrib.pop("id", None)
    picture: bytes = ET.tostring(tree, encoding="utf-8")
    return picture
