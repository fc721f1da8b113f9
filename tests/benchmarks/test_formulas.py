"""Formulas of solutions found with default arguments, from five seeds: run with `pytest -m slow -s`, which prints them."""

from time import perf_counter

import pytest
import sympy
import torch
from torch import sin

from kanpde import Disk, laplacian, manufactured, solve
from problems.burgers_front import burgers_front
from problems.heat import heat
from problems.poisson import poisson
from tests.benchmarks.accuracy import SEEDS

x, y, t = sympy.symbols("x y t")
FORMULAS = {
    poisson: sympy.sin(sympy.pi * x) * sympy.sin(sympy.pi * y),
    heat: sympy.exp(-(sympy.pi**2) * t / 4) * sympy.sin(sympy.pi * x),
    burgers_front: sympy.Rational(1, 2) - sympy.tanh(5 * (x - t / 2)) / 2,
}


def random_field(x, y):
    """Smooth, and of no simple form: thirty waves of random directions, lengths and phases."""
    random = torch.Generator().manual_seed(0)
    waves, phases = torch.randn(30, 2, generator=random, dtype=torch.float64), torch.rand(30, generator=random).double()
    return sin(2 * x * waves[:, 0] + 2 * y * waves[:, 1] + 7 * phases).sum(1, keepdim=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", FORMULAS, ids=lambda make: make.__name__)
def test_formulas_from_five_seeds(make, seed):
    solution = solve(make(), seed=seed, progress=False)
    start = perf_counter()
    found = solution.find_formula()
    print(f"\n{make.__name__}, seed {seed}, {perf_counter() - start:.1f} s: {found}")
    assert found.obstacle is None
    assert max(found.residual, found.misfit) < 1e-12
    assert sympy.simplify(found.expression - FORMULAS[make]) == 0


@pytest.mark.slow
def test_no_formula_is_an_honest_answer():
    problem = manufactured(random_field, lambda u, x, y: laplacian(u, x, y), Disk(x=0, y=0))
    solution = solve(problem, progress=False)
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-12
    with pytest.warns(UserWarning, match="no formula: u is no short sum of products"):
        assert solution.formula() is None
