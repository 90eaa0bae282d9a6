"""Fills a Redis with a busy past, through the real scripts: what the dashboard shows is real.

The scripts' clock is driven by hand, from some time ago up to this moment.
"""

import random
import time
import uuid
from dataclasses import dataclass, field

from redis_tasks import codec
from redis_tasks.conf import connection
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import Claimed, NewTask, Settlement
from tests.support.altered_scripts import hand_driven_clock
from tests.support.store_view import CLOCK

QUEUES = ("default", "mail", "reports")
DYNOS = {"worker.1": 4, "worker.2": 4, "mailer.1": 2}
TRACEBACK = """Traceback (most recent call last):
  File "/app/.venv/lib/python3.13/site-packages/redis_tasks/execution.py", line 77, in run
    outcome = execution.execute(task)
  File "/app/shop/{module}.py", line 84, in {name}
    document = fetch(source, timeout=20)
  File "/app/.venv/lib/python3.13/site-packages/tenacity/__init__.py", line 338, in call
    return copy(function, *args, **kwargs)
  File "/app/shop/sources.py", line 27, in fetch
    raise {short}(reason)
{error}"""


@dataclass(frozen=True)
class Kind:
    """A sort of task: how often it comes (in a hundred), how long it takes (s), how it fails."""

    path: str
    queue: str
    often: int
    takes: float
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    fails: float = 0.0
    is_reentrant: bool = True


KINDS = (
    Kind("shop.mail.send_receipt", "mail", 34, 0.4, ("ada@example.com",), {"order": 48213}),
    Kind("shop.images.resize", "default", 26, 1.8, ("uploads/2f/9c41.jpg", [320, 640, 1280])),
    Kind("shop.search.reindex_product", "default", 20, 0.7, (90417,)),
    Kind(
        "shop.payments.charge", "default", 12, 2.2, (), {"order": 48213, "amount": "19.99"},
        (
            "shop.gateway.CardDeclined: the issuer answered 'insufficient funds'",
            "httpx.ReadTimeout: The read operation timed out",
        ),
        0.12, False,
    ),
    Kind(
        "shop.reports.monthly_statement", "reports", 5, 46.0, ("2026-10",), {"format": "pdf"},
        ("KeyError: 'vat_rate'",), 0.2,
    ),
    Kind(
        "shop.feeds.import_supplier", "reports", 3, 90.0, ("northwind",), {},
        ("xml.etree.ElementTree.ParseError: not well-formed (invalid token): line 8812",),
        0.25,
    ),
)  # fmt: skip


