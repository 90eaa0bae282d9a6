"""The tasks of the smallest plan's proof: small ones that are counted, those that enqueue them.

Configured by the environment alone; RT_SETTINGS_MODULE=benchmarks.smallest_plan_tasks names this.
"""

import os
import time
import uuid
from typing import Any

from redis_tasks import EnqueueFailed, EnqueueUncertain, PostponeShutdown, Queue, Task, redis_task

REDIS_URL = os.environ.get("REDIS_URL", "")
REDIS_TLS_VERIFY = os.environ.get("REDIS_TLS_VERIFY", "required")
FINISHED_TASKS_MAX = int(os.environ.get("FINISHED_TASKS_MAX", "10000"))

LEDGER = "RT_LEDGER"  # variable: the file in which each task leaves a line of its own
HANDFUL = 200  # tasks that are enqueued at once
PATIENCE = 0.5  # seconds to wait where there is no room
NUMBERS = uuid.UUID("5a4d0c52-8f0e-4a7e-9d0c-0d5a7cf1b9a1")


def write(line: str) -> None:
    """Append to the ledger; a line is one write, so lines never mix."""
    file = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


@redis_task(reentrant=True)
def count(number: int) -> None:
    """Leave the number in the ledger."""
    write(str(number))


@redis_task(reentrant=True)
def pass_on(first: int, end: int) -> None:
    """Enqueue the next numbers before *end* and, behind them, itself for those after them.

    So there are never more of them than workers take. Where Redis is full, it waits for room.
    """
    until = min(first + HANDFUL, end)
    calls = [call_of(number) for number in range(first, until)]
    if until < end:
        calls.append({"func": pass_on, "args": [until, end], "task_id": id_of("rest", until)})
    # The same ids at a second run: what was enqueued before an interruption is not made again.
    while refused(calls):
        time.sleep(PATIENCE)


@redis_task(reentrant=True)
def linger(seconds: float) -> None:
    """Keep a dyno from ending for so long."""
    with PostponeShutdown():
        write("lingering")
        time.sleep(seconds)


def call_of(number: int) -> dict[str, Any]:
    return {"func": count, "args": [number], "task_id": id_of("count", number)}


def id_of(what: str, number: int) -> str:
    return str(uuid.uuid5(NUMBERS, f"{what} {number}"))


def refused(calls: list[dict[str, Any]]) -> bool:
    """Enqueue all of *calls*; true if an error said, by its type, that they (perhaps) were not.

    Any other error fails the task, or ends the program.
    """
    try:
        Queue().enqueue_many(calls)
    except (EnqueueFailed, EnqueueUncertain) as error:
        write(f"refused {type(error).__name__}")
        return True
    return False


def stay(seconds: float) -> None:
    """Have a dyno linger, as soon as Redis has room for that."""
    task = Task(linger, [seconds])
    while True:
        try:
            Queue().push(task, at_front=True)
        except EnqueueFailed:
            time.sleep(PATIENCE)
        else:
            return


def seed(first: int, end: int, chains: int) -> None:
    """Enqueue what will enqueue all numbers."""
    step = -(-(end - first) // chains)
    for start in range(first, end, step):
        Queue().enqueue_call(pass_on, [start, min(start + step, end)])


def fill(first: int, end: int) -> int:
    """Enqueue numbers until Redis refuses; return the first one that it did not take."""
    for start in range(first, end, HANDFUL):
        calls = [call_of(number) for number in range(start, min(start + HANDFUL, end))]
        if refused(calls):
            return start
    return end


def main(what: str, *numbers: int) -> None:
    """Run in a one-off dyno: `seed FIRST END CHAINS`, `fill FIRST END`, `linger COUNT SECONDS`."""
    if what == "seed":
        seed(*numbers)
    elif what == "fill":
        print(fill(*numbers))
    else:
        for _ in range(numbers[0]):
            stay(numbers[1])
