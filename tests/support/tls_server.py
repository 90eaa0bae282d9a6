"""A Redis behind TLS: the server's own TLS where it was built with it, else a proxy before it."""

import subprocess
from functools import cache
from pathlib import Path

from development.ports import free_port
from development.redis_server import find_server
from tests.support.certificates import context_of
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer


@cache
def has_tls(program: Path) -> bool:
    """Tell whether a redis-server was built with TLS: then it misses its certificate."""
    asked = [str(program), "--port", "0", "--tls-port", str(free_port())]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
    return "Failed to configure TLS" in said.stdout


class TlsServer:
    """Listens at `url` with the certificate and key in *certificate*; ends by `close()`."""

    def __init__(self, certificate: Path, *, password: str = "") -> None:
        self.password = password
        self._proxy: Proxy | None = None
        own = has_tls(find_server())
        self.port = free_port() if own else 0
        options = _options(certificate, self.port) if own else {}
        if password:
            options["requirepass"] = password
        self.redis = RedisServer(options=options)
        self.redis.start()
        if not own:
            self._proxy = Proxy(self.redis.socket, tls=context_of(certificate))
            self._proxy.start()
            self.port = self._proxy.port

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"rediss://{login}localhost:{self.port}"

    def close(self) -> None:
        if self._proxy is not None:
            self._proxy.stop()
        self.redis.close()


def _options(certificate: Path, port: int) -> dict[str, str]:
    return {
        "tls-port": str(port),
        "tls-cert-file": str(certificate),
        "tls-key-file": str(certificate),
        "tls-ca-cert-file": str(certificate),
        "tls-auth-clients": "no",
    }
