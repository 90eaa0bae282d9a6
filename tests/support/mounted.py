"""The dashboard within other apps, as a user would mount it: for gunicorn to serve."""

import gc
import os
from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Request, Response

from dashboard import create_app

WHO = "X-Who"  # the header that says who asks: staff, customer or nobody
APPS = ("admin", "auth", "contenttypes", "messages", "sessions")


@Request.application
def hello(_: Request) -> Response:
    return Response("the app around it")


@Request.application
def telling(_: Request) -> Response:
    """Tell how many objects the garbage collector passes over in this process."""
    return Response(str(gc.get_freeze_count()))


def below_a_prefix() -> Any:
    """Return an app that has the dashboard, with its own password, below a prefix."""
    return DispatcherMiddleware(hello, {"/tools/tasks": create_app()})


def in_django() -> Any:
    """Return a Django project that has the dashboard within its admin, without a database."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        SECRET_KEY=os.urandom(8).hex(),
        INSTALLED_APPS=[f"django.contrib.{name}" for name in APPS],
        MIDDLEWARE=["tests.support.mounted.who", "django.middleware.csrf.CsrfViewMiddleware"],
        ROOT_URLCONF="tests.support.django_urls",
        LOGGING_CONFIG=None,
    )
    django.setup()
    return WSGIHandler()


def who(get_response: Any) -> Any:
    """Let a header say who asks: a middleware of Django."""

    def middleware(request: Any) -> Any:
        asks = request.headers.get(WHO, "nobody")
        request.user = SimpleNamespace(is_active=asks != "nobody", is_staff=asks == "staff")
        return get_response(request)

    return middleware
