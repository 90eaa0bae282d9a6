"""Makes .venv with the project installed in it, and leaves alone one that is up to date.

Runs under any Python of 3.11 or newer, before anything is installed: standard library only.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "setup.log"
STAMP = VENV / "stamp"
LOCK = ROOT / ".data" / "setup.lock"

NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|"
    r"Failed to establish a new connection|Temporary failure in name resolution|"
    r"Name or service not known|Network is unreachable|Connection refused|Read timed out"
)


class SetupError(Exception):
    """One sentence for the person at the terminal."""


def main() -> None:
    """Bring .venv up to date; exit with one sentence where that cannot be done."""
    try:
        with only_one_at_a_time():
            if not is_up_to_date():
                set_up()
    except SetupError as error:
        sys.exit(f"bin/setup: {error}")
    except KeyboardInterrupt:
        sys.exit("bin/setup: interrupted; the next bin/up or bin/test goes on from here.")
    except PermissionError as error:
        sys.exit(
            f"bin/setup: {error.filename} cannot be written by you: "
            "clone the project into a folder of your own."
        )


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Wait for another bin/up or bin/test that is setting up here."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_up_to_date() -> bool:
    """Tell whether .venv was made for this pyproject.toml, this Python, this folder."""
    return STAMP.exists() and STAMP.read_text() == wanted_stamp() and PYTHON.exists()


def wanted_stamp() -> str:
    # Scripts in .venv/bin name their interpreter by its whole path: a moved folder needs new ones.
    parts = (ROOT / "pyproject.toml").read_text(), sys.version, sys.base_prefix, str(ROOT)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def set_up() -> None:
    print("Setting up .venv: this takes a minute the first time ...", flush=True)
    STAMP.unlink(missing_ok=True)
    make_virtual_environment()
    install_project()
    STAMP.write_text(wanted_stamp())


def make_virtual_environment() -> None:
    """Make .venv with pip in it, by whichever way this machine has."""
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    here = [sys.executable, "-m"]
    if has_module("venv") and has_module("ensurepip"):
        run([*here, "venv", str(VENV)])
    elif has_module("venv") and has_module("pip"):
        # Debian's python3 without python3-venv: it lacks the copy of pip that venv would install.
        run([*here, "venv", "--without-pip", str(VENV)])
        run([*here, "pip", "--python", str(PYTHON), "install", "--quiet", "pip"])
    elif uv := shutil.which("uv"):
        run(
            [
                uv,
                "venv",
                "--quiet",
                "--seed",
                "--allow-existing",
                "--python",
                sys.executable,
                str(VENV),
            ]
        )
    else:
        raise SetupError(
            f"{sys.executable} lacks venv and pip: install them "
            "(on Debian and Ubuntu: apt-get install python3-venv), or uv."
        )


def has_module(name: str) -> bool:
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None  # an empty folder has no origin


def install_project() -> None:
    run([str(PYTHON), "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[test]"])


def run(command: list[str]) -> None:
    """Run *command*, its words to .venv/setup.log. Raises SetupError with its reason to fail."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_RETRIES": "2"}
    # PIP_USER would make pip refuse to install into a virtual environment.
    environment = {**os.environ, **quiet, "PIP_USER": "0"}
    with LOG.open("a") as log:
        finished = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    if finished.returncode:
        raise SetupError(reason_of_failure(LOG.read_text(errors="replace")))


def reason_of_failure(log: str) -> str:
    """Say in a sentence why pip failed, from what it wrote."""
    where = f"what it said is in {LOG.relative_to(ROOT)}"
    if NO_NETWORK.search(log):
        return (
            "the package index cannot be reached: connect this machine to the network, "
            f"or set PIP_INDEX_URL to an index that it reaches ({where})."
        )
    errors = (
        re.findall(r"(?im)^\s*error:\s*(.+)$", log) or log.strip().splitlines()[-1:] or ["no word"]
    )
    return f"installing failed: {errors[-1]} ({where})."


if __name__ == "__main__":
    main()
