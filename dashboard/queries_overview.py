"""Read from Redis how the queues are."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from dashboard import queries_schedule, queries_statistics, words
from dashboard.queries_reading import ask, now
from dashboard.queries_statistics import by_function, by_queue
from dashboard.shapes import Dyno, Problem, QueueLine
from redis_tasks import clock, keys
from redis_tasks.conf import settings
from redis_tasks.statistics import Counts

RATE_MINUTES = 5  # over which rates are taken, the present minute excluded
MANY_FAILURES = 3  # of a function in the last hour, below which it is no matter
FAILING = 0.2  # share of a function's runs
LONG_WAIT = 60.0  # seconds
NONE = Counts()


def queue_lines(names: Sequence[str], dynos: Iterable[Dyno]) -> tuple[QueueLine, ...]:
    """Return the queues of these names as lines; *dynos* are those that live."""
    sizes = ask(
        command
        for name in names
        for command in (("ZCARD", keys.queue(name)), ("ZCARD", keys.leases(name)))
    )
    ages = _ages([name for name, size in zip(names, sizes[::2], strict=True) if size])
    parts = queries_statistics.last_hour()
    hour, minutes = by_queue(parts), by_queue(parts[-RATE_MINUTES - 1 : -1])
    serving = Counter(name for dyno in dynos for name in dyno.queues for _ in dyno.workers)
    return tuple(
        QueueLine(
            name=name,
            waiting=sizes[2 * i] or 0,
            running=sizes[2 * i + 1] or 0,
            latency=ages.get(name),
            rate_in=_rate(minutes, name, "enqueued") if parts else None,
            rate_out=_rate(minutes, name, "finished", "failed") if parts else None,
            failed_last_hour=hour.get(name, NONE).failed if parts else None,
            workers=serving[name],
        )
        for i, name in enumerate(names)
    )


def _ages(names: Sequence[str]) -> dict[str, float]:
    """Return for how long the oldest task of each queue has waited.

    That is the first one, the first of those enqueued normally, or the last of those that were
    pushed to the front.
    """
    ends = ask(
        command
        for name in names
        for key in [keys.queue(name)]
        for command in (
            ("ZRANGE", key, 0, 0),
            ("ZRANGE", key, 0, "+inf", "BYSCORE", "LIMIT", 0, 1),
            ("ZRANGE", key, "(0", "-inf", "BYSCORE", "REV", "LIMIT", 0, 1),
        )
    )
    oldest = [(names[i // 3], ids[0]) for i, ids in enumerate(ends) if ids]
    since = ask(("HGET", keys.task(raw.decode(errors="replace")), "enq") for _, raw in oldest)
    ages: dict[str, float] = {}
    for (name, _), raw in zip(oldest, since, strict=True):
        age = _age(raw)
        if age is not None:
            ages[name] = max(age, ages.get(name, 0.0))
    return ages


def _age(raw: bytes | None) -> float | None:
    try:
        moment = clock.from_ms(raw)
    except ValueError:
        return None
    return None if moment is None else max(0.0, (now() - moment).total_seconds())


def _rate(counts: dict[str, Counts], name: str, *what: str) -> float:
    found = counts.get(name, NONE)
    return float(sum(getattr(found, each) for each in what)) / RATE_MINUTES


def unserved(queues: Iterable[QueueLine]) -> tuple[QueueLine, ...]:
    """Return the queues in which tasks wait that no live worker serves."""
    return tuple(queue for queue in queues if queue.waiting and not queue.workers)


def problems(queues: Sequence[QueueLine], dynos: Iterable[Dyno]) -> tuple[Problem, ...]:
    """Return what a person should look at, the worst first."""
    stuck = unserved(queues)
    behind = [queue for queue in queues if queue not in stuck and _is_behind(queue)]
    return (
        *map(_stuck, stuck),
        *(_dead(dyno) for dyno in dynos if dyno.is_dead),
        *_without_scheduler(),
        *_failing(),
        *map(_behind, behind),
    )


def _stuck(queue: QueueLine) -> Problem:
    return Problem("stuck", f"has {queue.waiting:,} waiting, and no worker serves it", queue.name)


def _dead(dyno: Dyno) -> Problem:
    since = dyno.last_beat_at
    silent = words.duration((now() - since).total_seconds()) if since else "long"
    text = f"gave no sign of life for {silent}, and no other worker has taken over from it"
    return Problem("dead", text, dyno.description)


def _without_scheduler() -> Iterator[Problem]:
    number = len(settings.SCHEDULE)
    if number and not queries_schedule.has_leader():
        entries = words.plural(number, "entry", "entries")
        yield Problem("scheduler", f"No scheduler is alive, so {entries} will not come due")


def _failing() -> Iterator[Problem]:
    for function, counts in by_function(queries_statistics.last_hour()).items():
        ended = counts.failed + counts.finished
        if counts.failed >= MANY_FAILURES and counts.failed >= FAILING * ended:
            who = "" if function else "Functions beyond those that are told apart "
            text = f"{who}failed in {counts.failed:,} of {ended:,} runs in the last hour"
            yield Problem("failing", text, function)


def _is_behind(queue: QueueLine) -> bool:
    return (queue.latency or 0) > LONG_WAIT and (queue.rate_in or 0) >= (queue.rate_out or 0)


def _behind(queue: QueueLine) -> Problem:
    text = f"has a task that has waited for {words.duration(queue.latency)}"
    if queue.rate_out:
        came, went = words.rate(queue.rate_in), words.rate(queue.rate_out)
        text += f", and in the last {RATE_MINUTES} minutes {came} came, {went} went"
    elif queue.rate_out is not None:
        text += f", and nothing was run in the last {RATE_MINUTES} minutes"
    return Problem("behind", text, queue.name, is_severe=False)
