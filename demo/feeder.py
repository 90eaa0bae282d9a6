"""Keeps the demo lively: `python -m demo.feeder` enqueues tasks until it is stopped."""

import functools
import http.server
import itertools
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from demo import tasks
from redis_tasks import Queue, Task
from redis_tasks.registries import worker_registry

HERE = Path(__file__).parent
TEXTS = sorted((HERE / "texts").glob("*.txt"))
PAUSE = 2.0  # seconds between two tasks
REST = 12.0  # seconds between two rounds, in which an idle worker can be seen
RETRY = 1.0  # seconds to wait for a Redis that is not there
FULL = 20  # no more is enqueued behind this many waiting tasks

logger = logging.getLogger("demo.feeder")

Enqueue = Callable[[Queue], object]


class TextServer(http.server.SimpleHTTPRequestHandler):
    """Serves the texts, so that there is a page to fetch without a network."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing: the task that fetched the page does."""


def main() -> None:
    """Enqueue until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    address = serve_texts()
    pause = 0.0
    calls = endless_mix(address)
    while not stopped.wait(pause):
        pause = feed(Queue(), calls)


def serve_texts() -> str:
    """Serve demo/texts on a free local port; return the address."""
    handler = functools.partial(TextServer, directory=str(HERE / "texts"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def endless_mix(address: str) -> Iterator[Enqueue | None]:
    """Yield what to enqueue next; None where the workers shall have a rest."""
    for number in itertools.count():
        text = TEXTS[number % len(TEXTS)]
        if number % 3 == 0:
            yield enqueue_report
        yield call(tasks.print_len_of_url_content, f"{address}/{text.name}")
        yield call(tasks.count_words, *map(str, TEXTS[: number % len(TEXTS) + 1]))
        yield call(tasks.ask_warehouses, "bicycles", ["Aachen", "Bremen", "Zwickau"])
        yield call(tasks.charge, f"customer {number}", "19.99" if number % 2 else "nineteen")
        yield None


def call(function: Callable[..., object], *args: object) -> Enqueue:
    return lambda queue: queue.enqueue_call(function, args)


def enqueue_report(queue: Queue) -> None:
    """Enqueue the slow task, unless one is under way: perhaps one that was interrupted."""
    under_way = [*worker_registry.get_running_tasks().values(), *queue.get_task_ids()]
    if not any(task.func_name.endswith("write_report") for task in Task.fetch_many(under_way)):
        queue.enqueue_call(tasks.write_report, [f"report of {time.strftime('%H:%M:%S')}"])


def feed(queue: Queue, calls: Iterator[Enqueue | None]) -> float:
    """Enqueue the next task; return how many seconds to pause."""
    try:
        if queue.count() >= FULL:
            logger.info("%s tasks are waiting: no more for now", queue.count())
            return REST
        enqueue = next(calls)
        if enqueue is None:
            return REST
        enqueue(queue)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        logger.info("Redis cannot be reached, trying again: %s", error)
        return RETRY
    return PAUSE


if __name__ == "__main__":
    main()
