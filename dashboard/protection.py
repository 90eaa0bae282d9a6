"""Guard every request and response of the app."""

from collections.abc import Callable

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from dashboard.access import Access, Failures

METHODS = ("GET", "HEAD", "OPTIONS")
OPEN_ENDPOINTS = frozenset({"static", "health.health"})  # shown to everybody
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex",
}
HSTS = "max-age=31536000"  # a year
STATIC_AGE = 3600  # seconds for which a browser may keep a stylesheet

Answer = AnyResponse | None


def protect(app: Flask, access: Access) -> None:
    """Let *app* answer only reading requests, over https, of those whom *access* admits."""
    failures = Failures()
    app.before_request(_refuse_writing)
    app.before_request(_redirect_to_https)
    app.before_request(_authenticator(access, failures))
    app.after_request(_add_headers)


def _refuse_writing() -> Answer:
    if request.method in METHODS:
        return None
    return _plain("The dashboard only reads: GET, HEAD, OPTIONS.", 405, Allow=", ".join(METHODS))


def _redirect_to_https() -> Answer:
    # Only a router in front says by which protocol the browser came.
    if "X-Forwarded-Proto" not in request.headers or request.is_secure:
        return None
    if request.endpoint == "health.health":
        return None  # whoever asks for it there wants an answer, and it tells nothing
    return redirect("https://" + request.url.partition("://")[2], 308)


def _authenticator(access: Access, failures: Failures) -> Callable[[], Answer]:
    def authenticate() -> Answer:
        if access.is_open or request.endpoint in OPEN_ENDPOINTS:
            return None
        address = request.remote_addr or ""
        wait = failures.wait(address)
        if wait > 0:
            later = str(int(wait) + 1)
            return _plain("Too many wrong passwords: wait a minute.", 429, Retry_After=later)
        given = request.authorization
        if given is not None and given.type == "basic":
            if access.admits(given.username or "", given.password or ""):
                return None
            failures.note(address)
        challenge = 'Basic realm="redis_tasks", charset="UTF-8"'
        return _plain("A username and a password are needed.", 401, WWW_Authenticate=challenge)

    return authenticate


def _plain(text: str, status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(text + "\n", status, named, mimetype="text/plain")


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint == "static" and response.status_code < 300:
        response.headers["Cache-Control"] = f"max-age={STATIC_AGE}"
    else:
        response.headers["Cache-Control"] = "no-store"
    if request.is_secure and "X-Forwarded-Proto" in request.headers:
        response.headers["Strict-Transport-Security"] = HSTS
    return response
