"""A local HTTP server that takes what is reported to it."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Collector:
    """Hands each request to `take`. With *mute* it takes requests and never answers."""

    def __init__(self, *, mute: bool = False) -> None:
        self.raw = b""
        self._closed = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(mute=mute))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._http.server_port

    def take(self, body: bytes, port: int) -> None:
        """Keep what came over the connection from the client's *port*."""

    def close(self) -> None:
        self._closed.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def _handler(self, *, mute: bool) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if mute:
                    collector._closed.wait(30)
                    self.close_connection = True
                    return
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.raw += body
                collector.take(body, self.client_address[1])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                """Be quiet."""

        return Handler
