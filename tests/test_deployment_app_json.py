"""The deploy button makes a whole app of app.json; a push needs the README's commands."""

import re
from typing import Any

import pytest

from demo import settings as demo_settings
from tests.support.deployment import PROCESSES, ROOT, app_json, procfile
from tests.support.documentation import section

APP = app_json(ROOT)
README = ROOT / "README.md"
GENERATED = "$(openssl rand -hex 16)"


def commands_for_a_push() -> list[str]:
    """Return what the README tells to type, without the prompts."""
    lines = section(README, "### With a push").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def test_the_name_is_short() -> None:
    assert 3 <= len(APP["name"]) <= 30


def test_the_platform_is_the_one_that_the_project_was_made_for() -> None:
    assert APP["stack"] == "heroku-24"
    assert APP["buildpacks"] == [{"url": "heroku/python"}]
    assert APP["addons"] == ["heroku-redis:mini"]


@pytest.mark.parametrize("name", APP["env"])
def test_a_variable_is_text_or_a_secret_to_generate(name: str) -> None:
    entry: dict[str, Any] = APP["env"][name]

    assert isinstance(entry["value"], str) if "value" in entry else entry["generator"] == "secret"
    assert set(entry) in ({"description", "value"}, {"description", "generator"})
    assert entry["description"]


def test_nothing_has_to_be_typed() -> None:
    values = {name: entry.get("value", GENERATED) for name, entry in APP["env"].items()}

    assert values == {
        "RT_SETTINGS_MODULE": demo_settings.__name__,
        "REDIS_TLS_VERIFY": "none",
        "WORKER_CONCURRENCY": "2",
        "DASHBOARD_USERNAME": "admin",
        "DASHBOARD_PASSWORD": GENERATED,
    }


def test_what_the_platform_sets_is_not_declared() -> None:
    assert not {"REDIS_URL", "PORT", "DYNO", "WEB_CONCURRENCY"} & set(APP["env"])


def test_the_reason_for_unverified_certificates_is_told() -> None:
    assert "self-signed" in APP["env"]["REDIS_TLS_VERIFY"]["description"]


def test_each_process_of_the_procfile_starts_once_on_a_dyno_that_does_not_sleep() -> None:
    assert set(APP["formation"]) == set(PROCESSES)
    assert set(APP["formation"]) == set(procfile(ROOT)) - {"release"}
    for entry in APP["formation"].values():
        assert entry == {"quantity": 1, "size": "basic"}


def test_the_button_names_its_template() -> None:
    button = r"\]\(https://www\.heroku\.com/deploy\?template=https://github\.com/[\w.-]+/[\w.-]+\)"

    assert re.search(button, README.read_text())


def test_the_commands_for_a_push_do_what_the_button_does() -> None:
    lines = commands_for_a_push()

    scale = "heroku ps:scale " + " ".join(
        f"{name}={entry['quantity']}" for name, entry in APP["formation"].items()
    )
    assert [line for line in lines if "config:set" not in line] == [
        "heroku create",
        f"heroku addons:create {APP['addons'][0]} --wait",
        "git push heroku main",
        scale,
    ]


def test_the_commands_for_a_push_set_what_the_button_sets() -> None:
    lines = [line for line in commands_for_a_push() if line.startswith("heroku config:set ")]

    told = dict(re.findall(r"(\w+)=(\$\([^)]*\)|\S+)", " ".join(lines)))

    values = {name: entry.get("value", GENERATED) for name, entry in APP["env"].items()}
    del values["WORKER_CONCURRENCY"]  # the Procfile has that one's default
    assert told == values


def test_the_readme_tells_where_ones_own_tasks_go_in_three_steps() -> None:
    text = section(README, "### Your own tasks in its place")

    assert re.findall(r"^(\d)\.", text, re.MULTILINE) == ["1", "2", "3"]
    assert "demo/" in text
    assert "RT_SETTINGS_MODULE" in text
