import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from redis_tasks import allowlist, redis_task
from redis_tasks.allowlist import NotAllowed, Unimportable
from redis_tasks.conf import Settings
from tests.conftest import UseSettings, WriteModule
from tests.support import actions
from tests.support.written_module import imported

pytestmark = pytest.mark.usefixtures("settings_for_test")


@redis_task()
def task() -> None: ...


class Awkward:
    """An object that does not like to be asked."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("do not touch")

    def __call__(self) -> None: ...


awkward = Awkward()
alias = task

WILLING = """
import importlib
from redis_tasks import redis_task

class Box:
    @staticmethod
    @redis_task()
    def open(): ...

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return importlib.import_module(f".{name}", __name__)
"""


# ---- Marked functions, without TASK_MODULES


def test_a_marked_function_of_a_loaded_module_may_run() -> None:
    assert allowlist.load("tests.test_allowlist.task") is task
    assert allowlist.check(task) == ("tests.test_allowlist.task", task)
    assert allowlist.check("tests.test_allowlist.task") == ("tests.test_allowlist.task", task)


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "builtins.eval",
        "subprocess.run",
        "tests.support.actions.os.system",
        "tests.support.actions.subprocess.Popen",
        "tests.support.actions.not_a_task",
        "tests.support.actions.STEPS.clear",
        "redis_tasks.worker_process.worker_main",
        "tests.test_allowlist.awkward",
        "this.that",
        "json.tool.main",
    ],
)
def test_anything_else_may_not_run(path: str) -> None:
    loaded = set(sys.modules)

    with pytest.raises(NotAllowed, match=r"TASK_MODULES"):
        allowlist.load(path)

    assert {"this", "json.tool"}.isdisjoint(set(sys.modules) - loaded)


def test_a_module_that_is_merely_installed_is_not_imported(
    write_module: WriteModule, tmp_path: Path
) -> None:
    write_module("installed.tasks")

    with pytest.raises(NotAllowed, match=r"neither loaded nor .*'installed.tasks' in the setting"):
        allowlist.load("installed.tasks.f")

    assert imported(tmp_path) == []


@pytest.mark.parametrize("attribute", ["f", "Box.open", "Box.close"])
def test_a_module_in_the_working_directory_is_imported(
    attribute: str, write_module: WriteModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module("app.tasks")
    monkeypatch.chdir(tmp_path / "library")

    function = allowlist.load(f"app.tasks.{attribute}")

    assert callable(function)
    assert allowlist.load(f"app.tasks.{attribute}") == function
    assert imported(tmp_path) == ["app.tasks"]


def test_a_single_module_in_the_working_directory_is_imported(
    write_module: WriteModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module("single")
    monkeypatch.chdir(tmp_path / "library")

    assert callable(allowlist.load("single.f"))


def test_a_package_deeper_in_the_working_directory_is_not_imported(
    write_module: WriteModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module("deep")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotAllowed):
        allowlist.load("deep.f")

    assert imported(tmp_path) == []


def test_a_module_of_the_same_name_elsewhere_is_not_imported(
    write_module: WriteModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module("twice")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_module("twice", within=elsewhere)
    monkeypatch.chdir(elsewhere)

    with pytest.raises(NotAllowed):
        allowlist.load("twice.f")

    assert imported(tmp_path) == []


def test_a_folder_can_be_trusted_like_the_working_directory(
    write_module: WriteModule, tmp_path: Path
) -> None:
    write_module("trusted_tasks")
    allowlist.trust_folder(tmp_path / "library")

    assert callable(allowlist.load("trusted_tasks.f"))


def test_a_working_directory_that_is_gone_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(NotAllowed):
        allowlist.load("this.that")


@pytest.mark.parametrize(
    "values",
    [
        {"WORKER_PRELOAD_FUNCTION": "acme.start.up"},
        {"SCHEDULE": {"nightly": {"task": "acme.reports.nightly"}}},
        {"SCHEDULE": {"other": None, "bare": {"task": None}, "x": {"task": "acme.x.y"}}},
    ],
)
def test_packages_that_the_settings_name_are_imported(
    values: dict[str, Any], write_module: WriteModule, use_settings: UseSettings, tmp_path: Path
) -> None:
    write_module("acme.tasks")
    write_module("other.tasks")
    use_settings(**values)

    function = allowlist.load("acme.tasks.f")

    assert callable(function)
    with pytest.raises(NotAllowed):
        allowlist.load("other.tasks.f")
    assert imported(tmp_path) == ["acme.tasks"]


def test_a_scheduled_function_stands_for_its_package(
    write_module: WriteModule, use_settings: UseSettings
) -> None:
    write_module("tests_own.tasks")

    def scheduled() -> None: ...

    scheduled.__module__ = "tests_own.schedule"
    use_settings(SCHEDULE={"nightly": {"task": scheduled}})

    assert callable(allowlist.load("tests_own.tasks.f"))


def test_the_package_of_the_settings_module_is_imported(
    write_module: WriteModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module("acme.tasks")
    own = Settings()
    own.configure(ModuleType("acme.settings"))
    monkeypatch.setattr(allowlist, "settings", own)

    assert callable(allowlist.load("acme.tasks.f"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "is not an import path"),
        ("f", "is not an import path"),
        ("os;system('x').y", "is not an import path"),
        ("tests.support.actions.gone", "AttributeError: .* no attribute 'gone'"),
    ],
)
def test_a_path_that_leads_nowhere_cannot_be_imported(path: str, message: str) -> None:
    with pytest.raises(Unimportable, match=message):
        allowlist.load(path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import no_such_thing", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_a_module_that_fails_to_import_is_an_error_with_its_cause(
    text: str, error: str, write_module: WriteModule, use_settings: UseSettings
) -> None:
    write_module("acme.broken", text)
    use_settings(WORKER_PRELOAD_FUNCTION="acme.start.up")

    with pytest.raises(Unimportable, match=f"acme.broken.f cannot be imported: {error}") as raised:
        allowlist.load("acme.broken.f")

    assert type(raised.value.__cause__).__name__ == error


def test_a_marked_object_that_cannot_be_called_is_no_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(actions, "thing", type("Thing", (), vars(task))(), raising=False)

    with pytest.raises(Unimportable, match="cannot be called"):
        allowlist.load("tests.support.actions.thing")


# ---- At enqueue


def test_an_unmarked_function_is_told_both_ways_out() -> None:
    with pytest.raises(
        ValueError,
        match=r"not_a_task may not run as a task: mark it with @redis_task\(\),"
        r" or list 'tests.support.actions' in the setting TASK_MODULES",
    ):
        allowlist.check(actions.not_a_task)


def test_a_function_that_its_path_does_not_lead_to_is_refused() -> None:
    @redis_task()
    def hidden() -> None: ...

    hidden.__qualname__ = "hidden"

    with pytest.raises(ValueError, match="hidden is not the function that was passed"):
        allowlist.check(hidden)


def test_a_function_of_a_module_that_no_path_can_name_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run() -> None: ...

    run.__module__, run.__qualname__ = "not-a-path", "run"
    module = ModuleType("not-a-path")
    vars(module)["run"] = redis_task()(run)
    monkeypatch.setitem(sys.modules, "not-a-path", module)

    with pytest.raises(ValueError, match=r"not the function that was passed"):
        allowlist.check(run)


def test_a_method_of_a_package_that_imports_what_it_is_asked_for_may_be_enqueued(
    write_module: WriteModule,
) -> None:
    write_module("willing.__init__", WILLING)
    open_box = import_module("willing").Box.open

    assert allowlist.check(open_box) == ("willing.Box.open", open_box)


def test_a_function_may_have_another_name_too() -> None:
    assert allowlist.check("tests.test_allowlist.alias")[1] is task


def test_a_function_in_main_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "__module__", "__main__")

    with pytest.raises(ValueError, match="defined in __main__"):
        allowlist.check(task)
