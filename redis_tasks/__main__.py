"""Run the command line as ``python -m redis_tasks``."""

from redis_tasks.cli import main

main(prog_name="redis_tasks")
