"""The proof of the smallest plan, in short: `benchmarks/smallest_plan.py` is the long one."""

from pathlib import Path

import pytest

from benchmarks import smallest_plan
from tests.support.smallest_plan import CONNECTIONS


@pytest.mark.timeout(300)
def test_32_workers_and_deploys_live_on_20_connections_and_a_full_redis_empties_itself(
    tmp_path: Path,
) -> None:
    seen = smallest_plan.run(2000, 1, tmp_path, memory=6_000_000, finished=1000)

    assert seen.steady <= smallest_plan.BUDGET
    assert seen.during_deploys <= CONNECTIONS
    assert seen.full_at > 1000
    assert seen.full_release == 0
    assert set(seen.refused) == {"RedisFull"}
    assert (seen.lost, seen.failed, seen.crashed) == (0, 0, [])
    assert {(ending.code, ending.was_killed, ending.outlived) for ending in seen.endings} == {
        (0, False, ())
    }
    assert {status for _, status in seen.answers} <= {200, 503}
