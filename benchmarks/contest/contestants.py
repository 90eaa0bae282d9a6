"""Know who takes part in the contest, each in an environment of its own."""

import hashlib
import json
import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ADAPTERS = HERE / "adapters"
ENVIRONMENTS = ROOT / ".data" / "contest"
INSTALL_LIMIT = 600  # seconds
CLIENT_LIMIT = 300  # seconds for one call of a contestant's client


class NotInstalled(Exception):
    """The contestant could not be installed; the table shows it as such."""


@dataclass(frozen=True)
class Contestant:
    """One library in one configuration."""

    name: str
    title: str
    requirements: Sequence[str]

    @property
    def is_own(self) -> bool:
        """Whether it is this checkout; what is installed for it is what it needs."""
        return not self.requirements

    @property
    def needed(self) -> Sequence[str]:
        return self.requirements or _dependencies()

    @property
    def python(self) -> str:
        mark = hashlib.sha256("\0".join([*self.needed, sys.version]).encode()).hexdigest()
        return str(ENVIRONMENTS / mark[:12] / "bin" / "python")

    @property
    def module(self) -> str:
        return f"with_{self.name}"

    def install(self) -> None:
        """Make its environment, unless it is there. Raises ``NotInstalled``."""
        python = Path(self.python)
        if (python.parent.parent / "installed").exists():
            return
        venv.create(python.parent.parent, with_pip=True, clear=True)
        command = [self.python, "-m", "pip", "install", "--quiet", *self.needed]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_LIMIT)
        except subprocess.SubprocessError as error:
            raise NotInstalled(str(error)) from error
        (python.parent.parent / "installed").touch()

    def versions(self) -> str:
        """Return the versions of the library and of its Redis client."""
        command = [self.python, "-m", "pip", "list", "--format", "json"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        wanted = {self.name.split("_")[0], "redis", "redis-tasks", "coredis", "taskiq-redis"}
        found = {one["name"]: one["version"] for one in json.loads(said.stdout)}
        names = [f"{name} {found[name]}" for name in sorted(wanted & set(found))]
        return ", ".join(["this checkout", *names] if self.is_own else names)

    def environment(self, url: str, ledger: Path) -> dict[str, str]:
        """Return its processes' environment: where Redis is, where tasks leave marks."""
        paths = [str(ADAPTERS), str(ROOT)] if self.is_own else [str(ADAPTERS)]
        return {
            **os.environ,
            "CONTEST_REDIS_URL": url,
            "CONTEST_LEDGER": str(ledger),
            "PYTHONPATH": os.pathsep.join(paths),
            "RT_SETTINGS_MODULE": self.module,
        }

    def drive(self, environment: Mapping[str, str], *words: str) -> str:
        """Have its client do something (see ``adapters/driver.py``); return what it printed."""
        command = [self.python, "-m", "driver", self.module, *words]
        said = subprocess.run(
            command,
            env=environment,
            cwd=ADAPTERS,
            capture_output=True,
            text=True,
            check=False,
            timeout=CLIENT_LIMIT,
        )
        if said.returncode:
            raise RuntimeError(f"{self.name} {' '.join(words)}: {said.stderr[-2000:]}")
        return said.stdout

    def about(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return what its adapter says of it: guarantee, settings, slots of the no-op run."""
        told: dict[str, Any] = json.loads(self.drive(environment, "about"))
        return told


def _dependencies() -> Sequence[str]:
    """Return what this project needs: what is there for its tests alone would weigh it down."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return tuple(project["dependencies"])


def own_python() -> str:
    """Return the program of an environment with this project's dependencies, nothing else."""
    own = everybody()["redis_tasks"]
    own.install()
    return own.python


def everybody() -> dict[str, Contestant]:
    """Return all contestants by name, in the table's order."""
    table = tomllib.loads((HERE / "contestants.toml").read_text())
    return {
        name: Contestant(name, one["title"], tuple(one["requirements"]))
        for name, one in table.items()
    }
