"""Errors without an exact solution: equations solved for the error itself find it where it is known."""

from math import comb, pi

import meshio
import pytest
import torch
from torch import Tensor, exp, nn, sin

from kanpde import KAN, Box, Condition, Dirichlet, Grids, Marching, Problem, diff, laplacian, manufactured, solve
from kanpde.corrections import _products, correction, is_linear
from kanpde.derivatives import Column
from kanpde.errors import ROUNDING, distance, estimated, measured_errors
from kanpde.field import Field
from tests.catalogue import factories

FACTORIES = factories()
LINEAR_ELLIPTIC = (
    "advection_diffusion annulus ball biharmonic cantilever convection_diffusion diffusion disk elasticity helmholtz "
    "magnetostatics mixed_poisson neumann_poisson periodic_poisson poisson poisson_kan stokes torsion transmission triangle"
).split()


class Known(nn.Module):
    """A given function of the axes of [-1, 1]ⁿ, as a network with one coefficient that nobody trains."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function, self.unused = function, nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(*x.split(1, 1)) + 0 * self.unused


def square_problem(residual=None) -> Problem:
    square = Box(x=(-1, 1), y=(-1, 1))

    def exact(x: Column, y: Column) -> Column:
        return exp(x) * sin(y)

    def equation(u: Column, x: Column, y: Column) -> Column:
        return diff(exp(y) * diff(u, x), x) + diff(u, y, y) - u * x - forcing(x, y)

    def forcing(x: Column, y: Column) -> Column:
        return exp(y) * exact(x, y) - exact(x, y) - exact(x, y) * x

    return Problem(square, residual or equation, {"walls": Dirichlet(exact, on=square.boundary())}, exact)


def missed(x: Column, y: Column) -> Column:
    """Nor is it zero on the walls."""
    return 1e-3 * sin(2 * x + y) * (x + 1.5)


def test_a_known_error_is_found_at_every_point():
    problem = square_problem()
    field = Field(problem, Known(lambda x, y: (exp(x) * sin(y) + missed(x, y)) / scale(problem)), hard=False)
    found = correction(field)
    assert found is not None
    x, y = (2 * torch.rand(2, 200, 1, dtype=torch.float64) - 1).unbind(0)
    x, y = x.requires_grad_(), y.requires_grad_()
    torch.testing.assert_close(-found({"x": x, "y": y})["u"].detach(), missed(x, y).detach(), rtol=1e-4, atol=1e-7)
    errors = measured_errors(field, found)
    assert errors.estimate == pytest.approx(errors.relative_l2, rel=1e-3)  # which is relative to the exact solution


def scale(problem: Problem) -> float:
    return Field(problem, Known(lambda *x: 0 * x[0]), hard=False).scale


def test_the_exact_solution_is_found_to_miss_nothing():
    problem = square_problem()
    field = Field(problem, Known(lambda x, y: exp(x) * sin(y) / scale(problem)), hard=False)
    errors = measured_errors(field, estimated(field))
    assert ROUNDING <= errors.estimate < 1e-13


@pytest.mark.parametrize("name", LINEAR_ELLIPTIC)
def test_estimates_are_the_errors_of_coarse_networks(name):
    # by default the beam is solved to rounding at once, which no estimate knows: from 0.1 to 4 times it, by the seed
    network = KAN([1, 1], grid=2, degree=8) if name == "cantilever" else None
    solution = solve(FACTORIES[name](), network, refine=Grids((2,) if network is None else ()), max_seconds=60)
    assert solution.is_linear
    assert 0.8 < solution.errors.estimate / solution.errors.relative_l2 < (1.5 if name == "ball" else 1.2)


@pytest.mark.parametrize("name", ["heat", "wave", "klein_gordon", "kovasznay", "burgers_front", "pendulum"])
def test_evolutions_and_nonlinear_equations_are_estimated_too(name):
    solution = solve(FACTORIES[name](), refine=Grids({"pendulum": (64,), "kovasznay": (4,)}.get(name, (4, 8))))
    assert 0.7 < solution.errors.estimate / solution.errors.relative_l2 < (2 if name == "kovasznay" else 1.5)


@pytest.mark.parametrize(("name", "finest"), [("heat", 1e-13), ("wave", 1e-8)])
def test_marches_are_estimated_slab_by_slab(name, finest):
    """Whether spans, slabs or, in the end, rounding decide; a soliton is in tests/benchmarks."""
    solution = solve(FACTORIES[name](), refine=Marching((1e-3, finest)))
    for stage in solution.history:
        assert 0.4 < stage.errors.estimate / stage.errors.relative_l2 < 2.5


def test_more_than_three_axes():
    """Where the products are those of splines of one axis with polynomials of the others: they hold this error."""
    box = Box(x=(-1, 1), y=(-1, 1), z=(-1, 1), w=(-1, 1))

    def exact(x: Column, y: Column, z: Column, w: Column) -> Column:
        return exp(x) * sin(y) + z * w

    def wrong(x: Column, y: Column, z: Column, w: Column) -> Column:
        return exact(x, y, z, w) + 1e-3 * sin(x) * (1 + y * z - w**2)

    problem = Problem(box, lambda u, **x: laplacian(u, *x.values()), {"walls": Dirichlet(exact, on=box.boundary())}, exact)
    field = Field(problem, Known(lambda *x: wrong(*x) / scale(problem)), hard=False)
    errors = measured_errors(field, correction(field))
    assert errors.relative_l2 > 1e-4
    assert errors.estimate == pytest.approx(errors.relative_l2, rel=1e-3)


@pytest.mark.parametrize(("dimension", "order", "total"), [(4, 2, 4), (12, 2, 1), (4, 0, 4)])
def test_products_of_many_axes_are_polynomials_up_to_a_total_degree(dimension, order, total):
    """In all axes but the first: C(total + d − 1, d − 1) of them, without a look at each tuple of exponents."""
    box = Box(**{f"x{number}": (0, 1) for number in range(dimension)})
    walls = {"walls": Dirichlet(0.0, on=box.boundary())} if order else {}
    problem = Problem(box, lambda u, **x: laplacian(u, *x.values()) if order else u - 1, walls)
    (layer,) = _products(Field(problem, KAN([dimension, 1])), order + 5).layers
    assert layer.nodes.rank == comb(total + dimension - 1, dimension - 1)


def test_where_the_solution_is_zero_estimates_and_distances_are_absolute():
    solution = solve(manufactured(lambda x: 0 * x, lambda u, x: diff(u, x, x) + u, Box(x=(0, 1))))
    assert solution.errors.estimate < 1e-13
    nearby = solution.field.with_network(Known(lambda x: 1e-20 * sin(x)))
    assert distance(nearby, solution.field) < 1e-13


@pytest.mark.parametrize(("name", "linear"), [("poisson", True), ("l_shape", True), ("burgers", False), ("kovasznay", False)])
def test_what_is_linear(name, linear):
    problem = FACTORIES[name]()
    field = solve(problem, refine=Grids((1,)), max_seconds=1e-3).field
    assert is_linear(field) is linear


def test_nonlinear_conditions_count():
    line = Box(x=(0, 1))
    radiating = Condition(lambda u, x: diff(u, x) + u**4, on=line.at(x=1))
    conditions = {"held": Dirichlet(1.0, on=line.at(x=0)), "radiating": radiating}
    solution = solve(Problem(line, lambda u, x: diff(u, x, x), conditions), tol=1e-9)
    assert not solution.is_linear
    assert "indicator" in str(solution)
    # u = 1 − ax with a = (1 − a)⁴
    a = 0.27550804099948446
    assert solution(x=1.0) == pytest.approx(1 - a, abs=1e-8)


def test_what_cannot_be_estimated_is_not():
    assert solve(FACTORIES["inverse_heat"](), refine=Grids((2,)), max_seconds=5).errors.estimate is None
    line = Box(x=(0, 1))

    def mixing(u: Column, x: Column) -> Column:
        return diff(u, x, x) + u - u.mean()

    mixed = Problem(line, mixing, {"ends": Dirichlet(lambda x: x, on=line.boundary())})
    with pytest.warns(UserWarning, match="mixes points"):
        solution = solve(mixed, refine=Grids((2,)), max_seconds=5)
    assert solution.errors.estimate is None
    assert solution.errors.relative_l2 is None


def test_a_tolerance_is_met_without_an_exact_solution():
    problem = FACTORIES["poisson_kan"]()
    exact = problem.exact
    unknown = Problem(problem.domain, problem.residual, problem.conditions)
    solution = solve(unknown, tol=1e-5)
    assert solution.status.startswith("converged: estimated error")
    points = problem.domain.points(torch.rand(4000, 2, dtype=torch.float64))
    x, y = points.split(1, 1)
    true = (solution(x=x, y=y) - exact(x, y)).norm() / exact(x, y).norm()
    assert true < 1.5e-5
    assert len(solution.history) < 6  # and not further than asked for


def test_stages_tell_how_far_the_solution_moved():
    solution = solve(FACTORIES["poisson_kan"](), refine=Grids((2, 4)))
    first, second = solution.history
    assert first.change is None
    assert second.change == pytest.approx(first.errors.relative_l2, rel=0.2)  # as the second errs much less
    assert distance(solution.field, solution.field) == 0


def test_estimated_errors_are_written_and_drawn(tmp_path, figures):
    problem = FACTORIES["four_holes"]()
    solution = solve(problem, refine=Grids((2,)), max_seconds=20)
    solution.to_vtk(tmp_path / "u.vtu", points=9)
    assert meshio.read(tmp_path / "u.vtu").point_data["u_estimated_error"].any()
    solution.plot(tmp_path / "u.png", points=31)
    titles = [axes.get_title() for axes in figures[-1].axes]
    assert "u estimated error" in titles


def test_laplace_has_the_dual_norm_of_its_residual():
    """On (0, 1): u'' = f tried with u = 0: ‖e‖ is the norm of the solution itself, whose residual is f."""
    line = Box(x=(0, 1))
    problem = Problem(line, lambda u, x: laplacian(u, x) + 100 * sin(10 * pi * x), {"ends": Dirichlet(0.0, on=line.boundary())})
    found = correction(Field(problem, Known(lambda x: 0 * x)))
    x = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None].requires_grad_()
    torch.testing.assert_close(found({"x": x})["u"].detach(), (sin(10 * pi * x) / pi**2).detach(), rtol=1e-6, atol=1e-7)
