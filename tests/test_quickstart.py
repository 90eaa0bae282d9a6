"""The quickstarts work word for word."""

import http.server
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documentation import ROOT, Command, blocks, commands, environment, write_files
from tests.support.waiting import wait_until

README = ROOT / "README.md"
QUICKSTART = ROOT / "docs" / "quickstart.md"

console_script = """#!{python}
from redis_tasks.cli import main
main()
"""


class Page(http.server.BaseHTTPRequestHandler):
    """Stands in for the whole web: answers every address with a page of the length told."""

    length = 0
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(self.length))
        self.end_headers()
        self.wfile.write(b"x" * self.length)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A proxy's address."""
    told = re.search(r"has (\d+) bytes", README.read_text())
    assert told is not None
    monkeypatch.setattr(Page, "length", int(told[1]))
    monkeypatch.setattr(Page, "asked", [], raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def programs(tmp_path: Path) -> str:
    """A PATH with this Python and the console script, as installing makes it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "redis_tasks"
    script.write_text(console_script.format(python=sys.executable))
    script.chmod(0o755)
    return os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.mark.usefixtures("redis_client")
def test_the_quickstart_works_word_for_word(
    redis_url: str, web: str, programs: str, tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    output = tmp_path / "output"
    variables = environment(PATH=programs, REDIS_URL=redis_url, http_proxy=web)
    files = write_files(README, folder)
    work, enqueue, _ = (c for c in commands(README) if "RT_SETTINGS_MODULE" in c.variables)
    shown = next(b.text for b in blocks(README) if re.match(r"\d\d:\d\d:\d\d ", b.text))

    worker = start(work, folder, variables, output)
    try:
        wait_until(lambda: "started" in output.read_text(), 20, output.read_text)
        start(enqueue, folder, variables, tmp_path / "other").wait(20)
        wait_until(lambda: "finished" in output.read_text(), 20, output.read_text)
        worker.terminate()
        exit_code = worker.wait(20)
    finally:
        worker.kill()
        worker.wait(20)

    assert files == ["settings.py", "tasks.py", "enqueue.py"]
    assert Page.asked == ["http://example.com/"]
    *lines, stopped, shut_down = output.read_text().splitlines()
    assert without_chance("\n".join(lines)) == without_chance(shown.strip())
    assert "asked to stop" in stopped
    assert "shut down" in shut_down
    assert exit_code == 0


@pytest.mark.usefixtures("redis_client")
def test_the_scheduled_task_works_word_for_word(
    redis_url: str, web: str, programs: str, tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    variables = environment(PATH=programs, REDIS_URL=redis_url, http_proxy=web)
    write_files(README, folder)
    scheduled = next(b.text for b in blocks(README) if "SCHEDULE = {" in b.text)
    with (folder / "settings.py").open("a") as file:
        file.write(scheduled)
    work, _, schedule = (c for c in commands(README) if "RT_SETTINGS_MODULE" in c.variables)
    shown = next(b.text for b in blocks(README) if "redis_tasks.scheduler: " in b.text)
    said, done = tmp_path / "said", tmp_path / "done"

    processes = [start(schedule, folder, variables, said), start(work, folder, variables, done)]
    try:
        wait_until(lambda: "enqueued" in said.read_text(), 30, said.read_text)
        wait_until(lambda: "finished" in done.read_text(), 30, done.read_text)
        for process in processes:
            process.terminate()
        exit_codes = [process.wait(20) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait(20)

    lines = said.read_text().splitlines()[: len(shown.splitlines())]
    assert without_chance("\n".join(lines)) == without_chance(shown.strip())
    assert set(Page.asked) == {"http://example.com/"}
    assert exit_codes == [0, 0]


@pytest.mark.usefixtures("redis_client")
def test_the_interrupted_task_of_the_quickstart_goes_on_word_for_word(
    redis_url: str, programs: str, tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    variables = environment(PATH=programs, REDIS_URL=redis_url)
    write_files(QUICKSTART, folder)
    work, enqueue, _ = (c for c in commands(QUICKSTART) if "RT_SETTINGS_MODULE" in c.variables)
    before, after = (b.text for b in blocks(QUICKSTART) if "cats: page" in b.text)
    first, second = tmp_path / "first", tmp_path / "second"

    worker = start(work, folder, variables, first)
    try:
        wait_until(lambda: "started" in first.read_text(), 20, first.read_text)
        start(enqueue, folder, variables, tmp_path / "other").wait(20)
        wait_until(lambda: "page 2" in first.read_text(), 20, first.read_text)
        worker.send_signal(signal.SIGINT)
        assert worker.wait(20) == 0
        worker = start(work, folder, variables, second)
        wait_until(lambda: "page 6" in second.read_text(), 20, second.read_text)
        worker.terminate()
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait(20)

    shown = without_chance(before.replace("^C", "").strip()).splitlines()
    assert without_chance(first.read_text()).splitlines()[: len(shown)] == shown
    assert "requeued" in first.read_text()
    pages = [line for line in second.read_text().splitlines() if line.startswith("cats")]
    assert pages == [f"cats: page {n} of 6" for n in range(3, 7)]
    assert pages[0] == after.strip()


def start(
    command: Command, folder: Path, variables: dict[str, str], output: Path
) -> "subprocess.Popen[bytes]":
    with output.open("wb") as file:
        return subprocess.Popen(
            ["/usr/bin/env", *command.words],
            cwd=folder,
            env={**variables, **command.variables},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def without_chance(lines: str) -> str:
    """Return log lines without what differs from one time to the next."""
    lines = re.sub(r"^\d\d:\d\d:\d\d ", "", lines, flags=re.MULTILINE)
    lines = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", lines)
    return re.sub(r"(Worker|Scheduler) \S+ ", r"\1 <description> ", lines)
