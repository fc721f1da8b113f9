"""Optimizers: Gauss–Newton solves linear problems at once, all of them descend, bad steps are undone."""

import pytest
import torch

from kanpde import (
    KAN,
    LBFGS,
    LSMR,
    MLP,
    QR,
    Adam,
    BySize,
    Dirichlet,
    LevenbergMarquardt,
    NormalEquations,
    Product,
    SSBroyden,
    Uniform,
)
from kanpde.boxes import Box
from kanpde.factorizations import triangle_of
from kanpde.field import Field
from kanpde.optimizers import broyden
from kanpde.pieces import Dense
from kanpde.problem import Problem
from kanpde.residuals import Objective
from problems.poisson import poisson
from problems.wave import wave

FACTORIZATIONS = [QR(), NormalEquations(), LSMR(500), BySize()]
NOT_FINITE = [LevenbergMarquardt(), LBFGS(), SSBroyden()]


def least_squares(rows=60, size=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    jacobian = torch.randn(rows, size, dtype=torch.float64, generator=generator) * torch.logspace(0, -3, size).double()
    r = torch.randn(rows, 1, dtype=torch.float64, generator=generator)
    return r[:, 0], jacobian, torch.cat([jacobian, r], 1)


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
@pytest.mark.parametrize("pieces", [1, 4])
def test_systems_agree_with_lstsq(factorization, pieces):
    r, jacobian, rows = least_squares()
    system = factorization.factorize(map(Dense, rows.chunk(pieces)), 0.0)
    move = system.solve(0.0)
    expected = torch.linalg.lstsq(jacobian, -r[:, None]).solution[:, 0]
    assert torch.allclose(move, expected, rtol=1e-6)
    fall = r.square().sum() - (r + jacobian @ move).square().sum()
    assert system.reduction(move) == pytest.approx(fall.item(), rel=1e-9)


@pytest.mark.parametrize("damping", [1e-9, 1e-6, 1e-2, 10.0])
def test_damped_factorizations_agree(damping):
    r, jacobian, rows = least_squares()
    systems = [f.factorize([Dense(rows)], damping) for f in FACTORIZATIONS]
    one, *others = (system.solve(damping) for system in systems)
    assert all(torch.allclose(one, other, rtol=1e-6) for other in others)
    fall = r.square().sum() - (r + jacobian @ one).square().sum()
    assert [system.reduction(one) for system in systems] == pytest.approx([fall.item()] * len(systems), rel=1e-9)


def test_rows_wait_for_their_triangle():
    """However the rows are cut, the triangle is that of all of them, but for signs."""
    _, _, rows = least_squares(rows=200)
    gram = rows.T @ rows
    for cuts in (1, 3, 50, 200):
        triangle = triangle_of(map(Dense, rows.chunk(cuts)))
        assert triangle.shape == (13, 13)
        assert torch.allclose(triangle.T @ triangle, gram, rtol=1e-10, atol=1e-12)


def test_large_networks_are_trained_without_a_matrix():
    goal = objective(KAN([2, Product(1, rank=2)]))
    small, large = (BySize(largest).factorize(goal.linearized(), 1e-3) for largest in (goal.size, goal.size - 1))
    assert hasattr(small, "matrix")
    assert not hasattr(large, "matrix")
    assert torch.allclose(small.solve(1e-3), large.solve(1e-3), atol=1e-4)  # whose residual is solved to 1e-8
    dense = objective(MLP([2, 8, 1]))
    assert hasattr(BySize(1).factorize(dense.linearized(), 1e-3), "matrix")  # whose rows would all have to be kept


def test_steps_without_a_matrix_are_those_with_one():
    """A network whose edges' blocks precondition: 100 products are enough, where it takes 1e12 for no preconditioner."""
    ends = []
    for factorization in (NormalEquations(), LSMR(100)):
        goal = objective(KAN([2, Product(1, rank=3)], grid=8, degree=7, seed=1), count=400)
        run = LevenbergMarquardt(factorization=factorization).begin(goal)
        for _ in range(9):
            last = run.step()
        ends.append(last)
    assert ends[1] < 3 * ends[0] < 1e-4


def test_broyden_meets_the_secant_equation_and_stays_positive():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(9, 9, dtype=torch.float64, generator=generator)
    hessian, inverse = root @ root.T + torch.eye(9), None
    for _ in range(30):
        move = torch.randn(9, dtype=torch.float64, generator=generator)
        change = hessian @ move
        inner = move @ move if inverse is None else move @ torch.linalg.solve(inverse, move)
        inverse = broyden(inverse, move, change, inner.item())
        assert inverse is not None
        assert torch.allclose(inverse @ change, move, rtol=1e-8, atol=1e-8)
        assert torch.linalg.eigvalsh((inverse + inverse.T) / 2)[0] > 0


def test_fewer_rows_than_coefficients():
    r, jacobian, rows = least_squares(rows=8, size=20)
    move = QR().factorize([Dense(rows)], 1e-12).solve(1e-12)
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
    LevenbergMarquardt(factorization=LSMR()),
    LBFGS(),
    SSBroyden(),
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


@pytest.mark.parametrize("optimizer", NOT_FINITE)
def test_where_the_equation_does_not_exist_line_searches_turn_back(optimizer):
    box = Box(x=(0, 1))
    problem = Problem(box, lambda u, x: torch.log(u + 1) - x, {"left": Dirichlet(0.0, on=box.at(x=0))})
    goal = Objective(Field(problem, KAN([1, 1], grid=2, degree=5, seed=2)), Uniform(), {}, 40, seed=0)
    goal.coefficients = 0.1 * goal.coefficients
    run = optimizer.begin(goal)
    for _ in range(8):
        last = run.step()
    assert last < 0.1


def test_broyden_at_its_limits():
    """A gradient that turns by nearly a right angle, and a single coefficient."""
    one = broyden(None, torch.tensor([1.0, 0.0]).double(), torch.tensor([1e-9, 1.0]).double(), 1.0)
    assert torch.isfinite(one).all()
    single = broyden(None, torch.ones(1).double(), 2 * torch.ones(1).double(), 1.0)
    assert torch.allclose(single, torch.full((1, 1), 0.5).double())


def test_same_seed_same_steps():
    ends = []
    for _ in range(2):
        goal = objective(KAN([2, Product(1, rank=2)], seed=3), wave)
        run = LevenbergMarquardt().begin(goal)
        for _ in range(3):
            run.step()
        ends.append(goal.coefficients)
    assert torch.equal(*ends)
