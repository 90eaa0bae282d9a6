"""Give manage.py the command line of redis_tasks: ``manage.py redis_tasks worker``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections
from django.utils.module_loading import autodiscover_modules

from redis_tasks import allowlist, cli


class Command(BaseCommand):
    """All of redis_tasks' own commands, with their options."""

    help = "Run a command of redis_tasks: its own --help lists them."
    requires_system_checks: Sequence[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND ...")

    def run_from_argv(self, argv: list[str]) -> None:
        """Hand all arguments on, even --help and --version, but those that Django itself took."""
        program = Path(argv[0]).name
        if program == "manage.py":
            allowlist.trust_folder(Path(argv[0]).parent)
        try:
            _run(_without_djangos(argv[2:]), f"{program} {argv[1]}", standalone=True)
        finally:
            connections.close_all()

    def handle(self, *_: object, arguments: Sequence[str], **__: Any) -> None:
        """Be called by ``call_command("redis_tasks", "info")``."""
        code = _run(arguments, "redis_tasks", standalone=False)
        if code:
            sys.exit(code)


def _run(arguments: Sequence[str], program: str, *, standalone: bool) -> Any:
    if arguments and arguments[0] not in ("info", "empty"):
        # What is imported before the fork is shared, and may run as a task.
        autodiscover_modules("tasks")
    return cli.main(list(arguments), prog_name=program, standalone_mode=standalone)


def _without_djangos(arguments: Sequence[str]) -> list[str]:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings")
    parser.add_argument("--pythonpath")
    return parser.parse_known_args(arguments)[1]
