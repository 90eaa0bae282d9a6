"""The order of the modules: which may import which. The table is the order to read them in."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "redis_tasks"

# Top floor first. A module imports only from floors below its own, or from the modules that stand
# after it on its own line.
FLOORS = (
    (
        "doors",
        """contrib.django.management.commands.redis_tasks
        contrib.django.management.commands.__init__
        contrib.django.management.__init__ __main__ cli init.__init__ schedule_table overview
        doctor app_checks server_checks finding __init__""",
    ),
    (
        "contrib",
        """contrib.django.apps contrib.django.system_checks contrib.django.configuration
        contrib.django.transactions contrib.django.connections contrib.django.backend
        contrib.django.__init__ contrib.pytest contrib.postpone_shutdown contrib.sentry
        contrib.sentry_monitors contrib.opentelemetry contrib.patience contrib.log_context
        contrib.timing contrib.graph contrib.graph_reading contrib.graph_svg contrib.graph_text
        contrib.graph_node contrib.graph_layers contrib.__init__""",
    ),
    ("loops", "testing scheduler_process scheduler worker_process supervisor"),
    (
        "processes",
        """maintenance narration dispatch leadership postmortem exchange stable sharing
        forking workhorse_handle run rehearsal workhorse shelf channel stopping""",
    ),
    ("running", "worker execution"),
    ("records", "queue registries schedule_view agenda entries task statistics record"),
    ("rules", "schedules publishing middleware allowlist decorator lifecycle"),
    (
        "Redis",
        """store.graph_scripts store.schedule_scripts store.scripts store.client store.server
        store.discovery store.resolve store.__init__""",
    ),
    ("names", "keys"),
    ("settings", "shutdown conf"),
    (
        "words",
        """cron_words cron smear_dst setting_rules redis_url logs offspring resident page frames
        sync_points hooks redaction description names dotted codec json_tags clock defaults
        exceptions""",
    ),
)
ORDER = [module for _, line in FLOORS for module in line.split()]
FLOOR_OF = {module: name for name, line in FLOORS for module in line.split()}
NAMES = [name for name, _ in FLOORS]

# Where each package from outside may be imported, as prefixes of our modules; the client library's
# exceptions, though, wherever they are caught.
OUTSIDE = {
    "redis": ("store.",),
    "hiredis": ("frames",),
    "croniter": ("cron",),
    "click": ("cli",),
    "flask": (),
    "django": ("contrib.django",),
    "django_tasks": ("contrib.django.backend",),
    "pytest": ("contrib.pytest",),
    "sentry_sdk": ("contrib.sentry",),
    "opentelemetry": ("contrib.opentelemetry",),
}
FORBIDDEN_WORDS = {"utils", "helpers", "helper", "common", "base", "manager", "misc"}

FILES = {
    ".".join(path.relative_to(LIBRARY).with_suffix("").parts): path
    for path in sorted(LIBRARY.rglob("*.py"))
}
OUR_PYTHON = [
    path
    for folder in ("redis_tasks", "dashboard", "demo", "development", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each imported thing by its full dotted name."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}:{node.lineno}: a relative import"
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def module_of(dotted: str) -> str | None:
    """Return which of our modules an import of *dotted* loads; None if it is none of ours."""
    first, *rest = dotted.split(".")
    if first != "redis_tasks":
        return None
    for length in range(len(rest), 0, -1):
        name = ".".join(rest[:length])
        if name in FILES or f"{name}.__init__" in FILES:
            return name if name in FILES else f"{name}.__init__"
    return "__init__"


def may_import(importer: str, imported: str) -> bool:
    for module in (importer, imported):
        assert module in FLOOR_OF, f"{module} stands on no floor: give it a place in the table"
    above, below = FLOOR_OF[importer], FLOOR_OF[imported]
    if above == below:
        return ORDER.index(importer) < ORDER.index(imported)
    return NAMES.index(above) < NAMES.index(below)


def test_the_table_lists_exactly_the_modules_that_there_are() -> None:
    assert sorted(ORDER) == sorted(FILES)


@pytest.mark.parametrize("module", FILES)
def test_a_module_imports_only_from_below(module: str) -> None:
    upwards = [
        f"line {node.lineno}: {dotted}"
        for node, dotted in imports_of(FILES[module])
        if (imported := module_of(dotted)) and not may_import(module, imported)
    ]

    assert upwards == []


@pytest.mark.parametrize("module", FILES)
def test_a_package_from_outside_is_imported_only_where_the_table_says(module: str) -> None:
    misplaced = [
        dotted
        for _, dotted in imports_of(FILES[module])
        if not dotted.startswith("redis.exceptions")
        and (places := OUTSIDE.get(dotted.split(".")[0])) is not None
        and not module.startswith(places)
    ]

    assert misplaced == []


@pytest.mark.parametrize("module", [name for name in FILES if not name.startswith("contrib.")])
def test_nothing_is_imported_inside_a_function(module: str) -> None:
    inside = [
        f"line {node.lineno}: {function.name}"
        for function in ast.walk(parse(FILES[module]))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert inside == []


@pytest.mark.parametrize("module", FILES)
def test_a_module_says_its_one_duty_in_its_first_line(module: str) -> None:
    duty = (ast.get_docstring(parse(FILES[module])) or "").partition("\n")[0]

    assert duty.endswith((".", ":"))
    assert " and " not in re.sub(r"\bbetween .* and ", "", duty)


@pytest.mark.parametrize("path", OUR_PYTHON, ids=relative)
def test_a_file_has_less_than_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


@pytest.mark.parametrize("path", OUR_PYTHON, ids=relative)
def test_a_function_has_less_than_40_lines(path: Path) -> None:
    long = [
        f"line {node.lineno}: {node.name}"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 >= 40
    ]

    assert long == []


@pytest.mark.parametrize("path", OUR_PYTHON, ids=relative)
def test_a_name_says_what_a_thing_is(path: Path) -> None:
    words = {
        word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")
    }

    assert not words & FORBIDDEN_WORDS
