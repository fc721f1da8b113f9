"""Twenty runs killed and gone on with: run with `pytest -m slow`."""

import pytest

from tests.benchmarks.kills import CASES, EVERY, outcome


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name != "small"])
def test_runs_that_are_killed_end_as_those_that_are_not(name):
    found = outcome(name)
    assert found.lost
    assert max(found.lost) < EVERY + 2 * found.longest_piece + 2  # of a machine that may do other things
    assert found.apart < 1e-12
    assert found.error == pytest.approx(found.error_unkilled, rel=1e-6)
