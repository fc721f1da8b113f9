"""Finite elements as a second opinion: their order on manufactured problems, their verdicts on right and wrong solutions."""

import sys
from importlib import import_module
from math import log2, pi

import numpy as np
import pytest
from torch import cos, exp, nn, sin, sqrt

from kanpde import (
    Ball,
    Box,
    Condition,
    Dirichlet,
    Disk,
    MeshDomain,
    Neumann,
    Polygon,
    Problem,
    Robin,
    Solution,
    diff,
    div,
    grad,
    laplacian,
    solve,
)
from kanpde.cross_check import CrossCheck, _difference, cross_checked
from kanpde.field import Field
from kanpde.finite_elements import Space, solved
from kanpde.levels import children, first_level
from problems.l_shape import l_shape
from problems.poisson import poisson
from tests.catalogue import ROOT

SQUARE = Box(x=(0, 1), y=(0, 1))


class Exact:
    """The exact solution, times a factor, in the place of a field."""

    held = 1000  # bytes for each point
    network = nn.Identity()  # on no device of its own

    def __init__(self, problem, factor=1.0):
        self.problem, self.box, self.factor = problem, problem.domain, factor

    def known(self, x):
        return x

    def __call__(self, **x):
        return {name: self.factor * u for name, u in self.problem.exact_columns(x).items()}


def made(operator, exact, domain=SQUARE, conditions=None):
    """The problem of an operator with this solution, values given where no condition is."""

    def residual(u, **x):
        return operator(u, **x) - operator(exact(**x), **x)

    return Problem(domain, residual, conditions or {"walls": Dirichlet(exact, on=domain.boundary())}, exact)


def wave(x, y):
    return sin(2 * x + y) + x * y**2


def anisotropic(u, x, y):
    """Not in divergence form, with a mixed derivative, a stream and a reaction."""
    return (2 + sin(y)) * diff(u, x, x) + x * diff(u, x, y) + exp(x) * diff(u, y, y) + y * diff(u, x) + u * cos(x)


def quasilinear(u, x, y):
    return div([(1 + u**2) * slope for slope in grad(u, x, y)], x, y) + diff(u, x) * u


def minimal_surface(u, x, y):
    slopes = grad(u, x, y)
    return div([slope / sqrt(1 + slopes[0] ** 2 + slopes[1] ** 2) for slope in slopes], x, y)


def flux(u, x, y):
    """A ∇u for A = ((2, x), (x, 3))."""
    return 2 * diff(u, x) + x * diff(u, y), x * diff(u, x) + 3 * diff(u, y)


def anisotropic_flux(u, x, y):
    return div(flux(u, x, y), x, y)


def on_rim(function):
    """Neumann's value on the unit circle or sphere of a function of the coordinates."""
    return lambda **x: sum(column * diff(function(**x), column) for column in x.values())


def of_flux():
    walls = {"held": Dirichlet(wave, on=SQUARE.boundary("x"))}

    def outflow(u, x, y, normal):
        own, given = flux(u, x, y), flux(wave(x, y), x, y)
        return sum((a - b) * n for a, b, n in zip(own, given, normal, strict=True))

    return made(anisotropic_flux, wave, conditions=walls | {"outflow": Condition(outflow, on=SQUARE.boundary("y"))})


def radiation():
    def radiates(u, x, y, normal):
        return normal[0] * diff(u, x) + u**4 - (normal[0] * diff(wave(x, y), x) + wave(x, y) ** 4)

    conditions = {
        "held": Dirichlet(wave, on=SQUARE.at(x=0)),
        "insulated": Neumann(lambda x, y: diff(wave(x, y), y), on=SQUARE.at(y=1)),
        "cooled": Neumann(lambda x, y: -diff(wave(x, y), y), on=SQUARE.at(y=0)),
        "radiates": Condition(radiates, on=SQUARE.at(x=1)),
    }
    return made(lambda u, x, y: laplacian(u, x, y), wave, conditions=conditions)


def on_disk():
    disk = Disk(x=0, y=0)

    def total(x, y):
        return 2 * wave(x, y) + on_rim(wave)(x=x, y=y)

    return made(lambda u, x, y: laplacian(u, x, y) - u, wave, disk, {"rim": Robin(2.0, 1.0, total, on=disk.boundary())})


