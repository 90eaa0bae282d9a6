import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner

import redis_tasks
from redis_tasks import Queue, Task, keys
from redis_tasks.cli import main
from tests.conftest import Command, Run, StartServer, StartWorker, UseSettings
from tests.support.actions import act
from tests.support.hand_worker import HandWorker
from tests.support.ledger import Ledger

# ---- The program


def test_help_has_a_line_for_each_command(run: Run) -> None:
    result = run("--help")

    assert result.exit_code == 0
    for name in ("worker", "info", "empty"):
        assert re.search(rf"^  {name} +\S.*\.$", result.output, re.MULTILINE)
    assert "--pythonpath" in result.output
    assert "..." not in result.output.split("Commands:")[1]


def test_the_version_is_the_packages_own(run: Run) -> None:
    result = run("--version")

    project = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert redis_tasks.__version__ in result.output
    assert f'version = "{redis_tasks.__version__}"' in project


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["info", "--interval", "0"],
        ["info", "--interval", "soon"],
        ["info", "a\nb"],
        ["worker", "--concurrency", "0"],
        ["worker", "--log-format", "xml"],
        ["worker", "-v", "-q"],
        ["worker", "x" * 256],
        ["empty"],
        ["empty", "--all", "default"],
        ["--pythonpath", "/no/such/folder", "info"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], run: Run) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert "Error: " in result.output


def test_wrong_settings_are_all_listed_and_end_with_2(command: Command) -> None:
    process = command("worker", MAX_CRASHES="many", DEFAULT_TASK_TIMEOUT=-1, REDIS_URL="nonsense")

    code = process.wait_exit(20)

    assert code == 2
    errors = [line for line in process.lines() if line.startswith("Error: ")]
    assert len(errors) == 3
    assert {"MAX_CRASHES", "DEFAULT_TASK_TIMEOUT", "REDIS_URL"} == {
        line.split()[1] for line in errors
    }
    assert "Traceback" not in process.text()


@pytest.mark.parametrize("name", ["worker", "info", "empty"])
def test_missing_settings_name_the_way_to_give_them(name: str, command: Command) -> None:
    arguments = ["--all"] if name == "empty" else []
    process = command(name, *arguments, how={"environment": {"RT_SETTINGS_MODULE": ""}})

    code = process.wait_exit(20)

    assert code == 2
    assert "RT_SETTINGS_MODULE" in process.text()
    assert "Traceback" not in process.text()


def test_a_settings_module_that_does_not_exist_ends_with_2(command: Command) -> None:
    process = command("info", how={"environment": {"RT_SETTINGS_MODULE": "no.such.settings"}})

    code = process.wait_exit(20)

    assert code == 2
    assert "no.such.settings" in process.text()
    assert "Traceback" not in process.text()


@pytest.mark.parametrize("arguments", [["info"], ["empty", "--all"], ["empty", "default"]])
def test_a_redis_that_is_not_there_is_one_line_and_ends_with_1(
    arguments: list[str], run: Run, use_settings: UseSettings
) -> None:
    use_settings(REDIS_URL="redis://:secret@127.0.0.1:1")

    result = run(*arguments)

    assert result.exit_code == 1
    [line] = result.output.splitlines()
    assert line.startswith("Error: Redis at redis://:***@127.0.0.1:1 cannot be reached: ")
    assert "secret" not in line


def test_a_wrong_password_is_one_line_and_ends_with_1(
    run: Run, start_redis: StartServer, use_settings: UseSettings
) -> None:
    server = start_redis(tcp=True, options={"requirepass": "right"})
    use_settings(REDIS_URL=f"redis://:wrong@127.0.0.1:{server.port}")

    result = run("info")

    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1


def test_what_redis_refuses_is_one_line_and_ends_with_1(
    run: Run, redis_client: "redis.Redis"
) -> None:
    redis_client.set(keys.queues(), "not a set")

    result = run("info")

    assert result.exit_code == 1
    assert "refused: " in result.output
    assert len(result.output.splitlines()) == 1


def test_modules_are_found_in_the_given_folder(
    tmp_path: Path, settings_for_test: dict[str, Any]
) -> None:
    (tmp_path / "own_settings.py").write_text(f"REDIS_URL = {settings_for_test['REDIS_URL']!r}")
    (tmp_path / "own_tasks.py").write_text(
        "from redis_tasks import redis_task\n@redis_task()\ndef f(): print('it ran', flush=True)\n"
    )
    program = (
        "import sys; from redis_tasks.conf import settings; from redis_tasks import Queue\n"
        "from redis_tasks.cli import main\n"
        f"sys.path.insert(0, {str(tmp_path)!r}); import own_tasks\n"
        "Queue().enqueue_call(own_tasks.f); sys.path.pop(0); del sys.modules['own_tasks']\n"
        f"main(['--pythonpath', {str(tmp_path)!r}, 'worker', '--burst'])"
    )

    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"RT_SETTINGS_MODULE": "own_settings", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert "it ran" in result.stdout, result.stdout + result.stderr
    assert result.returncode == 0


