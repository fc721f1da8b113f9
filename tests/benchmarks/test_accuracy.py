"""The promised accuracy, every seed: run with `pytest -m slow`."""

import pytest

from kanpde import solve
from tests.benchmarks.accuracy import GOALS, SEEDS


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", GOALS)
def test_default_solve_keeps_its_promise(name, seed):
    goal = GOALS[name]
    solution = solve(goal.factory(), seed=seed)
    assert solution.errors is not None
    assert solution.errors.relative_l2 < goal.error
    assert solution.model.size <= goal.size
