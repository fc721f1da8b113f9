"""The promised coverage, and a coefficient field from every seed: run with `pytest -m slow`."""

from math import pi

import numpy as np
import pytest

from kanpde import solve
from problems.inverse_coefficient import inverse_coefficient
from problems.inverse_heat import ALPHA, inverse_heat
from tests.benchmarks.accuracy import SEEDS
from tests.benchmarks.inverse import main


@pytest.mark.slow
def test_the_truth_lies_within_two_standard_errors():
    assert main(100) >= 90


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_diffusivity_from_clean_observations(seed):
    solution = solve(inverse_heat(), seed=seed)
    assert solution.parameters["alpha"].value == pytest.approx(ALPHA, rel=1e-9)
    assert solution.errors.relative_l2 < 1e-9
    assert solution.status.startswith("converged")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_coefficient_field_from_clean_values(seed):
    solution = solve(inverse_coefficient(), seed=seed)
    x = np.linspace(0, 1, 401)
    expected = 1 + np.sin(2 * pi * x) / 2
    assert np.linalg.norm(solution.parameters["a"](x=x) - expected) < 1e-3 * np.linalg.norm(expected)
