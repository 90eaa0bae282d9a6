"""The wheel serves on each Python that it names, as far as this machine has them."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from development.redis_server import find_server
from tests.support.build import build
from tests.support.deployment import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
NAMED = [
    line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)
]
INSTALL = 240  # seconds, the first time; .data/pythons keeps what was installed
NEXT = "3.14"  # not named yet, but looked at where it is
# What the files below import, of the extra for tests.
FOR_TESTS = {"django", "hypothesis", "pytest", "pytest-timeout", "trustme"}
CORE = [
    "tests/test_decorator.py",
    "tests/test_dotted.py",
    "tests/test_meta.py",
    "tests/test_middleware.py",
    "tests/test_queue.py",
    "tests/test_task.py",
    "tests/faults/test_sigterm.py",
]


def interpreter(version: str) -> Path | None:
    """Return a Python of this version: on PATH, or one of pyenv's."""
    found = [shutil.which(f"python{version}")]
    found += sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")))
    for candidate in filter(None, found):
        # pyenv's command on PATH stands for a version that may not be chosen.
        asked = [candidate, "-c", "import venv, sys; print(sys.executable)"]
        said = subprocess.run(asked, cwd="/", capture_output=True, text=True, check=False)
        if said.returncode == 0:
            return Path(said.stdout.strip())
    return None


def environment(python: Path, version: str) -> Path:
    """Return the Python of an environment with all that the wheel and these tests need."""
    wanted = [*map(Requirement, PROJECT["dependencies"])]
    extra = map(Requirement, PROJECT["optional-dependencies"]["test"])
    wanted += [needed for needed in extra if needed.name in FOR_TESTS]
    lines = sorted(map(str, wanted))
    key = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
    folder = ROOT / ".data" / "pythons" / f"{version}-{key}"
    inside = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([str(python), "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(inside), "-m", "pip", "install", "--quiet", *lines]
        try:
            subprocess.run(pip, capture_output=True, text=True, check=True, timeout=INSTALL)
        except subprocess.SubprocessError as error:
            why = (getattr(error, "stderr", None) or str(error))[-300:]
            pytest.skip(f"Python {version} is here, but what it needs cannot be had: {why}")
        (folder / "ready").touch()
    return inside


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", [*(each for each in NAMED if each != OURS), NEXT])
def test_the_wheel_passes_the_core_of_the_tests(version: str, tmp_path: Path) -> None:
    found = interpreter(version)
    if found is None:
        pytest.skip(f"there is no Python {version} on this machine")
    python = environment(found, version)
    wheel = build("wheel", ROOT, tmp_path)
    target = tmp_path / "wheel"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True)
    for name in ("tests", "development"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *CORE],
        cwd=tmp_path,
        env={
            "PATH": f"{find_server().parent}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(target),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"\b\d+ passed", done.stdout)
    assert "skipped" not in done.stdout.splitlines()[-1]
