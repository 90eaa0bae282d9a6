"""Read the command line.

Exit codes: 0 done; 1 Redis cannot be reached, or what was asked is not possible now; 2 wrong usage
or settings.
"""

import difflib
import logging
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_tasks import __version__, allowlist, init, logs, worker_process
from redis_tasks.conf import redacted_url, settings, without_password
from redis_tasks.dotted import Later
from redis_tasks.exceptions import GraphDoesNotExist, InvalidOperation, SettingsError
from redis_tasks.queue import Queue

if TYPE_CHECKING:
    from redis_tasks import (
        doctor,
        entries,
        overview,
        schedule_table,
        schedule_view,
        scheduler_process,
    )
    from redis_tasks.contrib import graph as task_graph
else:
    # A worker starts sooner, and is smaller, without what only other commands need.
    doctor = Later("redis_tasks.doctor")
    entries = Later("redis_tasks.entries")
    overview = Later("redis_tasks.overview")
    schedule_table = Later("redis_tasks.schedule_table")
    schedule_view = Later("redis_tasks.schedule_view")
    scheduler_process = Later("redis_tasks.scheduler_process")
    task_graph = Later("redis_tasks.contrib.graph")

UNREACHABLE = (RedisConnectionError, RedisTimeoutError, ConnectionError)


class Commands(click.Group):
    """Commands whose foreseeable failures are a line each."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            for sentence in error.errors:
                click.echo(f"Error: {logs.escaped(sentence)}", err=True)
            ctx.exit(2)
        except (*UNREACHABLE, RedisError) as error:
            click.echo(f"Error: {trouble(error)}", err=True)
            ctx.exit(1)
        except (InvalidOperation, GraphDoesNotExist) as error:
            click.echo(f"Error: {logs.escaped(str(error))}", err=True)
            ctx.exit(1)


def trouble(error: Exception) -> str:
    """Say in one line what is the matter with Redis."""
    what = "cannot be reached" if isinstance(error, UNREACHABLE) else "refused"
    why = logs.escaped(without_password(str(error)))
    return f"Redis at {redacted_url(settings.REDIS_URL)} {what}: {why}"


class QueueName(click.ParamType[str]):
    """The name of a queue."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return Queue(value).name
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--pythonpath",
    default=".",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where to find your modules; the working directory by default.",
)
@click.version_option(__version__, prog_name="redis_tasks")
def main(pythonpath: Path) -> None:
    """Run tasks by way of Redis.

    Settings come from the module that the environment variable RT_SETTINGS_MODULE names.
    """
    folder = pythonpath.resolve()
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    allowlist.trust_folder(folder)


