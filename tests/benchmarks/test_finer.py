"""What the default suite holds of one problem, seed or coarser grid, of others and finer ones: run with `pytest -m slow`."""

import pytest

from kanpde import KAN, Grids, Marching, Product, TensorProduct, solve
from problems.cavity import cavity
from problems.convection_diffusion import convection_diffusion
from problems.elasticity import elasticity
from problems.kdv_soliton import kdv_soliton
from problems.poisson import poisson
from problems.schrodinger import schrodinger
from tests.test_bases import SMOOTH, SOLVED


@pytest.mark.slow
@pytest.mark.parametrize("factory", [schrodinger, kdv_soliton])
def test_evolution_to_machine_precision(factory):
    solution = solve(factory(), refine=Marching())
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 2e-13
    assert solution.status.startswith("converged: every slab of time is resolved to 1e-13")


@pytest.mark.slow
@pytest.mark.parametrize("factory", [convection_diffusion, elasticity])
def test_smooth_problems_to_machine_precision(factory):
    solution = solve(factory(), refine=TensorProduct())
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-13
    assert solution.status.startswith("converged: the splines are resolved to 1e-13")


@pytest.mark.slow
def test_the_lid_of_a_cavity_draws_breaks_together():
    """The velocity's slopes jump at both upper corners, and nowhere else."""
    solution = solve(cavity(), refine=TensorProduct(size=4500))
    (kan,) = solution.model.parts
    x, y = (knots.unique().diff() for knots in kan.layers[0].knots)
    assert max(x[0], x[-1]) < 0.2 * x.max()
    assert y[-1] < 0.2 * y.max()
    assert y[-1] < 0.4 * y[0]
    mirrored = (x - x.flip(0)).abs().max() / x.max()
    assert mirrored < 0.5  # the flow is not symmetric, but its corners are


@pytest.mark.slow
def test_poisson_to_machine_precision():
    solution = solve(poisson(), seed=1)
    assert solution.errors.relative_l2 < 1e-13
    assert solution.model.size <= 1000
    assert solution.status.startswith("converged")


@pytest.mark.slow
@pytest.mark.parametrize("basis", SOLVED, ids=repr)
def test_equations_are_solved(basis):
    network = KAN([2, Product(1, rank=4)], grid=4, basis=basis, seed=1)
    solution = solve(poisson(), network, refine=Grids((8, 16)))
    assert solution.errors.relative_l2 < SOLVED[basis]
    assert solution.model.basis == basis


@pytest.mark.slow
@pytest.mark.parametrize("basis", SMOOTH, ids=repr)
def test_equations_are_solved_by_hidden_layers(basis):
    """The worst of six seeds was 1e-5."""
    assert solve(poisson(), KAN([2, 4, 1], grid=4, basis=basis), refine=Grids((8, 16))).errors.relative_l2 < 5e-5
