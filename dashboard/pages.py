"""Answer with pages: each view asks one question, shows it with one template."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, render_template, request
from werkzeug.exceptions import InternalServerError, NotFound

from dashboard import (
    addresses,
    charts,
    drawings,
    graph_drawing,
    history_window,
    presentation,
    queries,
)
from dashboard.queries_zone import zone
from dashboard.shapes import SPANS, Dyno, Filter

blueprint = Blueprint("pages", __name__)
blueprint.record(lambda state: presentation.install(state.app))

# A picture is styled by itself alone; opened by its own address, it may still do nothing else.
CHART = f"/chart/<any({', '.join(SPANS)}):span>/<any({', '.join(charts.NAMES)}):name>.svg"
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
MOST_DYNOS = 24  # on the first page
MISSING = {
    "task": (
        "There is no such task (any more)",
        "Tasks that are over are forgotten by age, number and size; a cancelled one is gone.",
    ),
    "queue": ("There is no such queue", "A queue appears when the first task is put into it."),
    "graph": ("There is no such graph (any more)", "Graphs are forgotten like their tasks."),
}


def _show(template: str, page: Any, **more: Any) -> str:
    if page is None:
        abort(404)
    return render_template(template, page=page, **more)


def _wanted(**fixed: str) -> Filter:
    query: Mapping[str, str] = {**request.args.to_dict(), **fixed}
    with queries.reading():
        return addresses.read_filter(query, queries.now())


def _interest(dyno: Dyno) -> tuple[object, ...]:
    return (not dyno.is_dead, not dyno.is_late, -dyno.busy, dyno.description)


@blueprint.get("/")
def overview() -> str:
    page = queries.overview(addresses.read_span(request.args))
    waiting = [queue for queue in page.queues if queue.latency is not None]
    slowest = max(waiting, key=lambda queue: queue.latency or 0, default=None)
    return _show(
        "overview.html",
        page,
        dynos=sorted(page.dynos, key=_interest)[:MOST_DYNOS],
        longest_wait=slowest.latency if slowest else None,
        longest_wait_in=slowest.name if slowest else "",
        is_new=not (page.queues or page.totals.finished or page.totals.failed),
    )


@blueprint.get("/queue/<name:name>")
def queue(name: str) -> str:
    wanted = _wanted(queue="")
    page = queries.queue(name, addresses.read_page(request.args), wanted)
    past = queries.charts(addresses.read_span(request.args), queue=name) if page else None
    return _show("queue.html", page, wanted=wanted, charts=past)


@blueprint.get("/running")
def running() -> str:
    wanted = _wanted()
    page = queries.running(addresses.read_page(request.args), wanted)
    return _show("running.html", page, wanted=wanted, queues=queries.queue_names())


@blueprint.get("/failed")
def failed() -> str:
    wanted = _wanted()
    pages = [addresses.read_page(request.args, name) for name in ("page", "groups")]
    page = queries.failed(pages[0], wanted, groups_page=pages[1])
    return _show("failed.html", page, wanted=wanted, queues=queries.queue_names())


@blueprint.get("/finished")
def finished() -> str:
    wanted = _wanted()
    page = queries.finished(addresses.read_page(request.args), wanted)
    return _show("finished.html", page, wanted=wanted, queues=queries.queue_names())


@blueprint.get("/task/<name:task_id>")
def task(task_id: str) -> str:
    page = queries.task(task_id)
    timeline = drawings.timeline(page.segments, page.taken_at) if page else None
    return _show("task.html", page, timeline=timeline)


@blueprint.get("/task/<name:task_id>/<any(arguments, error, meta):name>")
def text(task_id: str, name: str) -> Response:
    found = queries.text(task_id, name)
    if found is None:
        abort(404)
    return Response(found.shown.encode(errors="backslashreplace"), mimetype="text/plain")


@blueprint.get("/workers")
def workers() -> str:
    return _show("workers.html", queries.workers())


@blueprint.get("/schedule")
def schedule() -> str:
    page = queries.schedule()
    scale = drawings.Scale(page.taken_at, page.taken_at + SPANS["day"])
    ticks = drawings.ticks(scale, zone())
    return _show("schedule.html", page, day_scale=scale, day_ticks=ticks)


@blueprint.get("/history")
def history() -> str:
    with queries.reading():
        window = history_window.read(request.args, queries.now())
    by = addresses.read_choice(request.args, "by", ("worker", "function"))
    page = queries.history(window.start, window.end, by)
    return _show(
        "history.html",
        page,
        lanes=drawings.lanes(page),
        number_of_bars=sum(len(lane.bars) for lane in page.lanes),
        scale_ticks=drawings.ticks(drawings.Scale(page.start, page.end), zone()),
        windows=history_window.CHOICES,
        chosen_window=window.name,
        moves=history_window.moves(window),
    )


@blueprint.get("/graph/<name:graph_id>")
def graph(graph_id: str) -> str:
    page = queries.graph(graph_id)
    if page is None:
        abort(404)
    statuses = [node.status for node in page.nodes]
    counts = [(status, statuses.count(status)) for status in dict.fromkeys(statuses)]
    return _show("graph.html", page, drawing=graph_drawing.draw(page), node_counts=counts)


@blueprint.get(CHART)
def chart(span: str, name: str) -> Response:
    past = queries.charts(span, queue=request.args.get("queue", ""))
    response = Response(charts.draw(past, name, zone()), mimetype="image/svg+xml")
    response.headers["Content-Security-Policy"] = PICTURE_POLICY
    return response


@blueprint.app_errorhandler(queries.RedisAway)
def away(error: queries.RedisAway) -> tuple[str, int, dict[str, str]]:
    page = render_template("away.html", cause=str(error), last=error.last_answer)
    return page, 503, {"Retry-After": "5"}


@blueprint.app_errorhandler(NotFound)
def missing(error: NotFound) -> tuple[str, int] | NotFound:
    if request.path.startswith("/api"):
        return error
    kind = (request.endpoint or "").removeprefix("pages.")
    title, words = MISSING.get(kind, ("There is no such page", ""))
    return render_template("missing.html", title=title, text=words), 404


@blueprint.app_errorhandler(InternalServerError)
def broken(_: InternalServerError) -> tuple[str, int]:
    title, words = "This page could not be made", "An error of the dashboard: its log says which."
    return render_template("missing.html", title=title, text=words), 500
