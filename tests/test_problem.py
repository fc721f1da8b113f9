"""Problems: what is wrong is refused at the door, with the remedy; what is right is let in, and read correctly."""

from functools import partial
from math import nan, pi, prod, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import cos, exp, log, sin, where

from kanpde import Box, Condition, Dirichlet, Neumann, Periodic, Problem, Robin, diff, div, grad, laplacian

line = Box(x=(0, 1))
square = Box(x=(0, 1), y=(0, 1))
strip = Box(x=(0, 1), t=(0, 2))


def poisson(u, x, y):
    return laplacian(u, x, y) + 1


def heat(u, x, t):
    return diff(u, t) - diff(u, x, x)


def wave(u, x, t):
    return diff(u, t, t) - 4 * diff(u, x, x)


def coupled(u, v, x, y):
    return {"first": laplacian(u, x, y) - v, "second": laplacian(v, x, y) - u}


def oscillator(u, x):
    return diff(u, x, x) + u


def advection(u, x, t):
    return diff(u, t) + 2 * diff(u, x)


def beam(u, x):
    return diff(u, x, x, x, x) - 1


def harmonic(x, y):
    return exp(pi * x) * sin(pi * y)


def laplace(u, x, y):
    return laplacian(u, x, y)


def gaussian(x, t):
    return exp(-((x - 2 * t) ** 2))


def only(box, residual, condition, exact=None):
    return Problem(box, residual, {"walls": condition}, exact)


WALLS = square.boundary()
ENDS = {"ends": Dirichlet(0.0, on=strip.boundary("x"))}
START = {"start": Dirichlet(0.0, on=strip.at(t=0))}
PAIR = {name: Dirichlet(0.0, on=WALLS, of=name) for name in ("u", "v")}

with_walls = partial(only, square, poisson)
with_residual = partial(Problem, square, conditions={"walls": Dirichlet(0.0, on=WALLS)})
with_exact = partial(only, square, laplace, Dirichlet(harmonic, on=WALLS))


def split(cold, hot):
    """Values on the faces across x and across y."""
    return {"cold": Dirichlet(cold, on=square.boundary("x")), "hot": Dirichlet(hot, on=square.boundary("y"))}


def patch(y, **_):
    """NaN slopes where the value is finite: the trap of `where`."""
    return where(y > 0.5, (y - 0.5).sqrt(), 0 * y)


