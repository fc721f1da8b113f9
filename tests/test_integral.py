"""Integrals as conditions: quadrature, rows and their Jacobian, problems that they make well posed, and refusals."""

import warnings
from math import e, pi

import pytest
import torch
from torch import cos, exp, sin

from kanpde import (
    KAN,
    MLP,
    Adaptive,
    Box,
    Dirichlet,
    Integral,
    Neumann,
    Periodic,
    Problem,
    Product,
    Uniform,
    diff,
    laplacian,
    solve,
)
from kanpde.field import Field
from kanpde.functions import columns
from kanpde.quadrature import Quadrature
from kanpde.residuals import Objective
from problems.neumann_poisson import neumann_poisson
from problems.periodic_poisson import periodic_poisson

square = Box(x=(0, 1), y=(-1, 2))
strip = Box(x=(0, 2), y=(0, 1), t=(0, 3))
line = Box(x=(0, 1))


class Known:
    def __init__(self, box, function):
        self.box, self.function = box, function

    def __call__(self, points):
        x = columns(points, self.box.names)
        return {"u": self.function(**x)}, x


def integral(condition, box, function, places=0):
    """∫ less the value, at places left free."""
    region = condition.region(box)
    unit = torch.rand(max(places, 1), len(region.free), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points, normals = region.nodes(unit)
    found = region.measure * region.mean(condition.rows(Known(box, function), points, normals))[:, 0]
    return found, {
        axis: box.axes[axis][0] + (box.axes[axis][1] - box.axes[axis][0]) * unit[:, i] for i, axis in enumerate(region.free)
    }


def u_(u, **_):
    return u


# --- quadrature -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "box", "function", "expected"),
    [
        (Integral(u_), line, lambda x: exp(x), e - 1),
        (Integral(u_, 1.0), line, lambda x: exp(x), e - 2),
        (Integral(u_), square, lambda x, y: exp(x) * y**2, 3 * (e - 1)),
        (Integral(lambda u, x, y: u**2 + x), square, lambda x, y: x * y, 1 + 1.5),  # noqa: ARG005
        (Integral(u_, on=square.at(x=1)), square, lambda x, y: x * y**2, 3.0),
        (Integral(u_, on=square.boundary()), square, lambda **_: 1 + 0 * _["x"], 8.0),
        (Integral(lambda u, x, y: diff(u, y), on=square.at(y=2)), square, lambda x, y: exp(x) * y**2, 4 * (e - 1)),  # noqa: ARG005
        (Integral(u_, on=line.boundary()), line, lambda x: exp(x), 1 + e),
        (Integral(u_), Box(t=(0, 1)), lambda t: exp(t), e - 1),
        (Integral(u_, on=strip.at(t=0)), strip, lambda x, y, t: x + y + t, 3.0),
        (Integral(u_, over=("x", "y", "t")), strip, lambda x, y, t: x * y * t, 2 * 0.5 * 4.5),
        (Integral(u_), Box(x=(0, 1), y=(0, 1), z=(0, 1)), lambda x, y, z: exp(x + y + z), (e - 1) ** 3),
    ],
)  # fmt: skip
def test_integrals_of_known_functions(condition, box, function, expected):
    found, _ = integral(condition, box, function)
    assert found.tolist() == pytest.approx([expected], rel=1e-13)


def test_with_time_the_integral_is_over_space_at_every_time():
    condition = Integral(u_, lambda t: 2 * exp(-t))
    found, free = integral(condition, strip, lambda x, y, t: (x + y + 1) * exp(-t), places=7)
    assert tuple(free) == ("t",)
    assert torch.allclose(found, 3 * exp(-free["t"]), rtol=1e-13)  # 2 (1 + ½ + 1) − 2


def test_parameters_are_left_free_on_request():
    box = Box(x=(0, 1), k=(1, 2))
    found, free = integral(Integral(u_, over=("x",)), box, lambda x, k: sin(k * x), places=5)
    assert torch.allclose(found, (1 - cos(free["k"])) / free["k"], rtol=1e-13)


def test_flux_through_faces_at_every_time():
    found, free = integral(Integral(u_, on=strip.boundary("x")), strip, lambda x, y, t: (1 + x) * y * t, places=4)
    assert torch.allclose(found, 4 * 0.5 * free["t"], rtol=1e-13)


