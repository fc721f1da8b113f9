"""Optimizers: Gauss–Newton solves linear problems at once, all of them descend, bad steps are undone."""

import pytest
import torch

from kanpde import KAN, LBFGS, MLP, QR, Adam, Dirichlet, LevenbergMarquardt, NormalEquations, Product, Uniform
from kanpde.field import Field
from kanpde.problem import Problem
from kanpde.residuals import Objective
from kanpde.shapes import Box
from problems.poisson import poisson
from problems.wave import wave

FACTORIZATIONS = [QR(), NormalEquations()]


def least_squares(rows=60, size=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    jacobian = torch.randn(rows, size, dtype=torch.float64, generator=generator) * torch.logspace(0, -3, size).double()
    r = torch.randn(rows, 1, dtype=torch.float64, generator=generator)
    return r[:, 0], jacobian, torch.cat([jacobian, r], 1)


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
@pytest.mark.parametrize("pieces", [1, 4])
def test_systems_agree_with_lstsq(factorization, pieces):
    r, jacobian, rows = least_squares()
    system = factorization.factorize(rows.chunk(pieces), 0.0)
    move = system.solve(0.0)
    expected = torch.linalg.lstsq(jacobian, -r[:, None]).solution[:, 0]
    assert torch.allclose(move, expected, rtol=1e-6)
    fall = r.square().sum() - (r + jacobian @ move).square().sum()
    assert system.reduction(move) == pytest.approx(fall.item(), rel=1e-9)


@pytest.mark.parametrize("damping", [1e-9, 1e-6, 1e-2, 10.0])
def test_damped_factorizations_agree(damping):
    r, jacobian, rows = least_squares()
    systems = [f.factorize([rows], damping) for f in FACTORIZATIONS]
    one, other = (system.solve(damping) for system in systems)
    assert torch.allclose(one, other, rtol=1e-7)
    fall = r.square().sum() - (r + jacobian @ one).square().sum()
    assert [system.reduction(one) for system in systems] == pytest.approx([fall.item()] * 2, rel=1e-9)


def test_fewer_rows_than_coefficients():
    r, jacobian, rows = least_squares(rows=8, size=20)
    move = QR().factorize([rows], 1e-12).solve(1e-12)
    assert (jacobian @ move + r).norm() < 1e-6 * r.norm()


def objective(network, factory=poisson, count=150):
    return Objective(Field(factory(), network), Uniform(), {}, count, seed=0)


def test_a_linear_problem_is_solved_in_one_step():
    """In one dimension a KAN of one layer is a linear model: the first undamped step is the solution."""
    line = objective(KAN([1, 1], grid=4, degree=9), lambda: poisson(1))
    run = LevenbergMarquardt(damping=1e-12).begin(line)
    before = run.step()
    line.batch = line.fresh()
    assert line.residual().norm() < 1e-5 * before


OPTIMIZERS = [
    LevenbergMarquardt(),
    LevenbergMarquardt(factorization=QR()),
    LevenbergMarquardt(factorization=NormalEquations()),
    LBFGS(),
    Adam(1e-2),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", [lambda: KAN([2, Product(1, rank=2)], grid=2, degree=5), lambda: MLP([2, 8, 1])])
def test_every_optimizer_descends(optimizer, network):
    goal = objective(network())
    run = optimizer.begin(goal)
    first = run.step()
    for _ in range(15):
        last = run.step()
    assert last < 0.5 * first


def test_steps_that_break_the_residual_are_undone():
    box = Box(x=(0, 1))
    problem = Problem(box, lambda u, x: (u + 2).sqrt() - 1 - x, {"left": Dirichlet(0.0, on=box.boundary())})
    goal = Objective(Field(problem, KAN([1, 1], grid=4, degree=3)), Uniform(), {}, 60, seed=0)
    goal.coefficients = 0.1 * goal.coefficients  # a start at which the root exists
    run = LevenbergMarquardt(damping=1e-12).begin(goal)
    for _ in range(6):
        run.step()
    assert torch.isfinite(goal.coefficients).all()
    assert torch.isfinite(goal.residual()).all()


def test_same_seed_same_steps():
    ends = []
    for _ in range(2):
        goal = objective(KAN([2, Product(1, rank=2)], seed=3), wave)
        run = LevenbergMarquardt().begin(goal)
        for _ in range(3):
            run.step()
        ends.append(goal.coefficients)
    assert torch.equal(*ends)
