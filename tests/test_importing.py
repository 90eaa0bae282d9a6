import subprocess
import sys


def test_importing_the_library_loads_nothing_that_it_does_not_need() -> None:
    # redis-py imports what it finds of OpenTelemetry by itself.
    program = (
        "import sys, redis; there = set(sys.modules); import redis_tasks\n"
        "unneeded = {'flask', 'sentry_sdk', 'redis_tasks.contrib', 'django', 'django_tasks',"
        " 'opentelemetry', 'dashboard', 'croniter', 'click', 'pytest', 'pytest_redis_tasks'}\n"
        "print(*(unneeded & set(sys.modules) - there))"
    )

    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert output.split() == []


def test_the_command_line_loads_what_only_one_command_needs_with_that_command() -> None:
    program = (
        "import sys, redis_tasks.cli\n"
        "unneeded = {f'redis_tasks.{name}' for name in ('scheduler', 'doctor', 'overview',"
        " 'entries', 'contrib.graph', 'schedule_view')} | {'croniter'}\n"
        "print(*(unneeded & set(sys.modules)))"
    )

    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert output.split() == []


def test_importing_the_library_is_quick() -> None:
    program = (
        "import redis, time; begun = time.process_time(); import redis_tasks\n"
        "print(time.process_time() - begun)"
    )

    took = min(
        float(
            subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
        )
        for _ in range(3)
    )

    assert took < 0.15