class Past:
    """Drives the scripts through the past; *random* decides what happens."""

    def __init__(self, seed: int = 5) -> None:
        self.random = random.Random(seed)
        self.now = 0
        self.requests: dict[str, int] = {}
        self.under_way: list[tuple[int, Claimed, str]] = []  # until when, what, on which dyno

    def at(self, moment: int) -> None:
        """Let it be *moment* (ms since 1970)."""
        self.now = moment
        connection.set(CLOCK, moment)

    def register(self) -> None:
        for name, workers in DYNOS.items():
            client.run(scripts.register(name, f"{name}.31", self._queues(name), workers))
            self.requests[name] = 0

    def renew(self) -> None:
        for name in DYNOS:
            runs = [
                (c.task_id, c.worker_id, c.run) for _, c, dyno in self.under_way if dyno == name
            ]
            client.run(scripts.renew(name, runs))

    def enqueue(self, kind: Kind) -> str:
        kwargs = {**kind.kwargs}
        if "order" in kwargs:
            kwargs["order"] = self.random.randint(48000, 49000)
        task_id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        arguments = codec.encode_call(kind.args, kwargs)
        new = NewTask(task_id, kind.path, arguments, kind.is_reentrant, 600)
        client.run(scripts.enqueue(kind.queue, [new]))
        return task_id

    def claim(self, name: str) -> None:
        """Let the free workers of a dyno take what waits."""
        busy = {claimed.worker_id for _, claimed, _ in self.under_way}
        free = [w for w in self._workers(name) if w not in busy]
        if not free:
            return
        self.requests[name] += 1
        call = scripts.claim(name, self.requests[name], self._queues(name), free)
        for claimed in client.run(call) or []:
            kind = kind_of(claimed.func_name)
            took = self.random.lognormvariate(0, 0.5) * kind.takes * 1000
            self.under_way.append((self.now + int(took) + 1, claimed, name))

    def claim_all(self) -> None:
        for name in DYNOS:
            self.claim(name)

    def settle(self) -> None:
        """End the runs whose time is over."""
        over = [run for run in self.under_way if run[0] <= self.now]
        self.under_way = [run for run in self.under_way if run[0] > self.now]
        if over:
            client.run(scripts.settle(self._outcome(claimed) for _, claimed, _ in over))

    def interrupt(self, name: str) -> None:
        """Deploy: what runs on a dyno goes back to its queue."""
        cut = [claimed for _, claimed, dyno in self.under_way if dyno == name]
        self.under_way = [run for run in self.under_way if run[2] != name]
        why = ("interrupt", "interrupted", "Interrupted by a shutdown of its worker")
        ends = [Settlement(run.task_id, run.worker_id, run.run, *why) for run in cut]
        client.run(scripts.settle(ends))

    def _outcome(self, claimed: Claimed) -> Settlement:
        kind, key = kind_of(claimed.func_name), (claimed.task_id, claimed.worker_id, claimed.run)
        if self.random.random() >= kind.fails:
            return Settlement(*key, "finish")
        error = self.random.choices(kind.errors, range(len(kind.errors), 0, -1))[0]
        module, name = kind.path.split(".")[1:]
        short = error.partition(":")[0].rpartition(".")[2]
        text = TRACEBACK.format(module=module, name=name, error=error, short=short)
        return Settlement(*key, "fail", "exception", text)

    @staticmethod
    def _queues(name: str) -> list[str]:
        return ["mail"] if name.startswith("mailer") else ["default", "reports"]

    @staticmethod
    def _workers(name: str) -> list[str]:
        return [f"{name}#{number}" for number in range(1, DYNOS[name] + 1)]


def kind_of(path: str) -> Kind:
    return next(kind for kind in KINDS if kind.path == path)


def fill(minutes: int = 70, rate: float = 40.0, seed: int = 5) -> Past:
    """Live through the last *minutes*, with *rate* tasks a minute; its workers are still alive."""
    past = Past(seed)
    end = time.time_ns() // 1_000_000
    with hand_driven_clock():
        _live(past, end - minutes * 60_000, end, rate)
        _write_notes(past)
    connection.delete(CLOCK)
    return past


def _live(past: Past, start: int, end: int, rate: float) -> None:
    past.at(start)
    past.register()
    weights = [kind.often for kind in KINDS]
    moment, minute = start, 0
    deploys = [start + (end - start) * part // 8 for part in (3, 5, 7)]
    while moment < end:
        # Busy and quiet times take turns.
        pace = rate * (0.6, 1.0, 1.5)[(moment - start) // 420_000 % 3]
        arrival = moment + int(past.random.expovariate(pace) * 60_000) + 1
        while past.under_way and min(past.under_way)[0] < min(arrival, end):
            past.at(min(past.under_way)[0])
            past.settle()
            past.claim_all()
        moment = arrival
        if moment >= end:
            break
        past.at(moment)
        past.enqueue(past.random.choices(KINDS, weights)[0])
        past.claim_all()
        if (moment - start) // 60_000 > minute:
            minute = (moment - start) // 60_000
            client.run(scripts.summarize())
            past.renew()
        if deploys and moment > deploys[0]:
            deploys.pop(0)
            for name in DYNOS:
                past.interrupt(name)
    past.at(end)
    past.renew()


def _write_notes(past: Past) -> None:
    for _, claimed, _ in past.under_way:
        notes = codec.encode({"pages": 17, "of": 60}, "meta")
        client.run(scripts.save_meta(claimed.task_id, claimed.worker_id, claimed.run, notes))
