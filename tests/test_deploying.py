"""The recipes for systemd, Docker and Kubernetes do what their page says."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboard.metrics import Exposition
from dashboard.queries_metrics import Measures
from redis_tasks import Queue, defaults
from tests.support.actions import act
from tests.support.documentation import ROOT, blocks, environment, rows, section
from tests.support.ledger import Ledger

PAGE = ROOT / "docs" / "deploying.md"


def recipes(language: str) -> list[str]:
    return [block.text for block in blocks(PAGE) if block.language == language]


def entries(unit: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and line[0] != "#")


def documents() -> list[dict[str, Any]]:
    return [document for text in recipes("yaml") for document in yaml.safe_load_all(text)]


# ---- systemd


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not on this machine: the unit is not verified")
    (unit,) = recipes("ini")
    program = entries(unit)["ExecStart"].split()[0]
    here = unit.replace(program, sys.executable).replace("=shop\n", "=root\n")
    here = here.replace("WorkingDirectory=/srv/shop", f"WorkingDirectory={tmp_path}")
    (tmp_path / "shop-worker.service").write_text(here)

    done = subprocess.run(
        [verify, "verify", "--man=no", str(tmp_path / "shop-worker.service")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    said = [line for line in done.stderr.splitlines() if "shop-worker" in line]
    assert said == []


def test_systemd_gives_a_worker_its_time_and_starts_it_again() -> None:
    unit = entries(recipes("ini")[0])

    assert int(unit["TimeoutStopSec"]) > defaults.SHUTDOWN_TIMEOUT
    assert unit["KillMode"] == "mixed"
    assert unit["Restart"] == "always"
    assert unit["ExecStart"].split()[1:3] == ["worker", "--concurrency"]


# ---- Docker


@pytest.fixture
def as_process_1(tmp_path: Path) -> Callable[[list[str]], list[str]]:
    """Makes a command the first process of a namespace, as the one of a container is."""
    unshare = shutil.which("unshare")
    words = [str(unshare), "--pid", "--fork", "--mount-proc", "--kill-child"]
    tried = unshare and subprocess.run([*words, "true"], check=False, capture_output=True)
    if not tried or tried.returncode != 0:
        pytest.skip("no namespaces for us on this machine: Docker's command was not run as pid 1")
    return lambda command: [*words, *command]


def docker_command() -> list[str]:
    (dockerfile,) = recipes("dockerfile")
    command = re.search(r"^CMD (.*)$", dockerfile, re.MULTILINE)
    assert command is not None
    words: list[str] = json.loads(command[1])
    return words


def test_the_container_s_command_interrupts_its_task_when_it_is_stopped(
    as_process_1: Callable[[list[str]], list[str]],
    redis_client: object,
    settings_for_test: dict[str, Any],
    ledger: Ledger,
    tmp_path: Path,
) -> None:
    variables = environment(
        RT_SETTINGS_MODULE="tests.support.worker_settings",
        RT_TEST_SETTINGS=json.dumps(settings_for_test),
    )
    program, *arguments = docker_command()
    assert program == "redis_tasks"
    output = tmp_path / "output"
    task = Queue().enqueue_call(act, [["sleep", 60]])
    with output.open("wb") as file:
        container = subprocess.Popen(
            as_process_1([sys.executable, "-m", program, *arguments]),
            cwd=tmp_path,
            env=variables,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        ledger.wait_for("start", task.id, timeout=20)
        os.kill(first_process(container.pid), signal.SIGTERM)  # docker stop
        assert container.wait(20) == 0
    finally:
        container.kill()
        container.wait(20)

    assert "asked to stop" in output.read_text()
    assert "shut down" in output.read_text()
    task.refresh()
    assert (task.status, len(task.aborted_runs)) == ("queued", 1)


def first_process(namespace: int) -> int:
    """Return what the namespace's first process is called outside of it."""
    return int(Path(f"/proc/{namespace}/task/{namespace}/children").read_text().split()[0])


def test_containers_are_given_their_time() -> None:
    compose, worker, dashboard = documents()

    assert int(compose["services"]["worker"]["stop_grace_period"][:-1]) > defaults.SHUTDOWN_TIMEOUT
    assert compose["services"]["redis"]["command"][-1] == "noeviction"
    pod = worker["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > defaults.SHUTDOWN_TIMEOUT
    assert pod["containers"][0]["args"] == docker_command()
    assert not [name for name in pod["containers"][0] if name.endswith("Probe")]
    served = dashboard["spec"]["template"]["spec"]["containers"][0]
    assert served["readinessProbe"] == {"tcpSocket": {"port": served["ports"][0]["name"]}}
    for deployment in (worker, dashboard):
        labels = deployment["spec"]["selector"]["matchLabels"]
        assert deployment["spec"]["template"]["metadata"]["labels"] == labels


# ---- What the pages about production tell


def test_the_page_about_heroku_has_the_procfile() -> None:
    procfile = (ROOT / "Procfile").read_text()

    assert procfile in [block.text for block in blocks(ROOT / "docs" / "heroku.md")]


def test_the_page_about_heroku_has_the_commands_of_a_push() -> None:
    pushed = section(ROOT / "README.md", "### With a push")
    told = (ROOT / "docs" / "heroku.md").read_text()

    commands = [line for line in pushed.splitlines() if line.startswith("$ ")]
    assert "\n".join(commands) in told


def test_the_page_of_metrics_has_every_metric_with_its_labels() -> None:
    nothing = Measures((), workers={}, kept={}, counts={}, scheduler_leads=False)
    families = {family.name: family for family in Exposition(nothing).collect()}

    told = {
        name: row[1]
        for row in rows((ROOT / "docs" / "metrics.md").read_text())
        for name in re.findall(r"`(redis_tasks_\w+)`", row[0])
    }

    assert {name.removesuffix("_total") for name in told} == set(families)