def log_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what is logged."""
    log_format = click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="One line, or one JSON object a line.",
    )
    quiet = click.option("-q", "--quiet", is_flag=True, help="Log warnings and errors only.")
    verbose = click.option("-v", "--verbose", is_flag=True, help="Log more.")
    return verbose(quiet(log_format(command)))


def configure_logs(log_format: Literal["text", "json"], *, verbose: bool, quiet: bool) -> None:
    """Log as the options say."""
    if verbose and quiet:
        raise click.UsageError("--verbose and --quiet exclude each other")
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    settings.validate()
    logs.configure(level, log_format)


@main.command(short_help="Run tasks from QUEUES until a signal stops it.")
@click.argument("queues", nargs=-1, type=QueueName())
@click.option(
    "--concurrency",
    "-c",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many tasks to run at a time.",
)
@click.option("--burst", "-b", is_flag=True, help="End as soon as no task is left.")
@click.option("--description", "-d", metavar="TEXT", help="How to name it in logs and lists.")
@log_options
def worker(
    *,
    queues: Sequence[str],
    concurrency: int,
    burst: bool,
    description: str | None,
    verbose: bool,
    quiet: bool,
    log_format: Literal["text", "json"],
) -> None:
    """Run tasks from QUEUES (default: "default"), the first ones first."""
    worker_process.run(
        lambda: configure_logs(log_format, verbose=verbose, quiet=quiet),
        list(queues) or ["default"],
        burst=burst,
        description=description,
        concurrency=concurrency,
    )


@main.command()
@log_options
def scheduler(*, verbose: bool, quiet: bool, log_format: Literal["text", "json"]) -> None:
    """Enqueue the tasks of the setting SCHEDULE when they are due.

    Any number of schedulers may run: one leads, the others stand by.
    """
    scheduler_process.run(lambda: configure_logs(log_format, verbose=verbose, quiet=quiet))


@main.group(invoke_without_command=True)
@click.option(
    "--next",
    "-n",
    "ticks",
    type=click.IntRange(min=1, max=1000),
    default=1,
    metavar="N",
    help="Show the next N ticks of each entry.",
)
@click.pass_context
def schedule(ctx: click.Context, *, ticks: int) -> None:
    """Show the entries of the setting SCHEDULE; or run one of them."""
    settings.validate()
    if ctx.invoked_subcommand is not None:
        return
    view = schedule_view.read_schedule(ticks)
    if view.errors:
        raise SettingsError(view.errors)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo("\n".join(schedule_table.draw(view, width)))


@schedule.command("run")
@click.argument("entry_id", metavar="ID")
def schedule_run(*, entry_id: str) -> None:
    """Enqueue the task of the entry ID now, outside its ticks."""
    known = {entry.id: entry for entry in entries.load()}
    if entry_id not in known:
        close = difflib.get_close_matches(entry_id, known, n=1)
        meant = f"did you mean {close[0]!r}?" if close else "see redis_tasks schedule"
        raise click.UsageError(f"SCHEDULE has no entry {entry_id!r}: {meant}")
    entry = known[entry_id]
    task = entry.task()
    Queue(entry.queue).push(task)
    click.echo(f"Task {logs.escaped(task.description)} [{task.id}] enqueued in {entry.queue}")


@main.command()
@click.argument("queues", nargs=-1, type=QueueName())
@click.option(
    "--interval",
    "-i",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Show it anew every so often, until Ctrl-C.",
)
@click.option("--by-queue", is_flag=True, help="Show workers below the queues they serve.")
def info(*, queues: Sequence[str], interval: float | None, by_queue: bool) -> None:
    """Show queues (all, or QUEUES) with their tasks and workers."""
    settings.validate()
    text = _picture(queues, by_queue=by_queue)
    if interval is None:
        click.echo(text)
        return
    try:
        while True:
            click.clear()
            click.echo(text)
            time.sleep(interval)
            text = _picture_or_trouble(queues, by_queue=by_queue)
    except KeyboardInterrupt:
        return


def _picture(queues: Sequence[str], *, by_queue: bool) -> str:
    encoding = (sys.stdout.encoding or "").lower()
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 120
    canvas = overview.Canvas(min(columns, 120), blocks=encoding.startswith("utf"))
    return "\n".join(overview.draw(overview.gather(queues), canvas, by_queue=by_queue))


def _picture_or_trouble(queues: Sequence[str], *, by_queue: bool) -> str:
    # Who watches wants to see it come back.
    try:
        return _picture(queues, by_queue=by_queue)
    except (*UNREACHABLE, RedisError) as error:
        return trouble(error)


@main.command()
@click.argument("queues", nargs=-1, type=QueueName())
@click.option("--all", "every", is_flag=True, help="All queues that there are.")
@click.option("--delete", is_flag=True, help="Delete the queues themselves, too.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def empty(*, queues: Sequence[str], every: bool, delete: bool, yes: bool) -> None:
    """Delete all tasks that wait in QUEUES."""
    if bool(queues) == every:
        raise click.UsageError("name the queues to empty, or give --all")
    settings.validate()
    chosen = Queue.all() if every else [Queue(name) for name in queues]
    if not chosen:
        click.echo("There are no queues.")
        return
    counts = {queue: queue.count() for queue in chosen}
    if not yes:
        shown = ", ".join(f"{queue.name} ({count:,})" for queue, count in counts.items())
        verb = "Empty and delete" if delete else "Empty"
        click.confirm(f"{verb} {shown}?", abort=True)
    for queue in counts:
        deleted = queue.delete() if delete else queue.empty()
        noun = "task" if deleted == 1 else "tasks"
        click.echo(f"{queue.name}: {deleted:,} {noun} deleted")


@main.command()
@click.argument("graph_id", metavar="ID")
@click.option("--svg", is_flag=True, help="Write it as SVG.")
def graph(*, graph_id: str, svg: bool) -> None:
    """Show the graph of tasks ID: what has run, what waits for what."""
    settings.validate()
    found = task_graph.TaskGraph.fetch(graph_id)
    click.echo(found.as_svg() if svg else found.as_text())


@main.command("doctor", short_help="Examine this app and its Redis.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of lines.")
@click.option("--release", is_flag=True, help="What may pass by itself is a warning, no error.")
def examine(*, as_json: bool, release: bool) -> None:
    """Examine this app and its Redis: a line for each check, exit code 1 on an error."""
    findings = doctor.examine(Path.cwd())
    if release:
        findings = doctor.for_release(findings)
    click.echo(doctor.as_json(findings) if as_json else doctor.as_text(findings))
    if doctor.worst(findings) == "error":
        sys.exit(1)


@main.command("init", short_help="Write the files by which a platform deploys the app.")
@click.argument(
    "folder",
    metavar="[DIR]",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
def write_files(*, folder: Path) -> None:
    """Write what a platform deploys the app in DIR by; asks before it overwrites."""
    for place, text in init.contents(folder.resolve()).items():
        target = folder / place
        if target.exists() and target.read_text("utf-8") == text:
            click.echo(f"as it should be: {place}")
        elif target.exists() and not click.confirm(f"{place} exists. Overwrite it?"):
            click.echo(f"left as it is: {place}")
        else:
            target.write_text(text, "utf-8")
            click.echo(f"written: {place}")
    click.echo("Now add redis-tasks[dashboard] to your requirements, and commit.")
