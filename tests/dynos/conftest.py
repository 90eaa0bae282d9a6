"""Apps on the platform: started by a test, ended after it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import UseSettings
from tests.support import smallest_plan
from tests.support.certificates import Certificates
from tests.support.deployed_app import DeployedApp
from tests.support.deployment import ROOT
from tests.support.ledger import PATH_VARIABLE, Ledger
from tests.support.smallest_plan import SmallestPlan

StartApp = Callable[..., DeployedApp]
SETTINGS = "tests.dynos.settings"


@pytest.fixture
def store(certificates: Certificates, request: pytest.FixtureRequest) -> Iterator[SmallestPlan]:
    """The Redis of the app; its parameter is after how many seconds idle connections end."""
    idle = getattr(request, "param", smallest_plan.IDLE)
    server = SmallestPlan(certificates.self_signed_file, idle=idle)
    yield server
    server.close()


@pytest.fixture
def producer(store: SmallestPlan, use_settings: UseSettings) -> None:
    """Let the test's own process enqueue and look, by none of the app's connections."""
    use_settings(REDIS_URL=store.private_url, REDIS_PREFIX="redis_tasks")


@pytest.fixture
def start_app(
    store: SmallestPlan, ledger: Ledger, producer: None, tmp_path: Path
) -> Iterator[StartApp]:
    """Push an app: `start_app()` is the template with the tests' tasks, nothing of it runs yet."""
    apps: list[DeployedApp] = []
    logs = tmp_path / "logs"
    logs.mkdir()

    def start(folder: Path = ROOT, settings: str | None = SETTINGS, **how: Any) -> DeployedApp:
        config = {PATH_VARIABLE: str(ledger.path)}
        if settings is not None:
            config["RT_SETTINGS_MODULE"] = settings
        apps.append(DeployedApp(folder, store, logs, config, **how))
        return apps[-1]

    yield start
    leaked = [line for app in apps for line in app.close()]
    assert not leaked, f"these outlived their dyno's main process: {leaked}"
