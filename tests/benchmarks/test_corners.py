"""What singular functions at a corner are worth: run with `pytest -m slow -s`, which prints both errors."""

import pytest

from kanpde import KAN, Product, solve
from problems.l_shape import l_shape
from tests.benchmarks.accuracy import SEEDS


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_l_shape_with_and_without_singular_functions(seed):
    solution = solve(l_shape(), max_seconds=120, seed=seed)
    plain = solve(l_shape(), KAN([2, Product(1, rank=8)], grid=2, degree=11, seed=seed), max_seconds=120, seed=seed)
    assert solution.errors is not None
    assert plain.errors is not None
    print(f"\nseed {seed}: with {solution.errors.relative_l2:.1e}, without {plain.errors.relative_l2:.1e}")
    assert solution.errors.relative_l2 < 1e-6
    assert plain.errors.relative_l2 > 10 * solution.errors.relative_l2
