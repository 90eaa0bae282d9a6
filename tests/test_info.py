import re
import signal

import pytest
import redis

from redis_tasks import Queue
from redis_tasks.overview import Canvas, Overview, QueueState, WorkerState, draw, duration
from tests.conftest import Command, Run, StartServer, UseSettings
from tests.support.actions import act
from tests.support.hand_worker import HandWorker


def test_info_says_that_there_is_nothing_yet(run: Run) -> None:
    result = run("info")

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "No queues: nothing was enqueued yet.",
        "0 finished, 0 failed tasks are kept",
        "No workers",
    ]


def test_info_shows_queues_and_workers(run: Run) -> None:
    Queue("low").enqueue_many([{"func": act} for _ in range(3)])
    Queue("high").enqueue_call(act, ["line\nend"])
    HandWorker(["high"], supervisor_id="w1", description="web.1").claim()
    HandWorker(["high", "low"], supervisor_id="w2", description="web\n.2")

    lines = run("info").output.splitlines()

    assert re.fullmatch(r"Queue +Waiting +Running +Oldest", lines[0])
    assert re.fullmatch(r"high +0 +1", lines[1])
    assert re.fullmatch(r"low +█+ +3 +0 +\ds", lines[2])
    assert lines[4:6] == ["0 finished, 0 failed tasks are kept", "2 workers, 1 busy"]
    assert re.fullmatch(r"  web\\n.2 +idle +on high, low", lines[6])
    assert re.fullmatch(
        r"  web.1 +busy +\ds +tests\.support\.actions\.act\('line\\nend'\)", lines[7]
    )


def test_info_shows_the_queues_that_were_asked_for(run: Run) -> None:
    Queue("low").enqueue_call(act)
    HandWorker(["low"], supervisor_id="w1", description="web.1")
    HandWorker(["high"], supervisor_id="w2", description="web.2")

    output = run("info", "high", "other").output

    assert re.search(r"^high +0 +0$", output, re.MULTILINE)
    assert re.search(r"^other +0 +0$", output, re.MULTILINE)
    assert "low" not in output
    assert "web.1" not in output
    assert "web.2" in output


def test_info_shows_workers_below_their_queues(run: Run) -> None:
    Queue("low").enqueue_call(act)
    Queue("lonely").enqueue_call(act)
    HandWorker(["low"], supervisor_id="w1", description="web.1")

    lines = run("info", "--by-queue").output.splitlines()

    at_low = next(number for number, line in enumerate(lines) if line.startswith("low"))
    at_lonely = next(number for number, line in enumerate(lines) if line.startswith("lonely"))
    assert lines[at_low + 1] == "  web.1  idle"
    assert lines[at_lonely + 1] == "  no worker serves this queue"


def test_info_bounds_what_it_reads_of_a_long_queue(run: Run, redis_client: "redis.Redis") -> None:
    Queue().enqueue_many([{"func": act, "args": [i]} for i in range(1500)])
    before = redis_client.info("stats")["total_net_output_bytes"]

    output = run("info").output

    read = redis_client.info("stats")["total_net_output_bytes"] - before
    assert "1,500" in output
    assert read < 20_000


def test_info_can_be_watched_until_interrupted(command: Command) -> None:
    Queue("mail").enqueue_call(act)

    process = command("info", "--interval", "0.1")
    process.wait_line("mail", 20, count=3)
    process.signal(signal.SIGINT)

    assert process.wait_exit() == 0


def test_watching_goes_on_while_redis_is_away(
    command: Command, start_redis: StartServer, use_settings: UseSettings
) -> None:
    server = start_redis(aof=True)
    use_settings(REDIS_URL=server.url)
    Queue("mail").enqueue_call(act)
    process = command("info", "--interval", "0.1", REDIS_URL=server.url)
    process.wait_line("^mail", 20)

    server.kill()
    process.wait_line("cannot be reached")
    seen = process.text().count("\nmail")
    server.start()

    process.wait_line("^mail", 10, count=seen + 2)
    process.signal(signal.SIGINT)
    assert process.wait_exit() == 0


def lines_of(
    width: int, *, blocks: bool = True, waiting: tuple[int, ...] = (1, 1000)
) -> list[str]:
    queues = [QueueState(f"queue {n}", n, 0, None) for n in waiting]
    workers = [WorkerState("web.1", "busy", ("q",), "tasks.f(" + "x" * 200 + ")", 65.0)]
    return list(draw(Overview(queues, workers, 10_000, 12), Canvas(width, blocks)))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = lines_of(width)

    assert max(map(len, lines)) <= width
    assert lines[-1].endswith("...")
    assert "1m05s" in lines[-1]


def test_bars_compare_the_queues() -> None:
    lines = lines_of(80, waiting=(0, 1, 500, 1000))

    bars = [re.sub(r"[^ ▏▎▍▌▋▊▉█]", "", line).strip() for line in lines[1:5]]
    assert bars == ["", "▏", "█" * 18 + "▌", "█" * 37]


def test_a_terminal_without_blocks_gets_ascii() -> None:
    lines = lines_of(80, blocks=False)

    assert all(line.isascii() for line in lines)
    assert "#" * 37 in lines[2]
    assert re.search(r" # +1 ", lines[1])


def test_a_long_name_is_cut() -> None:
    [line] = [
        line
        for line in draw(Overview([QueueState("q" * 90, 1, 1, 3)], [], 0, 0), Canvas(80))
        if line.startswith("q")
    ]

    assert line.startswith("q" * 27 + "... ")


def test_neighbours_that_are_idle_alike_say_where_once() -> None:
    workers = [WorkerState(f"w#{k}", "idle", ("default",)) for k in (1, 2)]

    lines = list(draw(Overview([], workers, 0, 0), Canvas(80)))

    assert [line.split() for line in lines[-2:]] == [
        ["w#1", "idle", "on", "default"],
        ["w#2", "idle"],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0s"),
        (59.9, "59s"),
        (130, "2m10s"),
        (3600, "1h00m"),
        (11_100, "3h05m"),
        (86_400 * 4 + 7200, "4d02h"),
    ],
)
def test_a_time_span_is_told_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
