import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from development.processes import expanded, read_procfile
from tests.support.process_table import MARK_VARIABLE, marked_processes
from tests.support.waiting import wait_until

RUN = """
import json, os, sys
from development import processes
processes.STOP_TIMEOUT = float(sys.argv[2])
runner = processes.Runner()
sys.exit(runner.run(json.loads(sys.argv[1]), os.environ))
"""
# Both say how often they were sent SIGTERM; the first one ends soon after.
SLOW = "trap 'echo asked; sleep 0.5; exit 0' TERM; echo up; while :; do sleep 0.05; done"
STUBBORN = "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done"


class Running:
    """The runner in a process of its own, its output in a file."""

    def __init__(self, folder: Path, commands: dict[str, str], stop_timeout: float) -> None:
        self.file = folder / "output"
        with self.file.open("wb") as output:
            self.process = start_runner(commands, output, stop_timeout, mark=str(folder))

    def output(self) -> str:
        return self.file.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.output(), 10, self.output)

    def exit_code(self) -> int:
        wait_until(lambda: self.process.poll() is not None, 20, self.output)
        return self.process.wait()


Run = Callable[..., Running]


def start_runner(
    commands: dict[str, str], output: IO[bytes] | int, stop_timeout: float, mark: str
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", RUN, json.dumps(commands), str(stop_timeout)],
        stdout=output,
        env={**os.environ, MARK_VARIABLE: mark},
    )


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started: list[Running] = []

    def start(*, stop_timeout: float = 5, **commands: str) -> Running:
        started.append(Running(tmp_path, commands, stop_timeout))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()
    wait_until(lambda: not marked_processes(str(tmp_path)), 10, "its processes died with it")


def test_each_line_bears_the_name_of_its_process(run: Run) -> None:
    running = run(one="echo first; echo second; printf third")

    code = running.exit_code()

    assert code == 1
    assert running.output().splitlines()[:3] == [
        "one    | first",
        "one    | second",
        "one    | third",
    ]


def test_when_one_process_ends_all_are_asked_to_end(run: Run) -> None:
    running = run(short="sleep 0.2; exit 3", long=SLOW)

    code = running.exit_code()

    assert code == 1
    assert "short  | " not in running.output()
    assert "short ended with exit code 3" in running.output()
    assert "long ended with exit code 0" in running.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_every_process_once_however_often_it_comes(
    run: Run, number: signal.Signals
) -> None:
    running = run(one=SLOW, two=SLOW)
    running.wait_for("one    | up")
    running.wait_for("two    | up")

    running.process.send_signal(number)
    running.wait_for("one    | asked")
    running.process.send_signal(number)
    code = running.exit_code()

    assert code == 0
    assert running.output().count("asked") == 2
    assert "still stopping" in running.output()


def test_what_does_not_end_in_time_is_killed_with_its_children(run: Run, tmp_path: Path) -> None:
    running = run(stop_timeout=0.3, stubborn=f"sleep 60 & {STUBBORN}")
    running.wait_for("stubborn | up")

    running.process.terminate()
    code = running.exit_code()

    assert code == 1
    assert "stubborn did not end within 0.3 s" in running.output()
    assert marked_processes(str(tmp_path)) == []


def test_processes_end_when_nobody_reads_what_they_write(tmp_path: Path) -> None:
    process = start_runner(
        {"noisy": "while :; do echo noise; sleep 0.01; done"}, subprocess.PIPE, 5, str(tmp_path)
    )
    assert process.stdout is not None
    process.stdout.readline()

    process.stdout.close()

    wait_until(lambda: process.poll() is not None, 10)
    wait_until(lambda: not marked_processes(str(tmp_path)), 10)


def test_processes_end_when_the_runner_is_killed(run: Run, tmp_path: Path) -> None:
    running = run(one="echo up; exec sleep 60")
    running.wait_for("one    | up")

    running.process.kill()

    wait_until(lambda: not marked_processes(str(tmp_path)), 10)


def test_the_release_command_is_no_process(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text("# processes\n\nweb: exec serve --port=$PORT\nrelease: migrate\n")

    commands = read_procfile(file)

    assert commands == {"web": "exec serve --port=$PORT"}


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("serve --port ${PORT:-5000}", "serve --port 5000"),
        ("serve --port ${SET:-5000}", "serve --port 8000"),
        ("serve --port $SET", "serve --port 8000"),
        ("serve --port ${SET} --name ${EMPTY:-none}$MISSING", "serve --port 8000 --name none"),
    ],
)
def test_a_command_is_shown_as_its_shell_reads_it(command: str, shown: str) -> None:
    assert expanded(command, {"SET": "8000", "EMPTY": ""}) == shown
    told = subprocess.check_output(
        ["/bin/sh", "-c", f"echo {command}"], env={"SET": "8000", "EMPTY": ""}, text=True
    )
    assert told.strip() == shown


@pytest.mark.parametrize("line", ["worker", "my worker: run", ": run"])
def test_a_line_that_is_no_process_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "Procfile"
    file.write_text(f"{line}\n")

    with pytest.raises(ValueError, match="not a line of the form"):
        read_procfile(file)
