"""The platform's smallest Redis: 25 MB, 20 connections, TLS with a self-signed certificate."""

import secrets
from collections import Counter
from pathlib import Path

from tests.support.certificates import context_of
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer

MEMORY = 25_000_000  # bytes
CONNECTIONS = 20
IDLE = 300  # seconds after which the server closes a connection that waits for nothing
OURS = 10  # connections beside the app's: who watches is not to take the place of who is watched


class SmallestPlan:
    """It keeps nothing on disk, refuses CONFIG, and drops connections over its limit.

    *certificate* is a file with a self-signed one and its key.
    """

    def __init__(self, certificate: Path, *, memory: int = MEMORY, idle: int = IDLE) -> None:
        password = "p" + secrets.token_hex(32)
        options = {
            "requirepass": password,
            "maxmemory": str(memory),
            "maxmemory-policy": "noeviction",
            "maxclients": str(CONNECTIONS + OURS),
            "timeout": str(idle),
        }
        self.memory = memory
        self.redis = RedisServer(options=options)
        self.redis.start()
        self.door = Proxy(self.redis.socket, tls=context_of(certificate), limit=CONNECTIONS)
        self.door.start()
        self.url = f"rediss://:{password}@localhost:{self.door.port}"
        self.private_url = f"unix://:{password}@{self.redis.socket}"
        self.observer = self.redis.client(socket_keepalive=True)
        self.observer.execute_command("ACL", "SETUSER", "default", "-config")

    def connections(self) -> Counter[str]:
        """Return how many connections of ours are open now, by their names."""
        found = Counter(client["name"] for client in self.observer.client_list())
        return Counter({name: count for name, count in found.items() if name})

    def memory_now(self) -> tuple[int, int]:
        """Return the bytes that are used now, and the most that ever were."""
        found = self.observer.info("memory")
        return int(found["used_memory"]), int(found["used_memory_peak"])

    def close(self) -> None:
        self.observer.close()
        self.door.stop()
        self.redis.close()
