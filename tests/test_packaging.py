"""What is built for an index can be installed, checked and built again byte for byte."""

import hashlib
import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.build import build
from tests.support.deployment import ROOT, committed_files

# A copy of the code that is installed elsewhere is not the one whose coverage is measured.
UNMEASURED = {**os.environ, "COVERAGE_PROCESS_CONFIG": ""}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in which the wheel is installed; what it depends on is that of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install"),
            *("--no-deps", "--no-index", "--quiet", str(wheel)),
        ],
        check=True,
        timeout=80,
    )
    ours = Path(next(path for path in sys.path if path.endswith("site-packages")))
    theirs = next(folder.glob("lib/*/site-packages"))
    for package in ours.iterdir():
        # Not the editable installation of the working copy.
        if "redis_tasks" not in package.name and not (theirs / package.name).exists():
            (theirs / package.name).symlink_to(package)
    return python


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_building_twice_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()

    first, second = (build(kind, ROOT, tmp_path / name) for name in ("one", "two"))

    assert digest(first) == digest(second)


def test_the_wheel_has_everything_that_runs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}

    folders = ("redis_tasks/", "dashboard/", "pytest_redis_tasks.py")
    assert packed == {name for name in committed_files() if name.startswith(folders)}


def test_the_sdist_has_what_building_and_testing_need(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", ROOT, tmp_path)) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "README.md", "LICENSE", "app.json", "bin/test"} <= packed
    assert "tests/conftest.py" in packed


def test_the_metadata_is_whole(wheel: Path) -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(name).decode()

    for line in (
        f"Version: {table['version']}",
        "License-Expression: BSD-3-Clause",
        "Requires-Python: >=3.11",
        "Description-Content-Type: text/markdown",
        "Provides-Extra: dashboard",
        "Classifier: Typing :: Typed",
    ):
        assert line in metadata


def test_the_installed_command_works_without_the_working_copy(
    installed: Path, tmp_path: Path
) -> None:
    script = installed.parent / "redis_tasks"

    written = subprocess.run(
        [str(script), "init"],
        cwd=tmp_path,
        env=UNMEASURED,
        capture_output=True,
        text=True,
        check=True,
    )
    where = subprocess.check_output(
        [str(installed), "-c", "import redis_tasks; print(redis_tasks.__file__)"],
        cwd=tmp_path,
        env=UNMEASURED,
        text=True,
    )

    assert "written: app.json" in written.stdout
    assert where.startswith(str(installed.parent.parent))


def test_type_checkers_see_the_types_of_the_installed_wheel(
    installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(
        "from redis_tasks import Queue, Task\n"
        "task: Task = Queue().enqueue_call('app.run')\n"
        "wrong: int = Queue('mail').count() + task.description\n"
    )

    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"),
            *("--python-executable", str(installed), "app.py"),
        ],
        cwd=tmp_path,
        env=UNMEASURED,
        capture_output=True,
        text=True,
        check=False,
        timeout=85,
    )

    assert "app.py:3" in done.stdout
    assert "[operator]" in done.stdout
    assert "import-untyped" not in done.stdout
