"""The platform builds the project from these files."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.deployment import ROOT, committed_files, in_slug, pins

REQUIREMENTS = ROOT / "requirements.txt"
PINS = {canonicalize_name(pin.name): pin for pin in pins(REQUIREMENTS)}
OF_THE_PLATFORM = {"python_version": "3.13", "python_full_version": "3.13.0"}


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def wanted() -> list[Requirement]:
    """Return what runs on the platform, as pyproject.toml has it."""
    extras = project()["optional-dependencies"]
    return [
        Requirement(line)
        for line in [*project()["dependencies"], *extras["dashboard"], *extras["sentry"]]
    ]


def needs_of(package: str) -> list[Requirement]:
    """Return what an installed package needs on the platform; nothing for one that is not."""
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return []
    found = [Requirement(line) for line in lines]
    extras = {extra for need in wanted() if need.name == package for extra in need.extras} or {""}
    return [
        need
        for need in found
        if need.marker is None
        or any(need.marker.evaluate({**OF_THE_PLATFORM, "extra": extra}) for extra in extras)
    ]


def pinned(package: str) -> str:
    """Return the version of a pin."""
    return next(iter(PINS[canonicalize_name(package)].specifier)).version


def test_one_file_alone_says_what_to_install() -> None:
    candidates = ["requirements.txt", "Pipfile", "Pipfile.lock", "poetry.lock", "uv.lock"]

    there = {name for name in committed_files() if name in candidates}

    assert there == {"requirements.txt"}


def test_no_virtual_environment_is_committed() -> None:
    assert not [name for name in committed_files() if "pyvenv.cfg" in name or ".venv/" in name]
    assert "/.venv/" in (ROOT / ".gitignore").read_text()


def test_every_requirement_is_an_exact_pin_without_a_condition() -> None:
    for pin in pins(REQUIREMENTS):
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin
        assert pin.marker is None
        assert pin.url is None


def test_the_project_itself_is_installed_last_and_not_alone() -> None:
    lines = REQUIREMENTS.read_text().splitlines()

    assert lines[-1] == "."
    assert len(PINS) > 5
    assert "--hash" not in REQUIREMENTS.read_text()


@pytest.mark.parametrize("requirement", wanted(), ids=lambda requirement: requirement.name)
def test_a_pin_satisfies_what_the_project_asks_for(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pinned(requirement.name))


@pytest.mark.parametrize("package", PINS)
def test_what_a_pinned_package_needs_is_pinned_too(package: str) -> None:
    for need in needs_of(package):
        assert need.specifier.contains(pinned(need.name)), f"{package} needs {need}"


@pytest.mark.parametrize("name", [".python-version", "runtime.txt"])
def test_the_python_version_is_in_the_form_that_the_platform_reads(name: str) -> None:
    text = (ROOT / name).read_text()

    assert re.fullmatch(r"(python-)?3\.\d+\n", text)
    assert text.startswith("python-") == (name == "runtime.txt")


def test_both_files_name_one_python_that_the_project_supports() -> None:
    version = (ROOT / ".python-version").read_text().strip()

    assert (ROOT / "runtime.txt").read_text().strip() == f"python-{version}"
    assert f"Programming Language :: Python :: {version}" in project()["classifiers"]


def test_the_version_is_written_down_since_the_build_has_no_tags() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", project()["version"])
    assert "dynamic" not in project()


def test_the_slug_keeps_what_the_build_and_the_processes_read() -> None:
    everything = committed_files()

    kept = in_slug(everything, ROOT / ".slugignore")

    needed = [project()["readme"], *project()["license-files"]]
    needed += ["Procfile", "gunicorn.conf.py", "pyproject.toml", "requirements.txt"]
    assert set(needed) <= set(kept)
    for folder in ("redis_tasks/", "dashboard/", "demo/"):
        assert [name for name in everything if name.startswith(folder)] == [
            name for name in kept if name.startswith(folder)
        ]


def test_each_line_of_slugignore_leaves_something_out() -> None:
    for line in (ROOT / ".slugignore").read_text().splitlines():
        assert line.startswith(("#", "/")), "without its slash a line holds in every folder"
        assert line.startswith("#") or (ROOT / line[1:]).exists(), f"there is no {line}"


def test_the_platforms_python_version_does_not_decide_which_one_sets_up(tmp_path: Path) -> None:
    # As pyenv's: refuses to run in a folder whose .python-version names what is not installed.
    real = Path(sys.base_prefix) / "bin" / "python3"
    shim = tmp_path / "python3"
    shim.write_text(f'#!/bin/sh\n[ -e .python-version ] && exit 1\nexec {real} "$@"\n')
    shim.chmod(0o755)

    found = subprocess.run(
        ["/bin/sh", "-euc", '. bin/setup; printf %s "$PYTHON"'],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stderr
    assert Path(found.stdout).resolve() == real.resolve()
