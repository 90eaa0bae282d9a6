"""Answer in JSON: what the pages show, under ``/api/``."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException, InternalServerError

from dashboard import api_parameters, openapi, queries, shapes
from dashboard.api_parameters import (
    BY,
    FILTER,
    FROM,
    FUNCTION,
    GROUPED,
    IN_QUEUE,
    PAGE,
    QUEUE,
    SIZE,
    SPAN,
    TO,
    Parameter,
    WrongParameter,
    as_filter,
)

Values = dict[str, Any]
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # end of a window


@dataclass(frozen=True)
class Route:
    """One path of the API; *answer* takes the parameters, those of the path among them."""

    path: str
    what: str
    shape: Any
    parameters: tuple[Parameter, ...]
    answer: Callable[[Values], Any]
    may_miss: bool = False  # it answers 404 for what is not there


def _history(values: Values) -> shapes.HistoryPage:
    end = max(values["to"] or queries.now(), EARLIEST)
    start = values["from"] or end - timedelta(hours=1)
    start = min(max(start, end - api_parameters.LONGEST_WINDOW), end)
    return queries.history(start, end, values["by"])


def _list(ask: Callable[..., Any]) -> Callable[[Values], Any]:
    return lambda values: ask(values["page"], as_filter(values), values["size"])


ROUTES = (
    Route(
        "/overview",
        "Queues, workers, problems, charts.",
        shapes.Overview,
        (SPAN,),
        lambda values: queries.overview(values["span"]),
    ),
    Route(
        "/statistics",
        "What was counted: charts of everything, of a queue, of a function.",
        shapes.Charts,
        (SPAN, QUEUE, FUNCTION),
        lambda v: queries.charts(v["span"], queue=v["queue"], function=v["function"]),
    ),
    Route(
        "/queues/<name:name>",
        "One queue with the tasks that wait in it, next first.",
        shapes.QueuePage,
        (PAGE, SIZE, *IN_QUEUE),
        lambda v: queries.queue(v["name"], v["page"], as_filter(v), v["size"]),
        may_miss=True,
    ),
    Route(
        "/running",
        "The tasks that run, those first that have run for longest.",
        shapes.TasksPage,
        (PAGE, SIZE, *FILTER),
        _list(queries.running),
    ),
    Route(
        "/finished",
        "The finished tasks that are kept, newest first.",
        shapes.TasksPage,
        (PAGE, SIZE, *FILTER),
        _list(queries.finished),
    ),
    Route(
        "/failed",
        "The failed tasks that are kept, newest first, with the groups of failures.",
        shapes.FailedPage,
        (PAGE, SIZE, *GROUPED),
        _list(queries.failed),
    ),
    Route(
        "/tasks/<name:task_id>",
        "Everything about one task.",
        shapes.TaskPage,
        (),
        lambda values: queries.task(values["task_id"]),
        may_miss=True,
    ),
    Route(
        "/tasks/<name:task_id>/arguments",
        "The arguments of a task, whole.",
        shapes.Text,
        (),
        lambda values: queries.text(values["task_id"], "arguments"),
        may_miss=True,
    ),
    Route(
        "/tasks/<name:task_id>/error",
        "The error of a task, whole.",
        shapes.Text,
        (),
        lambda values: queries.text(values["task_id"], "error"),
        may_miss=True,
    ),
    Route(
        "/tasks/<name:task_id>/meta",
        "The meta of a task, whole.",
        shapes.Text,
        (),
        lambda values: queries.text(values["task_id"], "meta"),
        may_miss=True,
    ),
    Route(
        "/workers",
        "The live workers with what they run.",
        shapes.WorkersPage,
        (),
        lambda _: queries.workers(),
    ),
    Route(
        "/schedule",
        "The entries of the schedule, the processes that keep it.",
        shapes.SchedulePage,
        (),
        lambda _: queries.schedule(),
    ),
    Route(
        "/history",
        "Who ran what when.",
        shapes.HistoryPage,
        (FROM, TO, BY),
        _history,
    ),
    Route(
        "/graphs/<name:graph_id>",
        "A graph with the states of its tasks.",
        shapes.GraphPage,
        (),
        lambda values: queries.graph(values["graph_id"]),
        may_miss=True,
    ),
)
blueprint = Blueprint("api", __name__, url_prefix="/api")


def _view(route: Route) -> Callable[..., Response | tuple[Response, int]]:
    def view(**names: str) -> Response | tuple[Response, int]:
        values = api_parameters.read(route.parameters, request.args)
        found = route.answer({**values, **names})
        if found is None:
            return _refusal("There is no such thing (any more).", 404)
        return jsonify(found)

    return view


for _number, _route in enumerate(ROUTES):
    blueprint.add_url_rule(_route.path, f"route_{_number}", _view(_route), methods=["GET"])


@blueprint.get("/openapi.json")
def document() -> Response:
    """Describe all of it, in OpenAPI 3.1."""
    root = request.script_root + "/api"
    closed = not current_app.config["DASHBOARD_IS_OPEN"]
    return jsonify(openapi.document(ROUTES, root, closed=closed))


@blueprint.get("/<path:path>")
def unknown(path: str) -> tuple[Response, int]:
    return _refusal(f"There is no /api/{path:.100}: see /api/openapi.json.", 404)


def _refusal(why: str, status: int) -> tuple[Response, int]:
    return jsonify({"error": why}), status


@blueprint.errorhandler(WrongParameter)
def wrong(error: WrongParameter) -> tuple[Response, int]:
    return _refusal(str(error), 400)


@blueprint.errorhandler(queries.RedisAway)
def away(error: queries.RedisAway) -> tuple[Response, int]:
    last = error.last_answer.isoformat() if error.last_answer else None
    return jsonify({"error": f"Redis does not answer: {error}", "last_answer": last}), 503


@blueprint.errorhandler(InternalServerError)  # or the pages would answer for it
@blueprint.errorhandler(HTTPException)
def refused(error: HTTPException) -> tuple[Response, int]:
    return _refusal(error.description or error.name, error.code or 500)