# ---- worker


def test_a_burst_worker_runs_what_waits_and_ends_with_0(command: Command, ledger: Ledger) -> None:
    task = Queue("mail").enqueue_call(act)

    process = command("worker", "mail", "--burst", "--description", "here")
    code = process.wait_exit(20)

    assert code == 0
    assert ledger.names(task.id) == ["start", "end"]
    assert Task.fetch(task.id).status == "finished"
    assert re.search(
        r"INFO    redis_tasks\.worker: Worker here \[[-0-9a-f]+\] started", process.text()
    )


def test_a_quiet_worker_says_nothing_of_what_goes_well(command: Command, ledger: Ledger) -> None:
    Queue().enqueue_call(act)

    process = command("worker", "--burst", "-q")
    process.wait_exit(20)

    assert process.text() == ""


def test_a_verbose_worker_logs_all_that_tasks_say(command: Command, ledger: Ledger) -> None:
    Queue().enqueue_call(act, [["log", "hello"]])

    process = command("worker", "--burst", "-v")
    process.wait_exit(20)

    assert "tests.actions: hello" in process.text()


def test_a_worker_can_log_json(command: Command, ledger: Ledger) -> None:
    task = Queue().enqueue_call(act)

    process = command("worker", "--burst", "--log-format", "json")
    process.wait_exit(20)

    lines = [json.loads(line) for line in process.lines()]
    [started] = [line for line in lines if line["message"].endswith("started") and "func" in line]
    assert started["task_id"] == task.id
    assert started["queue"] == "default"
    assert started["func"] == "tests.support.actions.act"


def test_a_worker_warns_of_settings_that_look_misspelt(command: Command) -> None:
    process = command("worker", "--burst", MAX_CRASHS=5)

    process.wait_exit(20)

    assert (
        "MAX_CRASHS is not a setting of redis_tasks: did you mean MAX_CRASHES?" in process.text()
    )


def test_a_worker_serves_the_default_queue_by_default(start_worker: StartWorker) -> None:
    start_worker()

    output = CliRunner().invoke(main, ["info"]).output

    assert "1 worker, 0 busy" in output
    assert "on default" in output


# ---- empty


def test_empty_asks_and_then_deletes(run: Run) -> None:
    Queue("mail").enqueue_many([{"func": act} for _ in range(2)])
    Queue("other").enqueue_call(act)

    result = run("empty", "mail", input="y\n")

    assert result.exit_code == 0
    assert "Empty mail (2)? [y/N]" in result.output
    assert "mail: 2 tasks deleted" in result.output
    assert (Queue("mail").count(), Queue("other").count()) == (0, 1)
    assert Queue("mail") in Queue.all()


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_empty_deletes_nothing_without_a_yes(answer: str, run: Run) -> None:
    Queue("mail").enqueue_call(act)

    result = run("empty", "mail", input=answer)

    assert result.exit_code == 1
    assert Queue("mail").count() == 1


def test_all_queues_are_emptied_without_asking(run: Run) -> None:
    Queue("mail").enqueue_call(act)
    Queue("other").enqueue_call(act)

    result = run("empty", "--all", "--yes")

    assert result.output.splitlines() == ["mail: 1 task deleted", "other: 1 task deleted"]
    assert (Queue("mail").count(), Queue("other").count()) == (0, 0)


def test_queues_can_be_deleted_altogether(run: Run) -> None:
    Queue("mail").enqueue_call(act)
    Queue("other").enqueue_call(act)

    result = run("empty", "mail", "--delete", input="y\n")

    assert "Empty and delete mail (1)?" in result.output
    assert Queue.all() == [Queue("other")]


def test_a_queue_with_running_tasks_is_left_and_said_so(run: Run) -> None:
    Queue("mail").enqueue_call(act)
    HandWorker(["mail"]).claim()

    result = run("empty", "mail", "--delete", "--yes")

    assert result.exit_code == 1
    assert "Error: queue mail cannot be deleted: 1 of its tasks are running" in result.output


def test_there_may_be_nothing_to_empty(run: Run) -> None:
    result = run("empty", "--all")

    assert (result.exit_code, result.output) == (0, "There are no queues.\n")
