from pathlib import Path

import pytest

from redis_tasks import allowlist, redis_task
from redis_tasks.allowlist import NotAllowed, Unimportable
from tests.conftest import UseSettings, WriteModule
from tests.support.written_module import imported

pytestmark = pytest.mark.usefixtures("settings_for_test")


@redis_task()
def task() -> None: ...


def test_a_list_of_modules_decides_alone(
    write_module: WriteModule, use_settings: UseSettings
) -> None:
    write_module("acme.tasks")
    use_settings(TASK_MODULES=["acme"])

    assert callable(allowlist.load("acme.tasks.unmarked"))
    with pytest.raises(NotAllowed, match="TASK_MODULES does not list it"):
        allowlist.load("tests.test_task_modules.task")
    with pytest.raises(ValueError, match=r"Add 'tests.test_task_modules' there"):
        allowlist.check(task)


def test_a_listed_module_has_to_match_whole_names(
    write_module: WriteModule, use_settings: UseSettings, tmp_path: Path
) -> None:
    write_module("acme.tasks")
    use_settings(TASK_MODULES=["acm", "acme.task"])

    with pytest.raises(NotAllowed):
        allowlist.load("acme.tasks.f")

    assert imported(tmp_path) == []


@pytest.mark.parametrize("path", ["acme.tasks.os.system", "acme.tasks.run"])
def test_what_a_listed_module_has_imported_is_not_its_own(
    path: str, write_module: WriteModule, use_settings: UseSettings
) -> None:
    write_module("acme.tasks")
    use_settings(TASK_MODULES=["acme"])

    with pytest.raises(NotAllowed, match=f"{path} is (posix|subprocess)"):
        allowlist.load(path)


def test_what_a_listed_module_holds_may_be_no_function(
    write_module: WriteModule, use_settings: UseSettings
) -> None:
    write_module("acme.tasks")
    use_settings(TASK_MODULES=["acme"])

    with pytest.raises(Unimportable, match=r"cannot be a task: .* cannot be called"):
        allowlist.load("acme.tasks.text")


def test_a_method_of_a_listed_object_is_no_task(
    write_module: WriteModule, use_settings: UseSettings
) -> None:
    write_module("acme.tasks")
    use_settings(TASK_MODULES=["acme"])

    with pytest.raises(Unimportable, match="is a method of an object"):
        allowlist.load("acme.tasks.box.method")


def test_an_empty_list_allows_nothing(use_settings: UseSettings) -> None:
    use_settings(TASK_MODULES=[])

    with pytest.raises(NotAllowed):
        allowlist.load("tests.test_task_modules.task")
