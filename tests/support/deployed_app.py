"""An app on the platform: its dynos, its config vars, its Redis of the smallest plan."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from tests.support.deployment import app_json, procfile
from tests.support.dyno import FOR_GUNICORN, Dyno, Ending, stop
from tests.support.router import Router
from tests.support.smallest_plan import SmallestPlan

BOOT = 60  # seconds that a web dyno has to listen


class DeployedApp:
    """Runs the app in *folder* with the variables of its app.json and *config*.

    Each dyno's log is a file in *logs*. *sets* is what this generation of the platform sets for
    gunicorn.
    """

    def __init__(
        self,
        folder: Path,
        store: SmallestPlan,
        logs: Path,
        config: Mapping[str, str] | None = None,
        sets: Mapping[str, str] = FOR_GUNICORN,
    ) -> None:
        self.folder = folder
        self.store = store
        self.logs = logs
        self.lines = procfile(folder)
        declared = app_json(folder)["env"]
        self.config = {
            **sets,
            **{name: _value_of(entry) for name, entry in declared.items()},
            "REDIS_URL": store.url,
            **(config or {}),
        }
        self.router = Router(
            (self.config["DASHBOARD_USERNAME"], self.config["DASHBOARD_PASSWORD"])
        )
        self.dynos: list[Dyno] = []
        self._all: list[Dyno] = []

    def start(self, name: str, line: str | None = None) -> Dyno:
        """Start one dyno, whatever the formation is; *line* is its process's unless given."""
        command = self.lines[name.partition(".")[0]] if line is None else line
        log = self.logs / f"{len(self._all):03}-{name}.log"
        dyno = Dyno(name, command, self.config, self.folder, log)
        self._all.append(dyno)
        return dyno

    def release(self) -> Dyno:
        """Run the release phase to its end."""
        return self.run(self.lines["release"], "release.1")

    def run(self, line: str, name: str = "run.1") -> Dyno:
        """Run a one-off dyno to its end."""
        dyno = self.start(name, line)
        dyno.wait_exit(BOOT)
        return dyno

    def scale(self, **formation: int) -> list[Ending]:
        """Start what is missing of that many dynos a process; stop the others, see `Ending`."""
        wanted = [f"{kind}.{n}" for kind, count in formation.items() for n in range(1, count + 1)]
        surplus = [dyno for dyno in self.dynos if dyno.name not in wanted]
        present = [dyno for dyno in self.dynos if dyno.name in wanted]
        missing = [name for name in wanted if name not in [dyno.name for dyno in present]]
        self._serve([*present, *map(self.start, missing)])
        return stop(surplus)

    def restart(self) -> list[Ending]:
        """Replace all dynos by new ones, which start while the old ones drain."""
        old = self.dynos
        self._serve([self.start(dyno.name) for dyno in old])
        return stop(old)

    def _serve(self, dynos: list[Dyno]) -> None:
        self.dynos = dynos
        for dyno in self.of("web"):
            self.router.port = dyno.port

    def deploy(self) -> list[Ending]:
        """Release, then restart; what the release phase refuses is not started."""
        released = self.release()
        assert released.exit_code == 0, released.text()
        return self.restart()

    def of(self, kind: str) -> list[Dyno]:
        """Return the dynos of a process that run now."""
        return [dyno for dyno in self.dynos if dyno.kind == kind]

    def wait_up(self, timeout: float = BOOT) -> None:
        """Return once every dyno says that it serves."""
        words = {"worker": "Worker .* started", "scheduler": "(leads|stands by)"}
        for dyno in self.dynos:
            dyno.wait_line(words.get(dyno.kind, "Booting worker"), timeout)

    def close(self) -> list[str]:
        """Kill all dynos; return the commands that outlived their dyno's main process."""
        return [line for dyno in self._all if dyno.ending is None for line in dyno.close()]


def _value_of(entry: Mapping[str, str]) -> str:
    return entry["value"] if "value" in entry else secrets.token_hex(32)
