import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from development.environment import reason_of_failure
from development.ports import PortError, free_port
from development.redis_server import EmbeddedRedis, NoRedisError, version_of

ROOT = Path(__file__).resolve().parent.parent


def run_setup(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/bin/sh", "-euc", ". bin/setup"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def ask(server: EmbeddedRedis, *command: str) -> bytes:
    with redis.Redis.from_url(server.url) as client:
        answer: bytes = client.execute_command(*command)
        return answer


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_an_old_python_is_named_in_a_sentence(tmp_path: Path) -> None:
    old = script(tmp_path / "python", "exit 1")

    finished = run_setup(PYTHON=str(old))

    assert finished.returncode == 1
    assert finished.stderr == f"bin/setup: PYTHON={old} is not a Python of 3.11 or newer.\n"


def test_a_path_without_a_python_is_a_sentence(tmp_path: Path) -> None:
    finished = run_setup(PATH=str(tmp_path), PYTHON="")

    assert finished.returncode == 1
    assert re.fullmatch(r"bin/setup: redis_tasks needs Python 3\.11 .*\n", finished.stderr)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("Retrying: 'NewConnectionError(...)'\nERROR: No matching x", "index cannot be reached"),
        ("error: metadata\nERROR: No matching distribution found for x", "No matching .* for x"),
        ("something else", "something else"),
        ("", "no word"),
    ],
    ids=["no network", "no such version", "anything", "nothing"],
)
def test_pips_words_become_one_sentence(log: str, reason: str) -> None:
    sentence = reason_of_failure(log)

    assert re.search(reason, sentence)
    assert "\n" not in sentence


def test_an_embedded_redis_keeps_its_data_from_one_start_to_the_next(tmp_path: Path) -> None:
    first, second = EmbeddedRedis(tmp_path), EmbeddedRedis(tmp_path)

    first.start()
    ask(first, "SET", "key", "kept")
    first.stop()
    second.start()
    answer = ask(second, "GET", "key")
    second.stop()

    assert answer == b"kept"


def test_a_folder_is_for_one_redis_at_a_time(tmp_path: Path) -> None:
    first = EmbeddedRedis(tmp_path)
    first.start()

    with pytest.raises(NoRedisError, match=f"another bin/up is running .*{first.port}.*stop it"):
        EmbeddedRedis(tmp_path).start()

    first.stop()


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "first", free_port())
    server.start()

    sentence = rf"^port {server.port} cannot be listened on \(.*in use\): set REDIS_PORT .*\.$"
    with pytest.raises(PortError, match=sentence):
        EmbeddedRedis(tmp_path / "second", server.port).start()

    server.stop()


@pytest.mark.parametrize(
    ("variable", "port", "sentence"),
    [
        ("PORT", "taken", r"port \d+ cannot be listened on \(.*in use\): set PORT to .*\."),
        ("REDIS_PORT", "taken", r"port \d+ cannot be listened on \(.*in use\): set REDIS_PORT .*"),
        ("PORT", "http", r"PORT is a number from 1 to 65535, not 'http'\."),
        ("REDIS_PORT", "65536", r"REDIS_PORT is a number from 1 to 65535, not '65536'\."),
    ],
)
def test_bin_up_with_a_port_that_cannot_be_had_says_so_in_a_sentence(
    variable: str, port: str, sentence: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as owner:
        taken = str(owner.getsockname()[1])
        environment = {**os.environ, "PORT": str(free_port()), "REDIS_PORT": str(free_port())}
        environment[variable] = taken if port == "taken" else port
        finished = subprocess.run(
            [sys.executable, "-m", "development.up"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert finished.returncode == 1
    assert re.fullmatch(rf"bin/up: {sentence}\n", finished.stderr)
    assert finished.stdout == ""


def test_what_a_server_cannot_load_is_quoted(tmp_path: Path) -> None:
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.manifest").write_text("nonsense\n")

    with pytest.raises(NoRedisError, match=r"ended at once: .*move that away"):
        EmbeddedRedis(tmp_path).start()


def test_a_program_that_tells_no_version_is_too_old(tmp_path: Path) -> None:
    silent = script(tmp_path / "redis-server", "echo hello")

    assert version_of(silent) == (0, 0)


def test_redis_runs_alone_until_it_is_stopped(tmp_path: Path) -> None:
    port = free_port()
    program = f"from development.redis_alone import *; sys.exit(main(Path({str(tmp_path)!r})))"
    alone = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "REDIS_PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert alone.stdout is not None

    try:
        first = alone.stdout.readline()
        answer = redis.Redis(port=port).ping()
        alone.terminate()
        rest, _ = alone.communicate(timeout=20)
    finally:
        alone.kill()
        alone.communicate()

    assert first == f"Redis is running at redis://127.0.0.1:{port} until Ctrl-C.\n"
    assert answer
    assert rest.startswith("Redis has ended")
    assert alone.returncode == 0


def test_a_port_that_is_none_is_told_in_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "development.redis_alone"],
        cwd=ROOT,
        env={**os.environ, "REDIS_PORT": "no port"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (
        1,
        "bin/redis: REDIS_PORT is a number from 1 to 65535, not 'no port'.\n",
    )


def test_finding_a_python_makes_nothing(tmp_path: Path) -> None:
    python = script(tmp_path / "python", f'[ "$1" = -c ] || touch {tmp_path}/made')

    found = run_setup(PYTHON=str(python), FIND_ONLY="yes")

    assert found.returncode == 0
    assert not (tmp_path / "made").exists()
