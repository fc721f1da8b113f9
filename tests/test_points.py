"""Conditions at points: what a point is, what it determines, and what is refused."""

import warnings
from math import inf, nan, pi

import pytest
import torch
from torch import cos, sin

from kanpde import (
    KAN,
    Adaptive,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Integral,
    Interval,
    Neumann,
    Problem,
    Product,
    Robin,
    diff,
    div,
    laplacian,
    solve,
)
from kanpde.field import Field
from kanpde.residuals import Objective
from kanpde.sampling import Graded

square = Box(x=(0, 1), y=(0, 1))
slab = square * Interval(t=(0, 2))
disk = Disk(x=0, y=0)
plate = square - Disk(x=0.5, y=0.5, radius=0.25)


def unit(count, dimension):
    return torch.rand(count, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


# --- places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [square.point(x=0.25, y=1), disk.point(x=0.6, y=0.8), plate.point(x=0.1, y=0.2), slab.point(x=0.5, y=0.5, t=2)],
)
def test_a_point_is_one_place(point):
    at, normals = point.sample(unit(50, point.dimension))
    assert at.tolist() == [list(point.fixed.values())]
    assert not normals.any()
    assert point.free == ()


@pytest.mark.parametrize("domain", [slab, Box(x=(0, 1), y=(0, 1), t=(0, 2)), plate * Interval(t=(0, 2))])
def test_without_time_it_is_there_at_all_times(domain):
    point = domain.point(y=0.25, x=0)
    assert point.free == ("t",)
    at, _ = point.sample(unit(400, 3))
    assert len(at) == 400
    assert (at[:, :2] == torch.tensor([0, 0.25])).all()
    assert at[:, 2].mean().item() == pytest.approx(1, abs=0.1)


def test_any_axis_may_be_left_free_on_purpose():
    line = Box(x=(0, 1), k=(1, 3)).point(x=0.5, k=...)
    at, _ = line.sample(unit(400, 2))
    assert (at[:, 0] == 0.5).all()
    assert at[:, 1].mean().item() == pytest.approx(2, abs=0.1)


def test_points_of_operands_and_factors_are_points_of_the_whole():
    corner = square.point(x=0, y=0)
    assert (square | Disk(x=0, y=0)).own(corner).fixed == {"x": 0, "y": 0}
    assert plate.own(corner).domain == plate
    assert slab.own(corner).free == ("t",)
    assert (plate * Interval(t=(0, 1))).own(corner).free == ("t",)
    assert disk.own(corner) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: square.point(x=2, y=0), r"the point x=2, y=0 lies outside of Box\(.*\); move it inside or onto the boundary"),
        (lambda: disk.point(x=1, y=1), "x=1, y=1 lies outside of Disk"),
        (lambda: plate.point(x=0.5, y=0.5), "lies outside of"),
        (lambda: slab.point(x=3, y=0), "x=3, y=0 lies outside of"),
        (lambda: square.point(x=0), r"point\(x=0\) leaves out y; give a value on each axis .* or y=\.\.\. for all"),
        (lambda: square.point(), r"point\(\) leaves out x, y; give a value"),
        (lambda: Box(t=(0, 1)).point(), r"point\(\) leaves out t"),
        (lambda: square.point(x=0, y=0, z=0), "no axis 'z'; its axes are x, y"),
        (lambda: square.point(x=nan, y=0), r"point\(x=nan, y=0\) is no point; give finite numbers"),
        (lambda: square.point(x=0, y=inf), "is no point; give finite numbers"),
        (lambda: square.point(x="left", y=0), "point\\(x='left', y=0\\) is no point"),
        (lambda: square.point(x=..., y=...), r"point\(x=\.\.\., y=\.\.\.\) is no point"),
    ],
)
def test_impossible_points_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- problems ---------------------------------------------------------------------------------------------------------


def wave(x, y):
    return cos(pi * x) * cos(2 * pi * y)


def neumann(u, x, y):
    return laplacian(u, x, y) + 5 * pi**2 * wave(x, y)


INSULATED = {"walls": Neumann(0.0, on=square.boundary())}


def pinned(condition, exact=None):
    return Problem(square, neumann, INSULATED | {"pin": condition}, exact)


def test_a_point_determines_the_constant_of_a_neumann_problem():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is free
        problem = pinned(Dirichlet(3.0, on=square.point(x=0, y=0)), lambda x, y: 2 + wave(x, y))
        solution = solve(problem, tol=1e-11)
    assert solution.errors.relative_l2 < 1e-10
    assert solution(x=0, y=0) == pytest.approx(3, abs=1e-10)
    assert "weighted: walls, pin" in str(solution)


