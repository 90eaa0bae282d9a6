"""`redis_tasks init` makes an existing app deployable, and spoils nothing that is there."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from redis_tasks import setting_rules
from redis_tasks.conf import Settings
from tests.conftest import Run
from tests.support.deployment import ROOT, app_json, procfile

FILES = ["Procfile", "gunicorn.conf.py", "app.json", "task_settings.py"]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app with one package beside its tests."""
    folder = tmp_path / "my shop"
    for name in ("shop", "tests"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
    return folder


def test_the_files_are_those_of_the_template_but_for_the_apps_names(run: Run, app: Path) -> None:
    result = run("init", str(app))

    assert result.exit_code == 0
    assert procfile(app) == procfile(ROOT)
    assert (app / "gunicorn.conf.py").read_text() == (ROOT / "gunicorn.conf.py").read_text()
    written, template = app_json(app), app_json(ROOT)
    assert written["name"] == "my-shop"
    assert written["env"]["RT_SETTINGS_MODULE"]["value"] == "shop.task_settings"
    for key in ("stack", "buildpacks", "addons", "formation"):
        assert written[key] == template[key]
    assert written["env"].keys() == template["env"].keys()


def test_the_settings_module_is_right(run: Run, app: Path) -> None:
    run("init", str(app))

    values: dict[str, Any] = runpy.run_path(str(app / "shop" / "task_settings.py"))
    settings = Settings()
    settings.configure_from_dict({name: values[name] for name in values if name.isupper()})

    assert settings.errors() == []
    assert settings.warnings() == []
    assert {name for name in values if name.isupper()} <= setting_rules.NAMES


def test_without_a_single_package_the_settings_stand_in_the_folder(
    run: Run, tmp_path: Path
) -> None:
    run("init", str(tmp_path))

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert app_json(tmp_path)["env"]["RT_SETTINGS_MODULE"]["value"] == "task_settings"


@pytest.mark.parametrize(("answer", "text"), [("n\n", "mine"), ("y\n", None), ("", "mine")])
def test_what_exists_is_overwritten_only_after_a_yes(
    answer: str, text: str | None, run: Run, app: Path
) -> None:
    (app / "Procfile").write_text("mine")

    run("init", str(app), input=answer)

    found = (app / "Procfile").read_text()
    assert found == (text or (ROOT / "Procfile").read_text())


def test_a_second_time_nothing_is_asked(run: Run, app: Path) -> None:
    run("init", str(app))

    result = run("init", str(app))

    assert result.exit_code == 0
    assert result.output.count("as it should be") == len(FILES)


@pytest.mark.parametrize("name", ["a", "x" * 40, "---", "schön & gut"])
def test_any_folder_gives_a_name_that_the_platform_takes(
    name: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / name).mkdir()

    run("init", str(tmp_path / name))

    assert 3 <= len(app_json(tmp_path / name)["name"]) <= 30
