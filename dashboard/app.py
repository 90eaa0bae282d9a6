"""Make the dashboard's WSGI app."""

import logging
import os
import time
from contextlib import ExitStack

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard import api, health, metrics, pages, queries
from dashboard.access import Access
from dashboard.json_values import as_json
from dashboard.protection import OPEN_ENDPOINTS, protect

logger = logging.getLogger("redis_tasks.dashboard")

OPEN = (
    "DASHBOARD_PUBLIC=1: EVERYBODY who can reach this dashboard sees all tasks, with their"
    " arguments. No password is asked for."
)


def create_app(access: Access | None = None) -> Flask:
    """Return the app; *access* is what the environment says, unless given.

    All its URLs are relative to where it is mounted (``SCRIPT_NAME``). Raises ``Unprotected``, a
    ``SystemExit``, if nothing says who may see it; ``SettingsError`` for wrong settings.
    """
    if access is None:
        access = Access.from_environment(os.environ)
    queries.prepare()
    if access.is_public:
        logger.warning(OPEN)  # on standard error, where logging is not set up
    app = Flask("dashboard")
    # Both are of Flask's default provider.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.default = as_json  # type: ignore[attr-defined]
    app.config["DASHBOARD_IS_PUBLIC"] = access.is_public
    app.config["DASHBOARD_IS_OPEN"] = access.is_open
    app.before_request(_begin)
    protect(app, access)
    app.after_request(_tell_time)
    app.teardown_request(_end)
    for part in (pages, api, metrics, health):
        app.register_blueprint(part.blueprint)
    # The router in front sets these, last of all; the host it does not.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_port=1, x_host=0)  # type: ignore[method-assign]
    return app


def _begin() -> None:
    """Let everything that this request asks Redis share one time limit, one present moment."""
    g.began = time.perf_counter()
    g.open_until_the_end = ExitStack()
    g.reading = g.open_until_the_end.enter_context(queries.reading())


def _tell_time(response: Response) -> Response:
    if request.endpoint not in OPEN_ENDPOINTS and response.status_code not in (401, 429):
        taken = (time.perf_counter() - g.began) * 1000
        redis = f'redis;desc="{g.reading.trips} round trips";dur={g.reading.seconds * 1000:.1f}'
        response.headers["Server-Timing"] = f"{redis}, total;dur={taken:.1f}"
    return response


def _end(_: BaseException | None) -> None:
    if "open_until_the_end" in g:
        g.open_until_the_end.close()
