"""Show the dashboard within a Django project: to whom its admin lets in.

In the project's ``urls.py``, before the admin's own paths::

    path("admin/tasks/", include("dashboard.django"))
"""

from functools import cache

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import re_path
from flask import Flask
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Response

from dashboard.access import Access
from dashboard.app import create_app


@cache
def _app() -> Flask:
    return create_app(Access.decided_elsewhere())


def view(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer what the dashboard answers; whoever calls it has decided who may see that."""
    prefix = request.path[: len(request.path) - len(path)].rstrip("/")
    builder = EnvironBuilder(
        path=f"/{path}",
        base_url=f"{request.scheme}://{request.get_host()}{prefix}",
        query_string=request.META.get("QUERY_STRING", ""),
        method=request.method or "GET",
        headers=[("Accept", request.headers.get("Accept", "*/*"))],
    )
    found = Response.from_app(_app(), builder.get_environ(), buffered=True)
    answer = HttpResponse(found.get_data(), status=found.status_code)
    for name, value in found.headers.items():
        answer.headers[name] = value
    return answer


urlpatterns = [
    re_path(r"^(?P<path>.*)$", admin.site.admin_view(view), name="redis_tasks_dashboard")
]
