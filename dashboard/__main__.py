"""Serve the dashboard by itself: ``python -m dashboard``, for a look at it on one's own machine.

It listens on ``HOST`` (127.0.0.1) and ``PORT`` (5000).
"""

import gc
import os
import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from dashboard.app import create_app


class Server(BaseApplication):
    """gunicorn with the options that a single person needs, whatever file lies around."""

    def __init__(self, app: Flask, address: str) -> None:
        self._app = app
        self._address = address
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": self._address,
            "worker_class": "gthread",
            "threads": 4,
            "graceful_timeout": 5,
            "limit_request_line": 8190,
            "forwarder_headers": "",
            "control_socket_disable": True,
            "accesslog": None,
            "loglevel": "warning",
            "when_ready": _spare,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        return self._app


def _spare(_server: object) -> None:
    """Keep the garbage collector away from what is loaded, as ``gunicorn.conf.py`` does."""
    gc.collect()
    gc.freeze()


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    app = create_app()
    host, port = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "5000")
    print(f"The dashboard is at http://{host}:{port}/", flush=True)
    sys.argv = sys.argv[:1]
    Server(app, f"{host}:{port}").run()


if __name__ == "__main__":
    main()
