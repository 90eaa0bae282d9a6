"""A real worker in processes of its own."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.marked_process import MarkedProcess

ROOT = Path(__file__).resolve().parent.parent.parent
MAIN = "from redis_tasks.cli import main; main()"


class WorkerProcess(MarkedProcess):
    """`redis_tasks worker *arguments*`; its own process is the supervisor.

    *values* are its settings, *program* what the interpreter runs.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        arguments: Sequence[str] = (),
        *,
        command: str = "worker",
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
        cwd: Path = ROOT,
        program: Sequence[str] = ("-c", MAIN),
    ) -> None:
        variables = {
            **os.environ,
            "RT_SETTINGS_MODULE": "tests.support.worker_settings",
            "RT_TEST_SETTINGS": json.dumps(dict(values)),
            **(environment or {}),
        }
        super().__init__([sys.executable, *program, command, *arguments], variables, cwd, stdout)

    def workhorses(self) -> list[int]:
        """Return the process ids of the supervisor's living children."""
        return self.children()
