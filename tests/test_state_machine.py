"""The scripts, driven at random on a real server, keep every task in one place."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from redis_tasks.conf import settings
from redis_tasks.store import client
from tests.support.altered_scripts import hand_driven_clock
from tests.support.store_machine import SETTINGS, StoreMachine

# The same steps at every run: what is red is red again.
THOROUGH = hypothesis_settings(
    max_examples=100,
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _store(settings_for_test: dict[str, Any]) -> Iterator[None]:
    with settings.override(**SETTINGS):
        yield
    client.use(None)


@pytest.mark.timeout(300)  # a minute at most where the machine has time
def test_each_task_is_in_one_place_whatever_happens() -> None:
    with hand_driven_clock():
        run_state_machine_as_test(StoreMachine, settings=THOROUGH)