def test_samples_lie_in_the_region():
    inside, normals = Quadrature(square, ("x", "y")).sample(torch.rand(50, 2, dtype=torch.float64))
    assert ((inside >= square.low) & (inside <= square.high)).all()
    assert not normals.any()
    on, normals = Quadrature(square, ("x", "y"), (("x", 1),)).sample(torch.rand(50, 2, dtype=torch.float64))
    assert (on[:, 0] == 1).all()
    assert (normals == torch.tensor([1.0, 0.0], dtype=torch.float64)).all()


# --- rows and Jacobian ------------------------------------------------------------------------------------------------


def heat(u, x, y, t):
    return diff(u, t) - laplacian(u, x, y)


def problem(integrand, **settings):
    conditions = {
        "start": Dirichlet(1.0, on=strip.at(t=0)),
        "walls": Neumann(0.0, on=strip.boundary("x", "y")),
        "mass": Integral(integrand, 2.0, **settings),
    }
    return Problem(strip, heat, conditions)


NETWORKS = [KAN([3, Product(1, rank=2)], grid=2, degree=5), KAN([3, 3, 1], grid=2, degree=5), MLP([3, 7, 1])]


@pytest.mark.parametrize("network", NETWORKS, ids=["products", "deep", "mlp"])
@pytest.mark.parametrize(
    ("integrand", "settings"),
    [(u_, {"nodes": 5}), (lambda u, **_: u**2, {"on": strip.at(t=3), "nodes": 6}), (u_, {"over": ("x", "y", "t"), "nodes": 4})],
    ids=["mass", "nonlinear, at the end", "over time"],
)
def test_jacobian_of_an_integral_agrees_with_finite_differences(network, integrand, settings):
    objective = Objective(Field(problem(integrand, **settings), network), Uniform(), {}, 60, seed=0)
    assert objective.obstacle() is None
    rows = torch.cat([piece.dense() for piece in objective.linearized()])
    r, jacobian = rows[:, -1], rows[:, :-1]
    assert torch.allclose(objective.residual(), r, rtol=1e-11, atol=1e-13 * r.abs().max().item())
    loss, gradient = objective.loss_and_gradient()
    assert loss == pytest.approx(0.5 * r.square().sum().item(), rel=1e-11)
    assert torch.allclose(jacobian.T @ r, gradient, rtol=1e-9, atol=1e-9 * gradient.abs().max().item())
    places = 16 if objective.problem.parts["mass"].free else 1
    start, direction = objective.coefficients, torch.randn(objective.size, dtype=torch.float64)
    after = []
    for sign in (1, -1):
        objective.coefficients = start + sign * 1e-5 * direction
        after.append(objective.residual()[-places:])
    change = (jacobian @ direction)[-places:]
    assert ((after[0] - after[1]) / 2e-5 - change).abs().max() < 1e-6 * change.abs().max()


def test_pieces_hold_whole_integrals(monkeypatch):
    objective = Objective(Field(problem(u_, nodes=5), NETWORKS[0]), Uniform(), {}, 60, seed=0)
    whole = torch.cat([piece.dense() for piece in objective.linearized()])
    monkeypatch.setattr("kanpde.chunks.BYTES", 1)
    monkeypatch.setattr("kanpde.chunks.LEAST", 16)
    pieces = torch.cat([piece.dense() for piece in objective.linearized()])
    assert len(whole) == len(pieces)
    assert torch.allclose(whole[-16:], pieces[-16:], rtol=1e-12)


# --- problems that integrals make well posed --------------------------------------------------------------------------


WELL_POSED = {
    "zero": (neumann_poisson, 1e-12),
    "three": (lambda: neumann_poisson(3.0), 1e-9),
    "torus": (periodic_poisson, 1e-9),  # 1e-14 a few seconds later
}