def test_a_slope_at_a_point_leaves_the_constant_free():
    with pytest.warns(UserWarning, match=r"only up to a constant.* or at box.point\(…\)"):
        pinned(Condition(lambda u, x, y: diff(u, x), on=square.point(x=0.5, y=0.5)))  # noqa: ARG005


def stokes(u, v, p, x, y):
    return {
        "momentum_x": laplacian(u, x, y) - diff(p, x),
        "momentum_y": laplacian(v, x, y) - diff(p, y),
        "continuity": div((u, v), x, y),
    }


def test_a_pressure_is_pinned():
    """Poiseuille's flow: p = 1 − 2x."""
    conditions = {
        "u": Dirichlet(lambda x, y: y * (1 - y), on=square.boundary(), of="u"),  # noqa: ARG005
        "v": Dirichlet(0.0, on=square.boundary(), of="v"),
        "pin": Dirichlet(0.0, on=square.point(x=0.5, y=0.25), of="p"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem = Problem(square, stokes, conditions, lambda x, y: {"u": y * (1 - y), "v": 0.0, "p": 1 - 2 * x})
    solution = solve(problem, tol=5e-10)
    assert solution.errors.relative_l2 < 1e-9


def test_a_point_has_one_row_and_one_at_each_of_several_times():
    def heat(u, x, y, t):
        return diff(u, t) - laplacian(u, x, y)

    conditions = {
        "walls": Neumann(0.0, on=slab.boundary("x", "y")),
        "start": Dirichlet(0.0, on=slab.at(t=0)),
        "once": Dirichlet(0.0, on=slab.point(x=0, y=0, t=1)),
        "always": Condition(lambda u, x, y, t: diff(u, x), on=square.point(x=0.5, y=0.5)),  # noqa: ARG005
    }
    field = Field(Problem(slab, heat, conditions), KAN([3, Product(1, rank=2)], grid=2, degree=5))
    objective = Objective(field, Graded(), {}, 500, seed=0)
    assert objective.obstacle() is None
    assert len(objective.batch.parts["once"][0]) == 1
    assert len(objective.batch.parts["always"][0]) >= 8
    rows = torch.cat([piece.dense() for piece in objective.linearized()])
    assert torch.allclose(rows[:, -1], objective.residual(), atol=1e-13)


def test_an_ordinary_equation_may_have_its_data_inside():
    line = Box(x=(0, 2))
    conditions = {"value": Dirichlet(1.0, on=line.point(x=1)), "end": Dirichlet(0.0, on=line.at(x=0))}
    exact = lambda x: sin(pi / 2 * x)  # noqa: E731
    solution = solve(Problem(line, lambda u, x: diff(u, x, x) + pi**2 / 4 * u, conditions, exact), refine=Adaptive(grid=16))
    assert solution.errors.relative_l2 < 1e-10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Problem(square, neumann, {"pin": Dirichlet(0.0, on=square.point(x=0, y=0))}),
            "nothing determines u at x=0",
        ),
        (
            lambda: pinned(Dirichlet(0.0, on=disk.point(x=0, y=0))),
            r"condition 'pin' lies on the point x=0, y=0 of Disk.*, but the domain is Box",
        ),
        (
            lambda: Problem(plate, neumann, {"pin": Dirichlet(0.0, on=square.point(x=0.5, y=0.5))}),
            r"condition 'pin': the point x=0.5, y=0.5 lies outside of \(Box.*\); move it",
        ),
        (
            lambda: pinned(Neumann(0.0, on=square.point(x=0, y=0))),
            r"'pin' takes the normal of the point .* has none; give the derivative itself, as in Condition",
        ),
        (lambda: pinned(Robin(1.0, 1.0, 0.0, on=square.point(x=0, y=0))), "'pin' takes the normal"),
        (lambda: pinned(Integral(lambda u, x, y: u, on=square.point(x=0, y=0))), "'pin': the integral lies on the point"),  # noqa: ARG005
        (lambda: pinned(Dirichlet(0.0, on=square.point(x=0, y=0), of="v")), "'pin' is of 'v'; the unknowns are u"),
        (lambda: pinned(Dirichlet(nan, on=square.point(x=0, y=0))), "'pin' is not finite"),
        (
            lambda: pinned(Dirichlet(0.0, on=square.point(x=0, y=0)), wave),
            "exact solution does not satisfy condition 'pin': the residual reaches 1;",
        ),
    ],
)
def test_impossible_conditions_at_points_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