def on_line():
    line = Box(x=(0, 2))
    conditions = {
        "held": Dirichlet(lambda x: sin(3 * x), on=line.at(x=0)),
        "end": Neumann(lambda x: 3 * cos(3 * x), on=line.at(x=2)),
    }
    return made(lambda u, x: diff(exp(x) * diff(u, x), x) - u**3, lambda x: sin(3 * x), line, conditions)


def in_space(body):
    def bump(x, y, z):
        return sin(x + 2 * y) * exp(z)

    return made(lambda u, x, y, z: laplacian(u, x, y, z) + y * diff(u, z), bump, body)


PROBLEMS = {
    "anisotropic": made(anisotropic, wave),
    "quasilinear": made(quasilinear, wave),
    "minimal surface": made(minimal_surface, wave),
    "flux": of_flux(),
    "radiation": radiation(),
    "disk, Robin": on_disk(),
    "line": on_line(),
    "cube": in_space(Box(x=(0, 1), y=(0, 1), z=(0, 1))),
    "cylinder": in_space(Disk(x=0, y=0) * Box(z=(0, 1))),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_errors_fall_as_the_third_power(name):
    field = Exact(PROBLEMS[name])
    level = first_level(field.box, 5 if field.box.dimension < 3 else 3)
    errors = []
    for _ in range(3):
        errors.append(_difference(field, *solved(field, level))[0])
        level = level.refined()
    assert log2(errors[1] / errors[2]) == pytest.approx(3, abs=0.35)


def test_newton_starts_anywhere_near():
    problem = PROBLEMS["quasilinear"]
    level = first_level(problem.domain, 9)
    found = [solved(Exact(problem, factor), level)[1] for factor in (1.0, 1.3)]
    assert np.abs(found[0] - found[1]).max() < 1e-8


def test_quadratic_solutions_are_exact_on_flat_domains():
    for domain in (SQUARE, Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])):
        problem = made(lambda u, x, y: laplacian(u, x, y) + diff(u, x), lambda x, y: x**2 - 3 * x * y, domain)
        field = Exact(problem)
        assert _difference(field, *solved(field, first_level(domain, 5)))[0] < 1e-12


@pytest.mark.parametrize(
    ("domain", "measure"),
    [
        (Disk(x=1, y=0, radius=2), 4 * pi),
        (Disk(x=0, y=0) - Disk(x=0.2, y=0, radius=0.5), 0.75 * pi),
        (Disk(x=0, y=0) & Disk(x=1, y=0), 2 * pi / 3 - 3**0.5 / 2),
        (Disk(x=0, y=0) | Disk(x=1, y=0), 4 * pi / 3 + 3**0.5 / 2),
        (SQUARE - Disk(x=0, y=0, radius=0.5), 1 - pi / 16),
        (Ball(x=0, y=0, z=0), 4 / 3 * pi),
        (Disk(x=0, y=0) * Box(z=(0, 2)), 2 * pi),
    ],
    ids=str,
)
def test_curved_boundaries_are_followed(domain, measure):
    level, missed = first_level(domain, 5), []
    for _ in range(3 if domain.dimension == 2 else 2):
        missed.append(abs(Space(level).basis.dx.sum() - measure) / measure)
        level = level.refined()
    assert missed[-1] < missed[-2] / 7  # third order or better; chords would leave a fourth


def test_refined_cells_fill_the_cells():
    for dimension in (1, 2, 3):
        corners = children(dimension)
        volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
        assert volumes == pytest.approx(np.full(2**dimension, 0.5**dimension))


@pytest.mark.parametrize(
    "name",
    "mixed_poisson diffusion convection_diffusion annulus disk l_shape triangle nonlinear_poisson transmission torsion "
    "periodic_poisson neumann_poisson".split(),
)
def test_agrees_with_exact_solutions(name):
    problem = getattr(import_module(f"problems.{name}"), name)()
    check = cross_checked(Exact(problem), 2500)
    assert check.agrees, check
    assert check.own_error < (2e-3 if name == "l_shape" else 4e-4)


@pytest.mark.parametrize("name", "mixed_poisson disk transmission".split())
def test_sees_errors_that_are_larger_than_its_own(name):
    problem = getattr(import_module(f"problems.{name}"), name)()
    own = cross_checked(Exact(problem), 2500).own_error
    check = cross_checked(Exact(problem, 1 + 5 * own), 2500)
    assert not check.agrees
    assert check.difference == pytest.approx(5 * own, rel=0.3)


