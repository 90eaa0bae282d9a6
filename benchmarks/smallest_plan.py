"""Put the smallest plan to the proof: 25 MB and 20 connections for 32 workers, and deploys.

    .venv/bin/python -m benchmarks.smallest_plan [--tasks 1000000] [--deploys 3]

First Redis is filled until it refuses; then 4 worker dynos with 8 workers each empty it, while
tasks enqueue others, as many as asked for; some deploys come in between.
"""

import argparse
import contextlib
import shlex
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import smallest_plan_tasks
from benchmarks.smallest_plan_tasks import HANDFUL, LEDGER
from tests.support.certificates import make_certificates
from tests.support.deployed_app import DeployedApp
from tests.support.deployment import ROOT
from tests.support.dyno import Ending
from tests.support.router import Visitor
from tests.support.smallest_plan import MEMORY, SmallestPlan
from tests.support.waiting import wait_until

WORKERS = 4  # dynos
CONCURRENCY = 8
BUDGET = 13  # connections: 2 a worker dyno, 1 the scheduler, 2 each of two web processes
FAILED = "] failed"  # in a log
WINDOWS = 4  # visitors of the dashboard at a time
CHAINS = 8  # tasks at a time that enqueue others
LINGER = 3  # seconds for which each old dyno stays at a deploy
FIRST = 10_000_000  # number of the first task that another task enqueues
QUEUE, LEASES = "redis_tasks:q:default", "redis_tasks:leases:default"
LONGEST = 3600  # seconds for everything


@dataclass
class Figures:
    """What was seen; times in seconds, memory in bytes."""

    limit: int
    steady: int = 0  # most connections outside of deploys
    during_deploys: int = 0
    by_name: Counter[str] = field(default_factory=Counter)  # the steady ones
    turned_away: int = 0  # connections over the plan's limit
    full_at: int = 0  # tasks in the queue when Redis refused
    full_release: int | None = None  # exit code of the release phase then
    most_memory: int = 0
    drained_in: float = 0.0
    tasks: int = 0
    seconds: float = 0.0
    lost: int = 0
    twice: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    endings: list[Ending] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: float = 0.0


class Watch:
    """Looks at Redis ten times a second."""

    def __init__(self, store: SmallestPlan, figures: Figures) -> None:
        self.deploying = False
        self.waiting = self.running = 0
        self.idle = 0  # looks in a row at which nothing waited or ran
        self._store = store
        self._figures = figures
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def _look(self) -> None:
        door, client = self._store.door, self._store.observer
        while not self._enough.wait(0.1):
            self.waiting, self.running = client.zcard(QUEUE), client.zcard(LEASES)
            self.idle = 0 if self.waiting + self.running else self.idle + 1
            self._figures.most_memory = max(self._figures.most_memory, *self._store.memory_now())
            most, door.most_accepted = door.most_accepted, door.accepted
            if self.deploying:
                self._figures.during_deploys = max(self._figures.during_deploys, most)
            else:
                self._figures.steady = max(self._figures.steady, most)
                found = self._store.connections()
                if found.total() > self._figures.by_name.total():
                    self._figures.by_name = found

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        self._thread.start()
        yield
        self._enough.set()
        self._thread.join()

    @contextlib.contextmanager
    def a_deploy(self) -> Iterator[None]:
        """Count connections apart, until those of the old dynos are gone."""
        self.deploying = True
        yield
        with contextlib.suppress(AssertionError):  # then they count as steady
            wait_until(lambda: self._store.door.accepted <= BUDGET, 5)
        self._store.door.most_accepted = 0
        self.deploying = False


def run(
    tasks: int,
    deploys: int,
    folder: Path,
    *,
    memory: int = MEMORY,
    finished: int = 10_000,
    tell: Callable[[str], None] = lambda _: None,
) -> Figures:
    """Do all of it, with files in *folder*; *tasks* are those that other tasks enqueue.

    *finished* is how many tasks are kept that have finished.
    """
    figures = Figures(memory)
    store = SmallestPlan(make_certificates(folder).self_signed_file, memory=memory)
    config = {
        "RT_SETTINGS_MODULE": smallest_plan_tasks.__name__,
        "WORKER_CONCURRENCY": str(CONCURRENCY),
        "FINISHED_TASKS_MAX": str(finished),
        LEDGER: str(folder / "ledger"),
    }
    app = DeployedApp(ROOT, store, folder, config)
    watch = Watch(store, figures)
    try:
        with watch.watching(), Visitor(app.router, WINDOWS) as visitor:
            filled = _fill(app, tasks, figures, tell)
            _work(app, watch, deploys, figures, tell)
        figures.endings += app.scale()
        figures.answers = Counter((answer.path, answer.status) for answer in visitor.answers)
        figures.slowest = max(answer.seconds for answer in visitor.answers)
        figures.turned_away = store.door.turned_away
        # Failed tasks make room for finished ones: the registry would not have them all.
        figures.failed = sum(log.read_text().count(FAILED) for log in folder.glob("*worker*.log"))
        _read(folder / "ledger", [range(filled), range(FIRST, FIRST + tasks)], figures)
    finally:
        app.close()
        store.close()
    return figures


