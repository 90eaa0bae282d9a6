"""Settings come from one place, once, and are complete."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from redis_tasks import conf, defaults
from redis_tasks.conf import VARIABLE, LazyConnection, Settings
from redis_tasks.exceptions import SettingsError


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that nobody has configured."""
    monkeypatch.delenv(VARIABLE, raising=False)
    return Settings()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder from which settings modules named rt_... are imported."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("rt_")]:
        del sys.modules[name]


def test_without_settings_both_ways_to_configure_are_named(settings: Settings) -> None:
    with pytest.raises(SettingsError, match=rf"{VARIABLE} .*settings\.configure\(module\)"):
        _ = settings.REDIS_URL


def test_a_module_is_taken_with_the_defaults_for_the_rest(settings: Settings) -> None:
    module = ModuleType("shop.settings")
    vars(module).update(REDIS_PREFIX="shop", lower_case=1, OF_THE_SHOP=2)

    settings.configure(module)

    assert settings.REDIS_PREFIX == "shop"
    assert settings.REDIS_URL == defaults.REDIS_URL
    assert settings.module_name == "shop.settings"


def test_any_object_with_attributes_is_taken(settings: Settings) -> None:
    class Base:
        REDIS_PREFIX = "shop"

    class Production(Base):
        MAX_CRASHES = 5

    settings.configure(Production)

    assert (settings.REDIS_PREFIX, settings.MAX_CRASHES) == ("shop", 5)
    assert settings.module_name is None


def test_a_dict_is_taken(settings: Settings) -> None:
    settings.configure_from_dict({"REDIS_PREFIX": "shop"})

    assert settings.REDIS_PREFIX == "shop"
    assert settings.module_name is None


@pytest.mark.parametrize("wrong", ["shop.settings", {"REDIS_PREFIX": "shop"}], ids=repr)
def test_what_is_not_a_module_is_told_its_way(settings: Settings, wrong: object) -> None:
    with pytest.raises(TypeError, match="configure_from_dict"):
        settings.configure(wrong)


def test_the_first_use_loads_the_module_of_the_environment(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "rt_shop.py").write_text("REDIS_PREFIX = 'shop'\n")
    monkeypatch.setenv(VARIABLE, "rt_shop")

    assert settings.module_name == "rt_shop"
    assert settings.REDIS_PREFIX == "shop"


def test_settings_are_configured_once(settings: Settings) -> None:
    settings.configure_from_dict({})

    with pytest.raises(RuntimeError, match="configured already"):
        settings.configure_from_dict({})


def test_the_first_use_in_many_threads_loads_once(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "rt_slow.py").write_text("import threading\nthreading.Event().wait(0.05)\n")
    monkeypatch.setenv(VARIABLE, "rt_slow")
    seen: list[str] = []

    threads = [threading.Thread(target=lambda: seen.append(settings.REDIS_URL)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert seen == [defaults.REDIS_URL] * 8


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import rt_not_there", "'rt_bad', named by RT_SETTINGS_MODULE, .*No module named"),
        ("import os; REDIS_URL = os.environ['RT_NOT_SET']", "does not load: KeyError: 'RT_NOT_"),
        ("x = = 1", "does not load: SyntaxError"),
        (
            "from redis_tasks.conf import settings; settings.validate()",
            "^the settings module uses redis_tasks' settings as it loads$",
        ),
    ],
)
def test_a_module_that_does_not_load_is_a_settings_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    (folder / "rt_bad.py").write_text(source)
    monkeypatch.setenv(VARIABLE, "rt_bad")
    monkeypatch.setattr(conf, "settings", Settings())

    with pytest.raises(SettingsError, match=message):
        _ = conf.settings.REDIS_URL


def test_a_module_that_failed_to_load_is_tried_again(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "rt_late")
    with pytest.raises(SettingsError):
        _ = settings.REDIS_URL
    (folder / "rt_late.py").write_text("REDIS_PREFIX = 'late'\n")
    monkeypatch.syspath_prepend(folder)

    assert settings.REDIS_PREFIX == "late"