BROKEN = {
    # --- the domain and the signature of the residual
    "domain that is no box": (lambda: Problem((0, 1), poisson, {}), r"domain is \(0, 1\); give a Box, as in Box\(x="),
    "other axes": (lambda: Problem(strip, poisson, ENDS), r"takes \(u, x, y\), but the axes .* write def residual\(u, x, t\)"),
    "too few axes": (lambda: with_residual(lambda u, x: diff(u, x)), r"takes \(u, x\), but the axes .* are x, y; write"),
    "too many axes": (lambda: Problem(line, poisson, {}), r"takes \(u, x, y\), but the axes of Box\(x=\(0, 1\)\) are x;"),
    "unknown last": (
        lambda: with_residual(lambda x, y, u: laplacian(u, x, y)),
        r"write def residual\(u, x, y\), unknowns first",
    ),
    "no unknown": (lambda: with_residual(lambda x, y: x + y), r"takes \(x, y\), .* unknowns first"),
    # --- what the residual returns
    "residual that is a number": (
        lambda: with_residual(lambda _u, **_: 0.0),
        "'equation' returned float; it must return a tensor",
    ),
    "residual that returns nothing": (lambda: with_residual(lambda _u, **_: None), "'equation' returned NoneType"),
    "squeezed residual": (
        lambda: with_residual(lambda u, x, y: laplacian(u, x, y).squeeze()),
        r"'equation' returned shape \(64,\) for 64 points; it must be \(64, 1\): .* without squeeze",
    ),
    "residual by outer product": (
        lambda: with_residual(lambda u, x, y: diff(u, x) + y[:, 0]),
        r"shape \(64, 64\) for 64 points",
    ),
    "named equation of a wrong shape": (
        lambda: Problem(square, lambda u, v, **x: coupled(u, v, **x) | {"third": u.sum()}, PAIR),
        r"equation 'third' returned shape \(\) for 64 points",
    ),
    "infinite residual": (lambda: with_residual(lambda u, x, y: laplacian(u, x, y) + log(x - 1)), "'equation' is not finite"),
    "residual of another variable": (
        lambda: with_residual(lambda _u, x, y: laplacian(x * y, x, y)),
        "does not depend on any of _u .* check that it uses its arguments",
    ),
    "no equation": (lambda: with_residual(lambda _u, **_: {}), "equation"),
    "unknown that no equation takes": (
        lambda: Problem(square, lambda u, v, x, y: laplacian(u, x, y), PAIR),  # noqa: ARG005
        r"equation.*\bv\b|\bv\b.*equation",
    ),
    # --- conditions: what they are and where they lie
    "condition that is none": (
        lambda: with_walls(0.0),
        "'walls' is 0.0; give a Dirichlet, Neumann, Robin, Periodic or Condition",
    ),
    "conditions in a list": (lambda: Problem(square, poisson, [Dirichlet(0.0, on=WALLS)]), "conditions .*dict"),
    "one condition without a name": (lambda: Problem(square, poisson, Dirichlet(0.0, on=WALLS)), "conditions .*dict"),
    "condition named as an equation": (
        lambda: Problem(square, poisson, {"equation": Dirichlet(0.0, on=WALLS)}),
        r"'equation'.*name",
    ),
    "condition nowhere": (lambda: with_walls(Dirichlet(0.0, on=None)), "lies on None; give a face, box.boundary"),
    "condition on another box": (
        lambda: with_walls(Dirichlet(0.0, on=Box(x=(0, 2), y=(0, 1)).boundary())),
        r"'walls' lies on .* of Box\(x=\(0, 2\), y=\(0, 1\)\), but the domain is Box\(x=\(0, 1\), y=\(0, 1\)\)",
    ),
    "face that does not exist": (lambda: with_walls(Dirichlet(0.0, on=square.at(x=2))), "no face x=2; its faces .* at 0 and 1"),
    "periodic along no axis": (lambda: with_walls(Periodic("z")), "no axis 'z'; its axes are x, y"),
    "predicate that holds nowhere": (
        lambda: with_walls(Dirichlet(0.0, on=lambda x, **_: x > 2)),
        "'walls' holds at no point of .*; check its predicate",
    ),
    "squeezed predicate": (lambda: with_walls(Dirichlet(0.0, on=lambda x, **_: x[:, 0] < 2)), r"predicate .*\(64,\)"),
    # --- conditions: of what
    "condition of a stranger": (
        lambda: Problem(square, coupled, PAIR | {"w": Dirichlet(0.0, on=WALLS, of="w")}),
        "'w' is of 'w'; the unknowns are u, v",
    ),
    "condition of nobody": (
        lambda: only(square, coupled, Neumann(0.0, on=WALLS)),
        r"does not say of which .* add of= one of .*'u', 'v'",
    ),
    "condition that takes no unknown": (
        lambda: with_walls(Condition(lambda _u, x, y: x + y, on=WALLS)),
        "'walls' does not depend on any of u",
    ),
    "Robin without coefficients": (lambda: with_walls(Robin(0.0, 0.0, 1.0, on=WALLS)), "'walls' does not depend on any of u"),
    # --- conditions: their values
    "value of other axes": (lambda: with_walls(Dirichlet(lambda x: x, on=WALLS)), "condition 'walls'.* x, y"),
    "predicate of other axes": (lambda: with_walls(Dirichlet(0.0, on=lambda x: x >= 0)), "condition 'walls'.* x, y"),
    "condition that misses an unknown": (
        lambda: Problem(square, coupled, PAIR | {"sum": Condition(lambda u, x, y: u + x * y, on=WALLS)}),
        "condition 'sum'.* u, v",
    ),
    "squeezed value": (lambda: with_walls(Dirichlet(lambda x, **_: x[:, 0], on=WALLS)), r"'walls' returned shape \(64, 64\)"),
    "squeezed condition": (lambda: with_walls(Condition(lambda u, **_: u[:, 0], on=WALLS)), r"'walls' returned shape \(64,\)"),
    "value that is no number": (lambda: with_walls(Dirichlet(nan, on=WALLS)), "condition 'walls' is not finite"),
    "infinite value": (lambda: with_walls(Dirichlet(lambda x, **_: 1 / (x - x), on=WALLS)), "condition 'walls' is not finite"),
    # --- boundaries that nothing covers
    "no conditions": (
        lambda: Problem(square, poisson, {}),
        r"nothing determines u at x=0: .* Neumann or Robin condition on box.at\(x=0\)",
    ),
    "uncovered face": (
        lambda: with_walls(Dirichlet(0.0, on=lambda x, y: (y == 0) | (x == 0) | (x == 1))),
        r"nothing determines u at y=1: .*order 2 in y; add .* box.at\(y=1\), or Periodic\('y'\)",
    ),
    "half a face": (lambda: with_walls(Dirichlet(0.0, on=lambda x, y: (y > 0) | (x < 0.5))), "nothing determines u at y=0"),
    "uncovered face of one unknown": (
        lambda: Problem(square, coupled, PAIR | {"v": Dirichlet(0.0, on=square.boundary("x"), of="v")}),
        "nothing determines v at y=0",
    ),
    "no inflow": (lambda: Problem(strip, advection, START), "nothing determines u at x=0: .* order 1 in x"),
    "beam on two values": (
        lambda: only(line, beam, Dirichlet(0.0, on=line.boundary())),
        "order 4 in x, .* carry 2 conditions; it needs 4",
    ),
    "periodic in too few derivatives": (lambda: only(line, oscillator, Periodic("x", order=1)), "'walls'.* order"),
    "missing initial value": (
        lambda: Problem(strip, heat, ENDS),
        r"needs an initial value, but 0 found; add Dirichlet\(…, on=box.at\(t=0\)\)",
    ),
    "final instead of initial value": (
        lambda: Problem(strip, heat, ENDS | {"end": Dirichlet(0.0, on=strip.at(t=2))}),
        "needs an initial value, but 0 found",
    ),
    "missing initial velocity": (
        lambda: Problem(strip, wave, ENDS | START),
        r"needs 2 initial conditions \(value, velocity, …\), but 1 found; add .* Condition\(lambda …: diff\(u, t\), on=",
    ),
    # --- values that disagree
    "conflict at a corner": (
        lambda: Problem(square, poisson, split(1.0, lambda x, **_: 3 - x)),
        "'cold' and 'hot' meet at x=0, y=[01], where one says 1 and the other 3; make the values agree",
    ),
    "conflict with zero": (lambda: Problem(square, poisson, split(0.0, 1.0)), "one says 0 and the other 1"),
    "conflict of walls with the start": (
        lambda: Problem(strip, heat, ENDS | {"start": Dirichlet(lambda x, **_: x * (2 - x), on=strip.at(t=0))}),
        "'ends' and 'start' meet at x=1, t=0",
    ),
    "conflict with a condition that names the only unknown": (
        lambda: Problem(square, poisson, split(0.0, 0.0) | {"hot": Dirichlet(1.0, on=square.boundary("y"), of="u")}),
        "'cold' and 'hot' meet at",
    ),
    "conflict on one face": (
        lambda: Problem(line, oscillator, {"cold": Dirichlet(0.0, on=line.boundary()), "hot": Dirichlet(1.0, on=line.at(x=0))}),
        "'cold' and 'hot' meet at x=0",
    ),
    # --- exact solutions
    "exact of another equation": (
        lambda: with_walls(Dirichlet(harmonic, on=WALLS), harmonic),
        "exact solution does not satisfy equation 'equation': the residual reaches 1; correct the sign or factor",
    ),
    "exact of other values": (
        lambda: only(square, laplace, Dirichlet(lambda x, y: harmonic(x, y) + x, on=WALLS), harmonic),
        "exact solution does not satisfy condition 'walls'",
    ),
    "exact of the other flux": (
        lambda: Problem(
            line,
            oscillator,
            {"left": Dirichlet(0.0, on=line.at(x=0)), "right": Neumann(lambda x: -cos(x), on=line.at(x=1))},
            exact=sin,
        ),
        "exact solution does not satisfy condition 'right'",
    ),
    "exact that is not periodic": (
        lambda: Problem(strip, advection, {"ring": Periodic("x"), "start": Dirichlet(gaussian, on=strip.at(t=0))}, gaussian),
        "exact solution does not satisfy condition 'ring'",
    ),
    "exact of one named equation": (
        lambda: Problem(square, coupled, PAIR, lambda x, y: {"u": x * y, "v": 0 * x}),
        "exact solution does not satisfy equation 'second'",
    ),
    "exact that is not finite": (lambda: with_exact(lambda x, **_: log(x - 1)), "exact solution 'u' is not finite"),
    "exact that is not finite on a face": (
        lambda: only(square, lambda u, x, y: laplacian(u, x, y) - 1 / x, Dirichlet(0.0, on=WALLS), lambda x, **_: x * log(x)),
        "exact solution .*condition 'walls'",
    ),
    "exact whose slope is not finite": (
        lambda: only(square, laplace, Dirichlet(patch, on=WALLS), patch),
        "exact solution .*equation 'equation'",
    ),
    "exact of other axes": (lambda: with_exact(lambda x: x), "exact.* x, y"),
    "squeezed exact": (lambda: with_exact(lambda x, **_: x[:, 0]), r"exact.* shape \(64,\)"),
    "exact that returns nothing": (lambda: with_exact(lambda **_: None), "exact.* NoneType"),
    "exact without an unknown": (lambda: Problem(square, coupled, PAIR, lambda x, **_: {"u": x}), r"exact.*\bv\b"),
    "exact of a system as one column": (lambda: Problem(square, coupled, PAIR, lambda x, **_: x), r"exact.*\bv\b"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_problems_are_refused_with_the_remedy(case):
    build, message = BROKEN[case]
    with pytest.raises((TypeError, ValueError), match=message):
        build()


# --- what must be let in ----------------------------------------------------------------------------------------------


def decay(x, t):
    return exp(-t) * sin(x) + t * x


def stokes(u, v, p, x, y):
    return {
        "momentum_x": laplacian(u, x, y) - diff(p, x),
        "momentum_y": laplacian(v, x, y) - diff(p, y),
        "continuity": div((u, v), x, y),
    }


def kdv(u, x, t):
    return diff(u, t) + 6 * u * diff(u, x) + diff(u, x, x, x)


class Reaction:
    """A residual may be any callable."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, u, t):
        return diff(u, t) + self.rate * u


def clamped(x):
    return x**2 * (1 - x) ** 2 / 24


LEFT, RIGHT = line.at(x=0), line.at(x=1)
day = Box(t=(0, 1))

GOOD = {
    "decay from a value at one end": lambda: only(
        line, lambda u, x: diff(u, x) + u, Dirichlet(1.0, on=LEFT), lambda x: exp(-x)
    ),
    "growth to a value at the other end": lambda: only(line, lambda u, x: diff(u, x) - u, Dirichlet(1.0, on=RIGHT)),
    "reaction in time": lambda: only(day, Reaction(3.0), Dirichlet(1.0, on=day.at(t=0)), lambda t: exp(-3 * t)),
    "pendulum": lambda: Problem(
        day,
        lambda u, t: diff(u, t, t) + sin(u),
        {"angle": Dirichlet(1.0, on=day.at(t=0)), "rest": Condition(lambda u, t: diff(u, t), on=day.at(t=0))},
    ),
    "oscillator from value and slope at one end": lambda: Problem(
        line, oscillator, {"value": Dirichlet(0.0, on=LEFT), "slope": Neumann(-1.0, on=LEFT)}, exact=sin
    ),
    "periodic in time": lambda: only(day, lambda u, t: diff(u, t) + u - sin(2 * pi * t), Periodic("t")),
    "algebra": lambda: Problem(line, lambda u, x: u**3 + u - x, {}),
    "advection with inflow only": lambda: Problem(
        strip,
        advection,
        {"inflow": Dirichlet(gaussian, on=strip.at(x=0)), "start": Dirichlet(gaussian, on=strip.at(t=0))},
        gaussian,
    ),
    "advection on a ring": lambda: Problem(
        strip,
        advection,
        {"ring": Periodic("x"), "start": Dirichlet(lambda x, **_: sin(2 * pi * x), on=strip.at(t=0))},
        lambda x, t: sin(2 * pi * (x - 2 * t)),
    ),
    "Neumann on a side": lambda: Problem(
        square,
        laplace,
        {
            "side": Neumann(lambda y, **_: pi * exp(pi * torch.ones_like(y)) * sin(pi * y), on=square.at(x=1)),
            "rest": Dirichlet(harmonic, on=lambda x, y: x < 1),  # noqa: ARG005
        },
        harmonic,
    ),
    "Neumann everywhere": lambda: only(square, lambda u, x, y: laplacian(u, x, y) - u, Neumann(1.0, on=WALLS)),
    "Robin everywhere": lambda: with_walls(Robin(1.0, 0.5, lambda x, y: x + y, on=WALLS)),
    "walls that move in time": lambda: Problem(
        strip,
        lambda u, x, t: diff(u, t) - diff(u, x, x) - x,
        {"ends": Dirichlet(decay, on=strip.boundary("x")), "start": Dirichlet(decay, on=strip.at(t=0))},
        decay,
    ),
    "one face split by predicates": lambda: Problem(
        square,
        poisson,
        {
            "rest": Dirichlet(0.0, on=lambda y, **_: y > 0),
            "heated": Neumann(1.0, on=square.at(y=0).where(lambda x, **_: x < 0.3)),
            "cooled": Robin(1.0, 1.0, 0.0, on=square.at(y=0).where(lambda x, **_: (x >= 0.3) & (x < 0.7))),
            "fixed": Dirichlet(0.0, on=lambda x, y: (y == 0) & (x >= 0.7)),
        },
    ),
    "a small heater": lambda: Problem(
        square,
        poisson,
        {
            "rest": Dirichlet(0.0, on=lambda x, y: (y > 0) | (x >= 0.02)),
            "heater": Neumann(1.0, on=lambda x, y: (y == 0) & (x < 0.02)),
        },
    ),
    "walls and start by one predicate": lambda: only(
        strip, heat, Dirichlet(decay, on=lambda x, t: (x == 0) | (x == 1) | (t == 0))
    ),
    "values that agree at corners": lambda: Problem(square, poisson, split(lambda y, **_: y, lambda y, **_: y**2)),
    "conflicting values of different unknowns": lambda: Problem(
        square, coupled, PAIR | {"v": Dirichlet(1.0, on=WALLS, of="v")}
    ),
    "an equal box": lambda: with_walls(Dirichlet(0.0, on=Box(x=(0.0, 1.0), y=(0.0, 1.0)).boundary())),
    "clamped beam": lambda: Problem(
        line, beam, {"value": Dirichlet(0.0, on=line.boundary()), "slope": Neumann(0.0, on=line.boundary())}, clamped
    ),
    "cantilever": lambda: Problem(
        line,
        beam,
        {
            "value": Dirichlet(0.0, on=LEFT),
            "slope": Neumann(0.0, on=LEFT),
            "moment": Condition(lambda u, x: diff(u, x, x), on=RIGHT),
            "shear": Condition(lambda u, x: diff(u, x, x, x), on=RIGHT),
        },
        lambda x: x**2 * (x**2 - 4 * x + 6) / 24,
    ),
    "KdV on a segment": lambda: Problem(strip, kdv, ENDS | START | {"right": Neumann(0.0, on=strip.at(x=1))}),
    "KdV on a ring": lambda: Problem(strip, kdv, START | {"ring": Periodic("x", order=3)}, lambda x, **_: 0 * x),
    "pressure without a condition": lambda: Problem(
        square,
        stokes,
        PAIR | {"u": Dirichlet(lambda y, **_: y * (1 - y), on=WALLS, of="u")},
        lambda x, y: {"u": y * (1 - y), "v": 0.0, "p": -2 * x},
    ),
    "a condition between unknowns": lambda: Problem(
        square,
        coupled,
        {"u": PAIR["u"], "both": Condition(lambda u, v, x, y: diff(v, x) + diff(v, y) + u, on=WALLS)},
    ),
    "eikonal": lambda: only(square, lambda u, x, y: sum(g**2 for g in grad(u, x, y)) - 1, Dirichlet(0.0, on=WALLS)),
    "logarithm of the unknown": lambda: only(square, lambda u, x, y: laplacian(u, x, y) - log(u), Dirichlet(1.0, on=WALLS)),
    "mean of the unknown": lambda: only(square, lambda u, x, y: laplacian(u, x, y) - u.mean(), Dirichlet(1.0, on=WALLS)),
    "constant exact solution": lambda: only(square, laplace, Dirichlet(3, on=WALLS), lambda **_: 3.0),
    "exact solution zero": lambda: only(square, laplace, Dirichlet(0, on=WALLS), lambda **_: 0.0),
    "tiny numbers": lambda: only(
        square, laplace, Dirichlet(lambda x, y: 1e-9 * harmonic(x, y), on=WALLS), lambda x, y: 1e-9 * harmonic(x, y)
    ),
    "keyword coordinates": lambda: with_residual(lambda u, /, *, y, x: laplacian(u, x, y)),
}


@pytest.mark.parametrize("case", GOOD)
def test_good_problems_are_let_in(case):
    assert isinstance(GOOD[case](), Problem)


# --- what is read off -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "orders"),
    [
        (GOOD["clamped beam"], {"u": {"x": 4}}),
        (GOOD["algebra"], {"u": {"x": 0}}),
        (GOOD["KdV on a ring"], {"u": {"x": 3, "t": 1}}),
        (GOOD["eikonal"], {"u": {"x": 1, "y": 1}}),
        (GOOD["pressure without a condition"], {"u": {"x": 2, "y": 2}, "v": {"x": 2, "y": 2}, "p": {"x": 1, "y": 1}}),
        (lambda: Problem(strip, lambda u, x, t: diff(u, t, x), ENDS | START), {"u": {"x": 1, "t": 1}}),
        # conditions do not count
        (lambda: only(line, lambda u, x: diff(u, x), Condition(lambda u, x: diff(u, x, x) + u, on=LEFT)), {"u": {"x": 1}}),
    ],
)
def test_orders_are_of_derivatives_by_unknown_and_axis(problem, orders):
    found = problem()
    assert found.orders == orders
    assert found.order == max(k for by_axis in orders.values() for k in by_axis.values())


@given(lengths=st.lists(st.floats(0.1, 10), min_size=3, max_size=3), alpha=st.floats(0.01, 100))
@settings(max_examples=10, deadline=None)
def test_sizes_are_of_operators_on_a_wave_of_the_domain(lengths, alpha):
    """∂ₓᵏ ∂ₜʲ has size (π/L)ᵏ (π/T)ʲ, and a sum the root of the sum of squares."""
    box = Box(x=(1, 1 + lengths[0]), y=(0, lengths[1]), t=(0, lengths[2]))
    conditions = {
        "value": Dirichlet(0.0, on=box.boundary("y")),
        "flux": Neumann(1.0, on=box.at(x=1)),
        "exchange": Robin(alpha, 2.0, 1.0, on=box.boundary("x")),
        "start": Condition(lambda u, **_: alpha * u, on=box.at(t=0)),
    }
    problem = Problem(box, lambda u, x, y, t: diff(u, t) - alpha * laplacian(u, x, y) + x, conditions)
    kx, ky, kt = (pi / length for length in lengths)
    expected = {
        "equation": sqrt(kt**2 + alpha**2 * (kx**4 + ky**4)),
        "value": 1.0,
        "flux": kx,
        "exchange": sqrt(alpha**2 + 4 * kx**2),
        "start": alpha,
    }
    assert problem.sizes == pytest.approx(expected, rel=1e-10)


def test_mixed_derivatives_and_named_equations_have_their_sizes():
    problem = Problem(
        square,
        lambda u, x, y: {"one": diff(u, x, y) + u, "two": laplacian(laplacian(u, x, y), x, y)},
        {"value": Dirichlet(0.0, on=WALLS), "slope": Neumann(0.0, on=WALLS)},
    )
    assert problem.sizes == pytest.approx({"one": sqrt(pi**4 + 1), "two": sqrt(6) * pi**4, "value": 1.0, "slope": pi})


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_one_residual_serves_any_dimension(dimension):
    box = Box(**{f"x{i}": (0, 1) for i in range(dimension)})

    def exact(**x):
        return prod(sin(pi * s) for s in x.values())

    def residual(u, **x):
        return laplacian(u, *x.values()) + dimension * pi**2 * exact(**x)

    problem = Problem(box, residual, {"walls": Dirichlet(0.0, on=box.boundary())}, exact)
    assert problem.unknowns == ("u",)
    assert problem.orders == {"u": dict.fromkeys(box.names, 2)}
    assert problem.sizes["equation"] == pytest.approx(sqrt(dimension) * pi**2)


def test_unknowns_are_the_names_before_the_coordinates():
    assert GOOD["pressure without a condition"]().unknowns == ("u", "v", "p")
    assert Problem(square, coupled, PAIR).unknowns == ("u", "v")
    named = Problem(line, lambda density, /, x: diff(density, x), {"value": Dirichlet(0.0, on=LEFT, of="density")})
    assert named.unknowns == ("density",)


def test_equations_and_exact_solutions_come_by_name():
    problem = GOOD["pressure without a condition"]()
    x = {name: torch.rand(5, 1, dtype=torch.float64).requires_grad_() for name in ("x", "y")}
    unknowns = problem.exact_columns(x)
    assert {name: column.shape for name, column in unknowns.items()} == dict.fromkeys("uvp", (5, 1))
    found = problem.equations(unknowns, x)
    assert tuple(found) == ("momentum_x", "momentum_y", "continuity")
    assert max(r.abs().max() for r in found.values()) < 1e-14
    assert tuple(with_walls(Dirichlet(0.0, on=WALLS)).equations({"u": x["x"]}, x)) == ("equation",)


def test_parts_and_samples_of_conditions():
    problem = GOOD["one face split by predicates"]()
    points, normals = problem.samples("cooled", 500, torch.Generator().manual_seed(0))
    assert len(points) == pytest.approx(200, abs=45)
    assert ((points[:, 0] >= 0.3) & (points[:, 0] < 0.7) & (points[:, 1] == 0)).all()
    assert torch.equal(normals, torch.tensor([0.0, -1.0], dtype=torch.float64).expand(len(points), 2))
    assert GOOD["advection on a ring"]().parts["ring"].faces == (("x", 0),)


def test_problems_do_not_change():
    """Nor do they share the dict that they were made of."""
    conditions = {"walls": Dirichlet(0.0, on=WALLS)}
    problem = Problem(square, poisson, conditions)
    conditions.clear()
    assert tuple(problem.conditions) == ("walls",)
    with pytest.raises(AttributeError):
        problem.exact = harmonic


def test_construction_leaves_chance_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, other = (with_walls(Dirichlet(0.0, on=WALLS)) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert one.sizes == other.sizes