def _one_off(app: DeployedApp, *words: object) -> str:
    program = f"from {smallest_plan_tasks.__name__} import main; main{words}"
    dyno = app.start("run.1", f"python -c {shlex.quote(program)}")
    if dyno.wait_exit(LONGEST) != 0:
        raise RuntimeError(dyno.text())
    return "".join(dyno.lines()[-1:])


def _fill(app: DeployedApp, tasks: int, figures: Figures, tell: Callable[[str], None]) -> int:
    """Enqueue without a worker until Redis refuses; return how many numbers it took."""
    app.scale(web=1, scheduler=1)
    app.wait_up()
    _one_off(app, "seed", FIRST, FIRST + tasks, CHAINS)
    filled = int(_one_off(app, "fill", 0, FIRST))
    figures.full_at = app.store.observer.zcard(QUEUE)
    figures.full_release = app.release().exit_code
    tell(f"full with {figures.full_at:,} tasks at {app.store.memory_now()[0]:,} bytes")
    return filled


def _work(
    app: DeployedApp, watch: Watch, deploys: int, figures: Figures, tell: Callable[[str], None]
) -> None:
    """Let the workers empty Redis and go on, with deploys in between."""
    ledger = Path(app.config[LEDGER])
    began = time.monotonic()
    app.scale(web=1, scheduler=1, worker=WORKERS)
    app.wait_up()
    wait_until(lambda: watch.waiting < 2 * CHAINS * HANDFUL, LONGEST)
    figures.drained_in = time.monotonic() - began
    tell(f"drained in {figures.drained_in:.0f} s, {figures.most_memory:,} bytes at most")
    for number in range(deploys):
        _deploy(app, watch, ledger, number, figures)
        tell(f"deploy {number + 1}: {figures.during_deploys} connections at most")
    wait_until(lambda: watch.idle >= 5, LONGEST)
    figures.seconds = time.monotonic() - began
    # Idle workers have two connections each; busy ones that never wait for tasks have one.
    wait_until(lambda: figures.by_name["redis_tasks.worker"] == 2 * WORKERS, 60)
    figures.crashed += [dyno.text() for dyno in app.dynos if dyno.exit_code is not None]


def _deploy(app: DeployedApp, watch: Watch, ledger: Path, number: int, figures: Figures) -> None:
    """Deploy while each old dyno has a task that lets it stay for a while."""
    lingering = 2 * WORKERS
    figures.crashed += [dyno.text() for dyno in app.dynos if dyno.exit_code is not None]
    with watch.a_deploy():
        _one_off(app, "linger", lingering, LINGER)
        wait_until(lambda: words(ledger)["lingering"] >= lingering * (number + 1), 60)
        figures.endings += app.deploy()
        app.wait_up()


def words(ledger: Path) -> Counter[str]:
    """Return how often each line that is not a number is in the ledger."""
    return Counter(line for line in ledger.read_text().splitlines() if not line.isdigit())


def _read(ledger: Path, expected: list[range], figures: Figures) -> None:
    counted = Counter(int(line) for line in ledger.read_text().splitlines() if line.isdigit())
    figures.tasks = len(counted)
    figures.twice = counted.total() - len(counted)
    figures.lost = sum(number not in counted for numbers in expected for number in numbers)
    for line, count in words(ledger).items():
        if line.startswith("refused "):
            figures.refused[line.removeprefix("refused ")] += count


def report(figures: Figures) -> str:
    """Return what was seen, a line each."""
    killed = sum(ending.was_killed for ending in figures.endings)
    codes = Counter(ending.code for ending in figures.endings)
    slowest_end = max(ending.seconds for ending in figures.endings)
    answers = ", ".join(
        f"{path} {status}: {count:,}" for (path, status), count in sorted(figures.answers.items())
    )
    names = ", ".join(f"{count} {name}" for name, count in sorted(figures.by_name.items()))
    refused = ", ".join(f"{name} {count:,}" for name, count in figures.refused.items())
    return f"""\
connections, steady     {figures.steady} ({names})
connections, deploying  {figures.during_deploys} of 20; turned away: {figures.turned_away:,}
memory                  {figures.most_memory:,} bytes at most, of {figures.limit:,}
full                    with {figures.full_at:,} tasks; the release phase then: exit code \
{figures.full_release}
refused enqueues        {refused or "none"}
emptied                 in {figures.drained_in:.0f} s
tasks                   {figures.tasks:,} in {figures.seconds:.0f} s, \
{figures.tasks / figures.seconds:,.0f} a second
lost, twice, failed     {figures.lost}, {figures.twice}, {figures.failed}
dynos ended             {len(figures.endings)}: exit codes {dict(codes)}, killed {killed}, \
after {slowest_end:.1f} s at most
dynos crashed           {len(figures.crashed)}
pages                   {answers}; slowest {figures.slowest:.1f} s"""


def main() -> None:
    """Measure on this machine alone; takes minutes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=1_000_000, help="that tasks enqueue")
    parser.add_argument("--deploys", type=int, default=3, help="while they run")
    parser.add_argument("--memory", type=int, default=MEMORY, help="bytes that Redis has")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(
            given.tasks,
            given.deploys,
            Path(folder),
            memory=given.memory,
            tell=lambda text: print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True),
        )
    print(report(figures))


if __name__ == "__main__":
    main()