@pytest.mark.parametrize("case", WELL_POSED)
def test_equations_that_leave_a_constant_free_are_solved_to_rounding(case):
    factory, bound = WELL_POSED[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is free
        solution = solve(factory(), tol=bound)
    assert solution.errors.relative_l2 < bound
    assert "weighted: " in str(solution)


def test_a_nonlinear_integral_fixes_an_amplitude():
    """u'' + π² u = 0 has the solutions a sin πx; ∫u² = 2 leaves a = ±2."""
    conditions = {"ends": Dirichlet(0.0, on=line.boundary()), "norm": Integral(lambda u, x: u**2, 2.0)}  # noqa: ARG005
    solution = solve(Problem(line, lambda u, x: diff(u, x, x) + pi**2 * u, conditions, lambda x: 2 * sin(pi * x)))
    assert abs(solution(x=0.5)) == pytest.approx(2, rel=1e-9)


def test_a_mass_prescribed_at_all_times():
    """An equation of the slope alone, on a ring: only the mass says what the mean does."""
    ring = Box(x=(0, 1), t=(0, 1))

    def exact(x, t):
        return 1 + t + exp(-t) * cos(2 * pi * x)

    def slope(u, x, t):
        return diff(u, x, t) - diff(u, x, x, x) / (4 * pi**2)

    conditions = {
        "ring": Periodic("x"),
        "start": Dirichlet(lambda x, t: exact(x, t), on=ring.at(t=0)),
        "mass": Integral(u_, lambda t: 1 + t),
    }
    solution = solve(Problem(ring, slope, conditions, exact), refine=Adaptive(grid=8))
    assert solution.errors.relative_l2 < 1e-9


# --- what is refused --------------------------------------------------------------------------------------------------


def poisson(u, x, y):
    return laplacian(u, x, y) + 1


SLOPES = {"walls": Neumann(-0.375, on=square.boundary())}
BROKEN = {
    "stranger": (Integral(u_, over=("x", "z")), r"'mean': over=\('x', 'z'\); give a tuple of axes .* out of x, y"),
    "one axis in words": (Integral(u_, over="x"), "over='x'; give a tuple"),
    "no axis": (Integral(u_, over=()), r"over=\(\); give a tuple"),
    "no nodes": (Integral(u_, nodes=0), "nodes=0; give a whole number"),
    "part of a face": (Integral(u_, on=square.at(x=0).where(lambda y, **_: y > 0)), "the integral lies on .* whole faces"),
    "predicate": (Integral(u_, on=lambda x, **_: x == 0), "it takes whole faces, as in on=box.at"),
    "another box": (Integral(u_, on=line.at(x=0)), "'mean': the integral lies on .*, but the domain is"),
    "mixed faces": (Integral(u_, on=square.boundary(), over=("y",)), "others; give an Integral for each"),
    "other axes": (Integral(lambda u, x: u), r"'mean': the integrand takes \(u, x\), but is called with \(u, x, y\)"),  # noqa: ARG005
    "no integrand": (Integral(0.0), r"'mean': the integrand is 0.0; give a function of \(u, x, y\)"),
    "integrand without the unknown": (Integral(lambda u, x, y: x), "'mean' does not depend on any of u"),  # noqa: ARG005
    "squeezed": (Integral(lambda u, **_: u[:, 0]), "'mean' returned shape"),
    "value of x": (Integral(u_, lambda x, y: x + y), r"value takes \(x, y\), but .* with \(\)"),
    "value in words": (Integral(u_, "none"), "'mean': the value is 'none'; give a number"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_impossible_integrals_are_refused_with_the_remedy(case):
    condition, message = BROKEN[case]
    with pytest.raises((TypeError, ValueError), match=message):
        Problem(square, poisson, SLOPES | {"mean": condition})


def test_an_exact_solution_must_have_the_integral():
    base = neumann_poisson()
    conditions = dict(base.conditions) | {"mean": Integral(u_, 0.5)}
    with pytest.raises(ValueError, match="exact solution does not satisfy condition 'mean'"):
        Problem(base.domain, base.residual, conditions, base.exact)


def test_an_integral_of_slopes_alone_leaves_the_constant_free():
    conditions = SLOPES | {"flux": Integral(lambda u, x, y: diff(u, x), on=square.at(x=1))}  # noqa: ARG005
    with pytest.warns(UserWarning, match=r"u is determined only up to a constant.* or its integral, as by Integral\(…\)"):
        Problem(square, poisson, conditions)


def test_an_integral_covers_no_face():
    with pytest.raises(ValueError, match="nothing determines u at"):
        Problem(square, poisson, {"sum": Integral(u_, on=square.boundary())})
