"""Give the templates their words: filters, addresses, what stands on every page."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

from flask import g, request, url_for
from flask.sansio.app import App

from dashboard import addresses, charts, drawings, queries, states, words
from dashboard.queries_zone import zone
from dashboard.shapes import Chart, Charts, Problem, ScheduleEntry

REFRESH_EVERY = 4  # seconds
LONGEST = 2048  # bytes of a text from data
NAVIGATION = (
    ("pages.overview", "Overview"),
    ("pages.running", "Running"),
    ("pages.failed", "Failed"),
    ("pages.finished", "Finished"),
    ("pages.workers", "Workers"),
    ("pages.schedule", "Schedule"),
    ("pages.history", "History"),
)
SINCE_LABELS = {
    "15m": "Last 15 minutes",
    "1h": "Last hour",
    "6h": "Last 6 hours",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
}
PROBLEM_KINDS = {
    "stuck": "Stuck",
    "failing": "Failing",
    "behind": "Falling behind",
    "scheduler": "Scheduler",
    "dead": "Dead",
}


def install(app: App) -> None:
    """Let the templates of *app* use all that is here."""
    app.url_map.converters["name"] = addresses.NameConverter
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(GLOBALS)
    app.context_processor(lambda: {"assets": assets(), "zone_name": str(zone())})


@cache
def assets() -> str:
    """Return a short text that changes with the stylesheet or the script."""
    digest = sha256()
    for path in sorted((Path(__file__).parent / "static").iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def query_with(**changes: Any) -> str:
    """Return the query of this page with some of its fields changed."""
    return addresses.changed(request.args.to_dict(), **changes)


def cut(text: str, longest: int = LONGEST) -> str:
    """Return *text* in at most *longest* bytes, ending in an ellipsis if something was cut off."""
    raw = text.encode(errors="backslashreplace")
    if len(raw) <= longest:
        return raw.decode()
    return raw[: longest - 3].decode(errors="ignore") + "…"


def exact(moment: datetime) -> str:
    """Return a whole moment, for a tooltip."""
    return f"{moment.astimezone(zone()):%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" {zone()}"


def arguments_of(call: str, func_name: str) -> str:
    """Return a call in words without its function: "(1, to='x')"."""
    return cut(call.removeprefix(func_name))


def anchor(name: str) -> str:
    """Return an id for an element of the page, the same for the same name."""
    return "x" + sha256(name.encode(errors="backslashreplace")).hexdigest()[:12]


def worker_number(worker_id: str) -> str:
    """Return "#3" for a worker among others of its process, else "#1"."""
    head, _, number = worker_id.rpartition("#")
    return f"#{number}" if head and number.isdigit() else "#1"


def address(problem: Problem) -> str:
    """Return where a person finds out more about a problem."""
    if problem.kind == "scheduler":
        return url_for("pages.schedule")
    if problem.kind == "failing":
        return url_for("pages.failed", function=problem.subject or None, since="1h")
    if problem.kind == "dead":
        return url_for("pages.workers")
    if problem.subject:
        return url_for("pages.queue", name=problem.subject)
    return url_for("pages.workers")


def is_dense(entry: ScheduleEntry, scale: drawings.Scale) -> bool:
    """Tell whether an entry has more ticks in the time of a strip than are known, or drawn."""
    ticks = entry.strip
    # The known ones end long before the strip does: as many would follow.
    return len(ticks) > 24 and ticks[-1] + 2 * (ticks[-1] - ticks[-2]) < scale.end


def node_state(status: str) -> str:
    """Return what the state of a graph's node is called: it may wait for other nodes."""
    return "To come" if status == "waiting" else states.label(status)


def block_words(block: drawings.Block) -> str:
    """Say what a bar of the history is."""
    state = states.label(block.status).lower()
    span = words.duration((block.end - block.start).total_seconds())
    if block.number > 1:
        return cut(f"{block.number:,} runs, {state}, within {span}", 400)
    return cut(f"{block.bar.func_name}, {state}, {span}", 400)


def block_address(block: drawings.Block) -> str:
    """Return the address of a bar's task; of several runs drawn as one, a closer look at them."""
    if block.number == 1:
        return _tasks_address() + addresses.write_name(block.bar.task_id)
    room = (block.end - block.start) / 10
    begin, end = block.start - room, block.end + room
    window = {"from": addresses.write_moment(begin), "to": addresses.write_moment(end)}
    return query_with(**window, last=None)


def _tasks_address() -> str:
    # Asked once a page: there may be a thousand bars, and each answer would take 10 us.
    if "tasks_address" not in g:
        g.tasks_address = url_for("pages.task", task_id="-").removesuffix("-")
    return str(g.tasks_address)


def chart_legend(past: Charts, name: str) -> Sequence[dict[str, str]]:
    """Return name, look and figure of each line of a chart."""
    chart: Chart = charts.select(past, name)
    return [
        {
            "name": series.name,
            "look": look,
            "figure": words.short_count(series.total) if chart.unit == "tasks" else "",
        }
        for series, look in zip(chart.series, charts.LOOKS[name], strict=False)
    ]


def chart_version(past: Charts, name: str) -> int:
    """Return a number that changes when the chart does: its picture is loaded anew then."""
    chart: Chart = charts.select(past, name)
    return crc32(repr((chart.moments[-1:], chart.series)).encode())


FILTERS = {
    "address": address,
    "ago": lambda moment: words.ago(moment, queries.now()),
    "anchor": anchor,
    "arguments_of": arguments_of,
    "block_address": block_address,
    "block_words": block_words,
    "clock": lambda moment: words.clock_time(moment, queries.now(), zone()),
    "count": words.count,
    "cut": cut,
    "duration": words.duration,
    "exact": exact,
    "is_dense": is_dense,
    "iso": addresses.write_moment,
    "node_state": node_state,
    "look": states.look,
    "module_of": words.module_of,
    "name_of": words.name_of,
    "plural": words.plural,
    "rate": words.rate,
    "short_count": words.short_count,
    "short_label": lambda text: text if len(text) <= 24 else f"{text[:11]}…{text[-12:]}",
    "size": words.size,
    "state": states.label,
    "worker_name": lambda text: cut(words.worker_name(text), 255),
    "worker_number": worker_number,
}
GLOBALS = {
    "chart_legend": chart_legend,
    "chart_names": charts.NAMES,
    "chart_of": charts.select,
    "chart_summary": charts.summary,
    "chart_title": charts.TITLES.__getitem__,
    "chart_version": chart_version,
    "navigation": NAVIGATION,
    "problem_kinds": PROBLEM_KINDS,
    "query_with": query_with,
    "refresh_every": REFRESH_EVERY,
    "since_choices": tuple(SINCE_LABELS.items()),
    "since_names": tuple(SINCE_LABELS),
    "ticks": lambda scale: drawings.ticks(scale, zone()),
}
