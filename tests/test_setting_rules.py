"""Settings say all that is wrong with them at once."""

from pathlib import Path
from typing import Any

import pytest

from redis_tasks import setting_rules
from redis_tasks.conf import Settings
from redis_tasks.exceptions import SettingsError


@pytest.fixture
def settings() -> Settings:
    """Settings that nobody has configured."""
    return Settings()


def test_every_setting_has_a_rule_which_its_default_keeps(settings: Settings) -> None:
    settings.configure_from_dict({})

    settings.validate()

    assert set(setting_rules.RULES) == set(setting_rules.NAMES)


def test_all_errors_are_listed_at_once(settings: Settings) -> None:
    settings.configure_from_dict(
        {
            "REDIS_URL": "http://user:secret@host",
            "MAX_CRASHES": "3",
            "WORKER_HEARTBEAT_FREQ": 20,
            "MIDDLEWARE": "shop.M",
        }
    )

    with pytest.raises(SettingsError) as caught:
        settings.validate()

    first, *others = caught.value.errors
    assert first.startswith("REDIS_URL must be a URL that begins with one of redis://, rediss://")
    assert first.endswith(", not 'http://user:***@host'")
    assert others == [
        "MIDDLEWARE must be a list of import paths such as 'package.module.Class', not 'shop.M'",
        "MAX_CRASHES must be a whole number of at least 1, not '3'",
        "WORKER_HEARTBEAT_FREQ (20) must be at most a quarter of WORKER_HEARTBEAT_TIMEOUT (60)",
    ]
    assert all(error in str(caught.value) for error in caught.value.errors)


THIS_FILE = __file__
RIGHT: dict[str, list[Any]] = {
    "REDIS_URL": [
        "redis://h",
        "rediss://:p%40ss@h:6380/1?x=1",
        "unix:///run/redis.sock?db=1",
        "unix://user:pw@/run/redis.sock",
        "redis+sentinel://a:1,b:2/service",
        "redis://[::1]:6379",
    ],
    "REDIS_PREFIX": ["a", "{redis_tasks}", "shop:tasks"],
    "REDIS_TLS_VERIFY": ["required", "none", THIS_FILE, Path(THIS_FILE)],
    "DEFAULT_TASK_TIMEOUT": [1, 0.5],
    "MAX_TASK_BYTES": [1, 16 * 1024 * 1024],
    "TASK_MODULES": [None, [], ["shop", "shop.tasks"], ("shop",)],
    "MIDDLEWARE": [["a.B"], ("a.b.C",)],
    "REGISTRIES_MAX_BYTES": [None, 0],
    "FINISHED_TASKS_MAX": [0],
    "STATISTICS": [True, False],
    "SHUTDOWN_TIMEOUT": [0.5, 29.9],
    "SHUTDOWN_GRACE": [0, 15],
    "WORKER_HEARTBEAT_FREQ": [0.1, 15],
    "WORKHORSE_MAX_MEMORY": [None, 10**9],
    "WORKER_PRELOAD_FUNCTION": [None, "shop.preload"],
    "SCHEDULE": [{"nightly": {}}],
    "SCHEDULER_QUEUE": ["später", "x" * 255],
    "TIMEZONE": ["Europe/Berlin"],
}
WRONG: dict[str, list[Any]] = {
    "REDIS_URL": [
        None,
        "",
        "localhost:6379",
        "redis://",
        "redis:///0",
        "redis://h:port",
        "redis://h:99999",
        "redis://a,b",
        "redis://:pa/ss@h",
        "redis+sentinel://a:1,b:2",
        "redis+sentinel://a:1,/service",
        "unix://relative",
        "REDIS://h",
    ],
    "REDIS_PREFIX": [None, "", "a b", "a\n", b"a", "a\u2028"],
    "REDIS_TLS_VERIFY": [None, True, "", "optional", "/no/such/file", "/"],
    "DEFAULT_TASK_TIMEOUT": [0, -1, None, "60", True, float("nan"), float("inf")],
    "MAX_TASK_BYTES": [0, 1.5, True, None, 16 * 1024 * 1024 + 1],
    "TASK_MODULES": ["shop", ["shop."], [""], [None], {"shop"}],
    "MIDDLEWARE": [None, "a.B", ["B"], [str]],
    "MAX_CRASHES": [0, -1, 1.0],
    "REGISTRIES_MAX_BYTES": [-1, "1"],
    "FINISHED_TASKS_MAX": [-1, None],
    "STATISTICS": [None, 1, "yes"],
    "SHUTDOWN_TIMEOUT": [0, 30, "25"],
    "SHUTDOWN_GRACE": [-1, 15.1, None],
    "WORKER_HEARTBEAT_FREQ": [0, 15.1, True],
    "WORKHORSE_MAX_TASKS": [0, None],
    "WORKHORSE_MAX_MEMORY": [0, 1.5],
    "WORKER_PRELOAD_FUNCTION": ["preload", print, ""],
    "WORKER_DESCRIPTION_FUNCTION": [None, "describe"],
    "SCHEDULE": [None, [], "x"],
    "SCHEDULER_QUEUE": ["", None, "x" * 256, "a\nb", "\ud800"],
    "TIMEZONE": [None, "", "Mars/Base", "../etc/passwd", "Europe", 1],
}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}-{value!r}"[:70])
        for name, values in table.items()
        for value in values
    ]


@pytest.mark.parametrize(("name", "value"), cases(RIGHT))
def test_a_right_value_is_accepted(settings: Settings, name: str, value: Any) -> None:
    settings.configure_from_dict({name: value})

    assert settings.errors() == []


@pytest.mark.parametrize(("name", "value"), cases(WRONG))
def test_a_wrong_value_is_one_error_that_names_the_setting(
    settings: Settings, name: str, value: Any
) -> None:
    settings.configure_from_dict({name: value})

    [error] = settings.errors()

    assert error.startswith(f"{name} ")
    assert len(error) < 300


@pytest.mark.parametrize("scheme", ["redis+cluster", "rediss+cluster"])
@pytest.mark.parametrize(
    ("prefix", "is_right"), [("{a}", True), ("x{a}:y", True), ("a", False), ("{}a{b}", False)]
)
def test_a_cluster_needs_a_hash_tag(
    settings: Settings,
    scheme: str,
    prefix: str,
    is_right: bool,
) -> None:
    settings.configure_from_dict({"REDIS_URL": f"{scheme}://a:1,b:2", "REDIS_PREFIX": prefix})

    assert [error[:12] for error in settings.errors()] == ([] if is_right else ["REDIS_PREFIX"])
