"""Starts everything that bin/up promises, then tells what is there and what to try."""

import os
import sys
from pathlib import Path

from development.ports import PortError, read_port, refuse_taken
from development.processes import Runner, expanded, read_procfile
from development.redis_server import EmbeddedRedis, NoRedisError
from redis_tasks.redis_url import redacted_url

ROOT = Path(__file__).resolve().parent.parent
FEEDER = "exec python -m demo.feeder"
HOME = "127.0.0.1"
WEB_PORT = 5000  # unless PORT says another; see gunicorn.conf.py

SCREEN = """
redis_tasks is running.

{processes}

To enqueue a task of your own, in another terminal:

  cd {root}
  export {exports}
  .venv/bin/python -c \\
    'from redis_tasks import Queue; Queue().enqueue_call("demo.tasks.count_words", ["README.md"])'

To see queues and workers there:  .venv/bin/redis_tasks info
In a browser:  {dashboard}
And what is scheduled:            .venv/bin/redis_tasks schedule

Press Ctrl-C and watch the running task go back to its queue: demo.tasks.write_report keeps its
progress, is first in its queue at the next bin/up, and goes on from there.
"""


def main() -> int:
    """Run until Ctrl-C; return the exit code."""
    runner = Runner()
    try:
        commands = {**read_procfile(ROOT / "Procfile"), "feeder": FEEDER}
        if "web" in commands:
            refuse_a_taken_web_port()
        redis = embedded_redis()
        if redis:
            redis.start()
    except (NoRedisError, PortError, ValueError) as error:
        print(f"bin/up: {error}", file=sys.stderr)
        return 1
    try:
        url = redis.url if redis else os.environ["REDIS_URL"]
        variables = environment(url)
        shown = {name: expanded(command, variables) for name, command in commands.items()}
        print(screen(shown, url, embedded=redis is not None), flush=True)
        return runner.run(commands, variables)
    finally:
        if redis:
            redis.stop()
            print(f"Redis has ended too; its data is kept in {redis.folder.name}/.")


def embedded_redis() -> EmbeddedRedis | None:
    """Return the server to start, or None where REDIS_URL names one that runs already."""
    if os.environ.get("REDIS_URL"):
        return None
    return EmbeddedRedis(ROOT / ".data", read_port("REDIS_PORT"))


def refuse_a_taken_web_port() -> None:
    """Raise PortError where the dashboard could not be reached: its server would only try on."""
    port = read_port("PORT", WEB_PORT)
    if port is not None:
        everywhere = "PORT" in os.environ
        refuse_taken(port, "set PORT to another one", "" if everywhere else HOME)


def environment(url: str) -> dict[str, str]:
    """Return what the processes see: this project's programs first, the demo's settings."""
    return {
        "RT_SETTINGS_MODULE": "demo.settings",
        "WORKER_CONCURRENCY": "3",
        **dashboard_access(),
        **os.environ,
        "REDIS_URL": url,
        "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
    }


def dashboard_access() -> dict[str, str]:
    """Let everybody on this machine see the demo's dashboard, unless a password is set."""
    if "DASHBOARD_USERNAME" in os.environ or "DASHBOARD_PASSWORD" in os.environ:
        return {}
    return {"DASHBOARD_PUBLIC": "1"}


def screen(commands: dict[str, str], url: str, *, embedded: bool) -> str:
    """Return what to print at the start; a password in *url* is not shown."""
    exports = "RT_SETTINGS_MODULE=demo.settings"
    if embedded:
        redis, exports = f"{url}  (its data is in .data/)", f"REDIS_URL={url} {exports}"
    else:
        redis, exports = redacted_url(url), f"{exports}  # with REDIS_URL as here"
    rows = {"redis": redis} | commands
    dashboard = f"http://{HOME}:{os.environ.get('PORT', WEB_PORT)}/"
    processes = "\n".join(f"  {name}\t{row.removeprefix('exec ')}" for name, row in rows.items())
    return SCREEN.format(
        processes=processes.expandtabs(12), root=ROOT, exports=exports, dashboard=dashboard
    )


if __name__ == "__main__":
    sys.exit(main())