def test_overrides_nest_on_top_of_what_is_configured(settings: Settings) -> None:
    settings.configure_from_dict({"MAX_CRASHES": 5})

    with settings.override(MAX_CRASHES=6, MAX_RELEASES=7):
        with settings.override(MAX_CRASHES=8):
            assert (settings.MAX_CRASHES, settings.MAX_RELEASES) == (8, 7)
        assert settings.MAX_CRASHES == 6

    assert (settings.MAX_CRASHES, settings.MAX_RELEASES) == (5, defaults.MAX_RELEASES)


def test_an_override_needs_no_settings_below_it(settings: Settings) -> None:
    with settings.override(MAX_CRASHES=6):
        assert (settings.MAX_CRASHES, settings.REDIS_URL) == (6, defaults.REDIS_URL)
        assert settings.errors() == []

    with pytest.raises(SettingsError):
        _ = settings.MAX_CRASHES


def test_an_override_ends_with_its_block_even_by_an_error(settings: Settings) -> None:
    settings.configure_from_dict({})

    with pytest.raises(LookupError), settings.override(MAX_CRASHES=6):
        raise LookupError

    assert settings.MAX_CRASHES == defaults.MAX_CRASHES


def test_an_override_knows_the_settings_of_the_environment(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "rt_shop.py").write_text("REDIS_PREFIX = 'shop'\n")
    monkeypatch.setenv(VARIABLE, "rt_shop")

    with settings.override(MAX_CRASHES=6):
        assert (settings.REDIS_PREFIX, settings.MAX_CRASHES) == ("shop", 6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("REDIS_URI", "no setting 'REDIS_URI': did you mean REDIS_URL?"),
        ("redis_url", "no setting 'redis_url'$"),
        ("OF_THE_SHOP", "no setting 'OF_THE_SHOP'$"),
    ],
)
def test_an_unknown_setting_is_an_attribute_error(
    settings: Settings, name: str, message: str
) -> None:
    with pytest.raises(AttributeError, match=message):
        getattr(settings, name)
    with pytest.raises(AttributeError, match=message), settings.override(**{name: 1}):
        pass


def test_names_that_look_misspelt_are_warned_of(settings: Settings) -> None:
    settings.configure(SimpleNamespace(REDIS_URI="x", MIDDLEWARES=[], DATABASES={}, DEBUG=True))

    assert settings.warnings() == [
        "MIDDLEWARES is not a setting of redis_tasks: did you mean MIDDLEWARE?",
        "REDIS_URI is not a setting of redis_tasks: did you mean REDIS_URL?",
    ]
    assert settings.errors() == []


def test_derived_times_follow_the_two_that_are_set() -> None:
    with conf.settings.override(WORKER_HEARTBEAT_FREQ=10, WORKER_HEARTBEAT_TIMEOUT=60):
        usual = (conf.socket_timeout(), conf.guard(), conf.grace(), conf.self_fence())
    with conf.settings.override(WORKER_HEARTBEAT_FREQ=0.5, WORKER_HEARTBEAT_TIMEOUT=4):
        short = (conf.socket_timeout(), conf.guard(), conf.grace(), conf.self_fence())

    assert usual == (3.0, 30.0, 16.0, 45.0)
    assert short == pytest.approx((0.4, 2.0, 1.3, 3.0))


class Client:
    closed = False

    def close(self) -> None:
        self.closed = True


def test_a_connection_is_made_when_it_is_used_and_again_after_a_reset() -> None:
    made: list[Client] = []

    def make() -> Client:
        made.append(Client())
        return made[-1]

    connection = LazyConnection()
    connection.install(make)
    assert made == []

    assert connection.closed is False
    assert connection.closed is False
    assert len(made) == 1

    connection.reset()
    connection.reset()
    assert made[0].closed
    assert connection.closed is False
    assert len(made) == 2


def test_a_connection_that_nobody_can_make_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"redis_tasks\.store\.client has not been imported"):
        LazyConnection().ping()


def test_looking_at_a_connection_does_not_make_one() -> None:
    assert not hasattr(LazyConnection(), "__wrapped__")