def test_own_error_is_that_of_the_elements():
    for problem in (poisson(), l_shape()):
        check = cross_checked(Exact(problem), 2500)
        assert check.own_error == pytest.approx(check.difference, rel=0.5)


def test_agrees_in_a_ball():
    problem = import_module("problems.ball").ball()
    assert cross_checked(Exact(problem), 4000).agrees


def test_uses_the_mesh_of_a_mesh_domain():
    plate = MeshDomain(ROOT / "problems" / "plate_with_hole.msh")
    problem = made(lambda u, x, y: laplacian(u, x, y), lambda x, y: exp(x) * cos(y), plate)
    check = cross_checked(Exact(problem), 10_000)
    assert check.agrees, check
    assert check.own_error < 1e-4


def test_a_solution_is_checked():
    right = poisson(dimension=1)
    solution = solve(right, max_seconds=5, progress=False)
    check = solution.cross_check()
    assert check.agrees
    assert str(check).startswith("finite elements (P2, 1001 unknowns): relative L2 difference")
    assert str(check).endswith("they agree")

    def stronger(u, x):
        return laplacian(u, x) + pi**2 * 1.01 * sin(pi * x)

    wrong = Problem(right.domain, stronger, right.conditions)
    check = Solution(Field(wrong, solution.model), solution.history, solution.status).cross_check(unknowns=500)
    assert not check.agrees
    assert check.difference == pytest.approx(0.01 / 1.01, rel=0.01)
    assert str(check).endswith("they differ by more than that explains")


def test_large_errors_of_their_own_tell_nothing():
    check = CrossCheck(0.2, 0.3, 81)
    assert not check.agrees
    assert "too coarse to tell; let it have more unknowns" in str(check)


def refused(problem, message, unknowns=None):
    with pytest.raises(ValueError, match=message):
        cross_checked(Exact(problem), unknowns)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("heat", "in time"),
        ("stokes", "3 unknowns, u, v, p"),
        ("biharmonic", "order 4"),
        ("poisson_cosines", "5 axes"),
        ("two_materials", "is Interface on"),
    ],
)
def test_refuses_other_problems(name, message):
    refused(getattr(import_module(f"problems.{name}"), name)(), f"{message}.*cross_check takes")


def test_refuses_what_is_not_elliptic():
    refused(made(lambda u, x, y: diff(u, x, x) - diff(u, y, y), wave), "not elliptic")
    refused(made(lambda u, x, y: diff(u, x, x) * diff(u, y, y), lambda x, y: x**2 + y**2), "linear in those")


def test_refuses_residuals_that_mix_points():
    refused(made(lambda u, x, y: laplacian(u, x, y) + u - u.mean(), wave), "mixes points, as by a mean; cross_check takes")


def test_refuses_conditions_that_are_not_along_the_flux():
    def slopes(slope):
        return {"held": Dirichlet(wave, on=SQUARE.boundary("x")), "slope": Condition(slope, on=SQUARE.boundary("y"))}

    neumann = slopes(lambda u, x, y: diff(u, y) - diff(wave(x, y), y))
    refused(made(anisotropic_flux, wave, conditions=neumann), "'slope' prescribes a slope that is not along the flux")
    assert cross_checked(Exact(made(lambda u, x, y: laplacian(u, x, y), wave, conditions=neumann)), 1000).agrees
    bent = slopes(lambda u, x, y: diff(u, y, y) + u - diff(wave(x, y), y, y) - wave(x, y))
    refused(made(lambda u, x, y: laplacian(u, x, y), wave, conditions=bent), "'slope' takes second derivatives")


def test_refuses_boundaries_that_are_not_determined_once():
    line = Box(x=(0, 1))
    start = {"value": Dirichlet(0.0, on=line.at(x=0)), "slope": Neumann(-1.0, on=line.at(x=0))}
    refused(made(lambda u, x: diff(u, x, x), lambda x: x, line, start), "several conditions at x=0|no condition at x=1")
    with pytest.warns(UserWarning, match="up to a constant"):
        problem = made(lambda u, x: diff(u, x, x), lambda x: x, line, {"ends": Neumann(lambda x: 2 * x - 1, line.boundary())})
    refused(problem, "leave a constant free")
    refused(poisson(), "unknowns=0; give", unknowns=0)


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skfem", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "kanpde\[fem\]"'):
        cross_checked(Exact(poisson()))
