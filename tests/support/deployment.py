"""Reads the files that a platform deploys an app by."""

import fnmatch
import json
import re
import runpy
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent.parent
PROCESSES = ("web", "worker", "scheduler")
LINE = re.compile(r"([A-Za-z0-9]+): (.+)")


def procfile(folder: Path) -> dict[str, str]:
    """Return the commands by name, `release` among them."""
    found = [LINE.fullmatch(line) for line in (folder / "Procfile").read_text().splitlines()]
    return {line[1]: line[2] for line in found if line}


def app_json(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "app.json").read_text())
    return values


def gunicorn_settings(folder: Path) -> dict[str, Any]:
    """Return what gunicorn.conf.py sets in the environment of now."""
    return runpy.run_path(str(folder / "gunicorn.conf.py"))


def variables(file: Path) -> dict[str, str]:
    """Return the lines NAME=VALUE of a .env file, quotes included."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def pins(file: Path) -> list[Requirement]:
    lines = [line for line in file.read_text().splitlines() if line and line[0] not in "#."]
    return [Requirement(line) for line in lines]


def in_slug(files: list[str], slugignore: Path) -> list[str]:
    """Return those of *files* (paths below the root) that the platform keeps."""
    lines = [line for line in slugignore.read_text().splitlines() if line and line[0] != "#"]
    return [name for name in files if not any(_is_ignored(name, pattern) for pattern in lines)]


def _is_ignored(name: str, pattern: str) -> bool:
    parts = name.split("/")
    if pattern.startswith("/"):
        heads = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        return any(fnmatch.fnmatch(head, pattern.strip("/")) for head in heads)
    return any(fnmatch.fnmatch(part, pattern.strip("/")) for part in parts)


def committed_files() -> list[str]:
    """Return the project's files as a push sends them, new ones among them."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def run_as_platform(
    command: str, environment: Mapping[str, str], folder: Path
) -> "subprocess.Popen[str]":
    """Start a Procfile line as a dyno does: by bash, in a group of its own."""
    return subprocess.Popen(
        ["/bin/bash", "-c", command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
