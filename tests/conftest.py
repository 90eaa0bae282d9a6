"""Fixtures: a real redis-server for each test process, settings of a test's own, real workers."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from click.testing import CliRunner, Result

from redis_tasks.cli import main
from redis_tasks.conf import connection, settings
from redis_tasks.store import client
from tests.support import django_project, store_calls
from tests.support.certificates import Certificates, make_certificates
from tests.support.ledger import PATH_VARIABLE, Ledger
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer
from tests.support.worker_process import WorkerProcess
from tests.support.written_module import MARKED

# Three numbers compress time; everything else is derived from them.
FAST = {
    "WORKER_HEARTBEAT_FREQ": 0.5,
    "WORKER_HEARTBEAT_TIMEOUT": 4,
    "SHUTDOWN_TIMEOUT": 5,
    "MAINTENANCE_FREQ": 1,
}

# Run in the background or by nohup: what the tests start would inherit that these are ignored.
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

StartWorker = Callable[..., WorkerProcess]
StartServer = Callable[..., RedisServer]
StartProxy = Callable[..., Proxy]
UseSettings = Callable[..., None]
WriteModule = Callable[..., None]
Run = Callable[..., Result]
Command = Callable[..., WorkerProcess]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The server that the tests of this process share: leave it as you found it."""
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator["redis.Redis"]:
    """A plain client of the shared server, which is emptied after the test."""
    with redis_server.client() as client:
        yield client
        client.flushall()


@pytest.fixture
def settings_for_test(redis_url: str, redis_client: "redis.Redis") -> Iterator[dict[str, Any]]:
    """Settings of the test's own, in force; the test may put more into force by `override`."""
    values = {**FAST, "REDIS_URL": redis_url, "REDIS_PREFIX": f"test-{uuid4().hex[:8]}"}
    with settings.override(**values):
        forget_connections()
        yield values
        forget_connections()


@pytest.fixture
def use_settings(settings_for_test: dict[str, Any]) -> Iterator[UseSettings]:
    """Put more settings into force for the rest of the test: `use_settings(REDIS_URL=...)`."""
    with contextlib.ExitStack() as stack:

        def use(**values: Any) -> None:
            stack.enter_context(settings.override(**values))
            forget_connections()

        yield use
        forget_connections()


def forget_connections() -> None:
    """Have this process connect anew, wherever the settings say by then."""
    connection.reset()
    client.use(None)


@pytest.fixture
def registered(settings_for_test: dict[str, Any]) -> None:
    """Have the supervisor of ``store_calls`` registered."""
    store_calls.register()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """What the test's tasks did, in whatever process."""
    path = tmp_path / "ledger"
    monkeypatch.setenv(PATH_VARIABLE, str(path))
    return Ledger(path)


@pytest.fixture
def start_worker(settings_for_test: dict[str, Any], ledger: Ledger) -> Iterator[StartWorker]:
    """Start workers with the test's settings: `start_worker("--concurrency", "2", MAX_CRASHES=1)`.

    Returns once the worker says that it has started, unless `wait=False`. After the test all its
    processes are killed; one that outlived a worker which had ended by itself is a failure.
    """
    workers: list[WorkerProcess] = []

    def start(
        *arguments: str,
        wait: bool = True,
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
        **values: Any,
    ) -> WorkerProcess:
        worker = WorkerProcess(
            {**settings_for_test, **values}, arguments, environment=environment, stdout=stdout
        )
        workers.append(worker)
        if wait:
            worker.wait_line(r"Worker .* started", 20)
        return worker

    yield start
    leaked = [line for worker in workers for line in worker.close()]
    assert not leaked, f"these outlived their worker: {leaked}"


@pytest.fixture
def start_redis() -> Iterator[StartServer]:
    """Start a server of the test's own, which it may kill: `start_redis(aof=True, tcp=True)`."""
    servers: list[RedisServer] = []

    def start(**how: Any) -> RedisServer:
        server = RedisServer(**how)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def start_proxy(redis_server: RedisServer) -> Iterator[StartProxy]:
    """Start a proxy before the shared server, or another one: `start_proxy(server.socket)`."""
    proxies: list[Proxy] = []

    def start(target: Path | int | None = None, **how: Any) -> Proxy:
        proxy = Proxy(redis_server.socket if target is None else target, **how)
        proxies.append(proxy)
        proxy.start()
        return proxy

    yield start
    for proxy in proxies:
        proxy.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RT_SETTINGS_MODULE", "REDIS_URL", "DYNO"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write_module(tmp_path: Path) -> Iterator[WriteModule]:
    """Write modules into a folder that can be imported from: `write_module("acme.tasks", text)`.

    They leave a file beside them when they are imported; see `imported`.
    """
    known = set(sys.modules)
    folder = tmp_path / "library"
    folder.mkdir()

    def write(name: str, text: str = MARKED, within: Path = folder) -> None:
        *packages, last = name.split(".")
        for package in packages:
            within /= package
            within.mkdir(exist_ok=True)
            (within / "__init__.py").touch()
        trace = f"\nopen({str(tmp_path / name)!r}, 'w').close()\n"
        (within / f"{last}.py").write_text(trace + text)

    sys.path.insert(0, str(folder))
    yield write
    sys.path.remove(str(folder))
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.fixture
def run(settings_for_test: dict[str, Any]) -> Run:
    """Run a command in this process: `run("info", "--by-queue")`."""

    def call(*arguments: str, **how: Any) -> Result:
        result = CliRunner().invoke(main, arguments, prog_name="redis_tasks", **how)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return call


@pytest.fixture
def command(settings_for_test: dict[str, Any]) -> Iterator[Command]:
    """Start a command in a process of its own: `command("info", REDIS_URL=...)`."""
    started: list[WorkerProcess] = []

    def start(name: str, *arguments: str, how: Any = None, **values: Any) -> WorkerProcess:
        process = WorkerProcess(
            {**settings_for_test, **values}, arguments, command=name, **(how or {})
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()


@pytest.fixture(scope="session")
def _django_is_set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("django")
    django_project.set_up(folder)
    return folder


@pytest.fixture
def django_site(
    _django_is_set_up: Path, settings_for_test: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The project of tests/django_site in this process, its two databases empty."""
    monkeypatch.delenv("RT_SETTINGS_MODULE", raising=False)
    with django_project.in_force():
        yield
        django_project.delete_rows()
