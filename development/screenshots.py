"""Makes the README's pictures of the dashboard: `python -m development.screenshots`.

Starts a Redis with an hour of a made-up shop's past, then the demo's worker with its feeder, and
takes the pictures in a headless Chromium. Needs the test extra: run bin/test once.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from werkzeug.serving import make_server

from dashboard.access import Access
from dashboard.app import create_app
from development.processes import tied_to_us
from development.redis_server import EmbeddedRedis
from redis_tasks.registries import failed_task_registry, finished_task_registry
from tests.support.browser import Tab, running_browser
from tests.support.busy_redis import Past, fill
from tests.support.waiting import wait_until

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WIDTH, HEIGHT = 1280, 860
LARGEST = 200_000  # bytes
DEMO = (
    ["-m", "redis_tasks", "worker", "--concurrency", "3"],
    ["-m", "redis_tasks", "scheduler"],
    ["-m", "demo.feeder"],
)


def main() -> None:
    """Write docs/images/dashboard-*.png."""
    with tempfile.TemporaryDirectory() as folder:
        redis = EmbeddedRedis(Path(folder))
        redis.start()
        os.environ.update(REDIS_URL=redis.url, RT_SETTINGS_MODULE="demo.settings")
        try:
            past = fill(minutes=75, rate=52)
            before = finished_task_registry.count()
            with alive(past), demo(os.environ), served() as address:
                wait_until(lambda: finished_task_registry.count() > before + 2, 60)
                take_all(address)
        finally:
            redis.stop()


@contextlib.contextmanager
def alive(past: Past) -> Iterator[None]:
    """Let the workers of the past go on giving signs of life for the time of a ``with`` block."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(2):
            past.renew()

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def demo(environment: Mapping[str, str]) -> Iterator[None]:
    """Run the demo's processes for the time of a ``with`` block."""
    started = [
        subprocess.Popen(tied_to_us([sys.executable, *words]), env=environment) for words in DEMO
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(40)


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Serve the dashboard for the time of a ``with`` block; give its address."""
    server = make_server("127.0.0.1", 0, create_app(Access(is_elsewhere=True)), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def take_all(address: str) -> None:
    failed = failed_task_registry.get_tasks()
    shown = next((task for task in failed if task.aborted_runs), failed[-1])
    with running_browser() as browser:
        for name, path, scheme in (
            ("overview", "/", "light"),
            ("failed", "/failed", "light"),
            ("task", f"/task/{shown.id}", "dark"),
            ("history", "/history?last=15m", "light"),
        ):
            tab = Tab(browser, address, width=WIDTH, color_scheme=scheme)
            tab.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
            tab.open(path).wait_for_load_state("networkidle")
            file = IMAGES / f"dashboard-{name}.png"
            tab.page.screenshot(path=file)
            tab.close()
            print(f"{file.name}: {file.stat().st_size:,} bytes")
            if file.stat().st_size > LARGEST:
                raise SystemExit(f"{file.name} has over {LARGEST:,} bytes: make it smaller")


if __name__ == "__main__":
    main()
