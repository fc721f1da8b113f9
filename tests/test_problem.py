"""Problems: what is wrong is refused at the door, with the remedy; what is right is let in, and read correctly."""

import math
import warnings
from functools import partial
from math import nan, pi, prod, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import cos, exp, log, sin, where

from kanpde import Box, Condition, Dirichlet, Neumann, Periodic, Problem, Robin, diff, div, grad, laplacian

pytestmark = [  # told, and meant
    pytest.mark.filterwarnings("ignore:p is determined only up to a constant"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True to a scalar"),
]

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
    "domain that is no box": (lambda: Problem((0, 1), poisson, {}), r"domain is \(0, 1\); give a domain, such as Box\(x="),
    "other axes": (lambda: Problem(strip, poisson, ENDS), r"takes \(u, x, y\), but the axes .* write def residual\(u, x, t\)"),
    "too few axes": (lambda: with_residual(lambda u, x: diff(u, x)), r"takes \(u, x\), but the axes .* are x, y; write"),
    "too many axes": (lambda: Problem(line, poisson, {}), r"takes \(u, x, y\), but the axes of Box\(x=\(0, 1\)\) are x;"),
    "unknown last": (
        lambda: with_residual(lambda x, y, u: laplacian(u, x, y)),
        r"write def residual\(u, x, y\), unknowns first",
    ),
    "no unknown": (lambda: with_residual(lambda x, y: x + y), r"takes \(x, y\), .* unknowns first"),
    "argument that is no axis": (
        lambda: with_residual(lambda u, x, y, k: k * laplacian(u, x, y)),
        r"takes \(u, x, y, k\), but",
    ),
    "residual that is no function": (
        lambda: with_residual("laplace"),
        r"residual is 'laplace', but must be a function; write def residual\(u, x, y\)",
    ),
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
    "equations in a tuple": (
        lambda: Problem(square, lambda u, v, **x: tuple(coupled(u, v, **x).values()), PAIR),
        'returned a tuple of 2; return a dict of named equations, as in {"momentum": …',
    ),
    "equations in a list": (lambda: with_residual(lambda u, **_: [u]), "returned a list of 1; return a dict of named"),
    "fewer equations than unknowns": (
        lambda: Problem(square, lambda u, v, **x: {"sum": laplacian(u + v, *x.values())}, PAIR),
        "2 unknowns, u, v, but 1 equation, sum; return a dict of as many named equations as unknowns",
    ),
    "unknown that no equation takes": (
        lambda: Problem(square, lambda u, v, x, y: laplacian(u, x, y), PAIR),  # noqa: ARG005
        r"equation.*\bv\b|\bv\b.*equation",
    ),
    # --- conditions: what they are and where they lie
    "condition that is none": (
        lambda: with_walls(0.0),
        "'walls' is 0.0; give a Dirichlet, Neumann, Robin, Periodic, Integral or Condition",
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
    "periodic along no axis": (lambda: with_walls(Periodic("z")), "no axis 'z' to be periodic along; .* intervals: x, y"),
    "periodic twice": (
        lambda: Problem(strip, heat, START | {"ring": Periodic("x"), "loop": Periodic("x")}),
        "'ring' and 'loop' both make x periodic; drop one",
    ),
    "periodic with a value": (
        lambda: Problem(strip, heat, START | ENDS | {"ring": Periodic("x")}),
        "'ends' holds at x=0, which 'ring' joins to the opposite face; drop one .* off the faces across x",
    ),
    "periodic with a flux at the far face": (
        lambda: Problem(strip, heat, START | {"flux": Neumann(0.0, on=lambda x, t: x == 1), "ring": Periodic("x")}),  # noqa: ARG005
        "'flux' holds at x=1, which 'ring' joins",
    ),
    "periodic in time with a start": (
        lambda: Problem(strip, heat, ENDS | START | {"day": Periodic("t")}),
        "'start' holds at t=0",
    ),
    "ring with both ends held": (
        lambda: Problem(line, bar, {"ring": Periodic("x"), "ends": Dirichlet(0.0, on=line.boundary())}),
        "'ends' holds at x=0, which 'ring' joins",
    ),
    "ring whose equation takes the value, held at a point": (
        lambda: Problem(line, oscillator, {"ring": Periodic("x"), "end": Dirichlet(0.0, on=line.at(x=0))}),
        "'end' holds at x=0, which 'ring' joins",
    ),
    "predicate that holds nowhere": (
        lambda: with_walls(Dirichlet(0.0, on=lambda x, **_: x > 2)),
        "'walls' holds at no point of .*; check its predicate",
    ),
    "predicate by or": (
        lambda: with_walls(Dirichlet(0.0, on=lambda x, y: (x == 0) or (y == 0))),
        r"condition 'walls': the predicate raised RuntimeError: .*; combine comparisons by \| and &, as in",
    ),
    "predicate that returns nothing": (
        lambda: with_walls(Dirichlet(0.0, on=lambda **_: None)),
        "condition 'walls': the predicate returned None; return a comparison",
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
    "value of other axes": (
        lambda: with_walls(Dirichlet(lambda x: x, on=WALLS)),
        r"condition 'walls': the value takes \(x\), but is called with \(x, y\): the axes x, y by keyword",
    ),
    "predicate of other axes": (
        lambda: with_walls(Dirichlet(0.0, on=lambda x: x >= 0)),
        r"condition 'walls': the predicate takes \(x\), but is called with \(x, y\)",
    ),
    "condition that misses an unknown": (
        lambda: Problem(square, coupled, PAIR | {"sum": Condition(lambda u, x, y: u + x * y, on=WALLS)}),
        r"condition 'sum': the residual takes \(u, x, y\), but .* \(u, v, x, y\): the unknowns u, v first, then the axes x, y",
    ),
    "condition that is no function": (
        lambda: with_walls(Condition(0.0, on=WALLS)),
        r"condition 'walls': the residual is 0.0; give a function of \(u, x, y\)",
    ),
    "coefficient of other axes": (
        lambda: with_walls(Robin(lambda x: x, 1.0, 0.0, on=WALLS)),
        r"condition 'walls': the coefficient a takes \(x\)",
    ),
    "coefficient in words": (
        lambda: with_walls(Robin(1.0, "b", 0.0, on=WALLS)),
        "'walls': the coefficient b is 'b'; give a number",
    ),
    "value in words": (
        lambda: with_walls(Dirichlet("x", on=WALLS)),
        "condition 'walls': the value is 'x'; give a number, or a function of the coordinates",
    ),
    "value that is nothing": (lambda: with_walls(Dirichlet(lambda **_: None, on=WALLS)), "'walls': the value is None; give a"),
    "value of other points": (
        lambda: with_walls(Dirichlet(lambda **_: torch.ones(3, 1), on=WALLS)),
        r"condition 'walls': .*size of tensor",
    ),
    # --- functions that fail by themselves
    "residual by numpy": (
        lambda: with_residual(lambda u, x, y: laplacian(u, x, y) - np.sin(x)),
        r"the equation's residual raised RuntimeError: .*use torch.sin and the like",
    ),
    "residual with a mistake of type": (
        lambda: with_residual(lambda u, x, y: laplacian(u, x, y) + len(2)),
        "the equation's residual raised TypeError: object of type 'int' has no len",
    ),
    "residual with a misspelt name": (lambda: with_residual(lambda u, x, y: laplaciann(u, x, y)), "residual raised NameError"),  # noqa: F821
    "residual by a derivative of no coordinate": (
        lambda: with_residual(lambda u, x, y: diff(u, 2 * x) + y),
        "the equation's residual raised ValueError: argument 1 of the derivative is not a coordinate",
    ),
    "value by math": (
        lambda: with_walls(Dirichlet(lambda x, **_: math.sin(x), on=WALLS)),
        "condition 'walls': the value raised ValueError: .*use torch.sin and the like",
    ),
    "value with a mistake of type": (
        lambda: with_walls(Dirichlet(lambda x, **_: x + None, on=WALLS)),
        "condition 'walls': the value raised TypeError: unsupported operand",
    ),
    "value by if": (
        lambda: with_walls(Dirichlet(lambda x, **_: 1.0 if x > 0.5 else 0.0, on=WALLS)),
        "the value raised RuntimeError: .* choose by torch.where",
    ),
    "condition by numpy": (
        lambda: with_walls(Condition(lambda u, x, **_: u - np.sin(x), on=WALLS)),
        "condition 'walls': the residual raised RuntimeError: .*use torch.sin",
    ),
    "exact by numpy": (
        lambda: with_exact(lambda x, **_: np.sin(x)),
        "the exact solution raised RuntimeError: .*use torch.sin",
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
        r"nothing determines u at y=1: .*order 2 in y; add .* box.at\(y=1\), or Periodic\('y'\)$",
    ),
    "time by another name": (
        lambda: Problem(
            Box(x=(0, 1), tau=(0, 1)),
            lambda u, x, tau: diff(u, tau, tau) - diff(u, x, x),
            {
                "ends": Dirichlet(0.0, on=lambda x, tau: (x == 0) | (x == 1)),  # noqa: ARG005
                "start": Dirichlet(0.0, on=lambda x, tau: tau == 0),  # noqa: ARG005
                "rest": Condition(lambda u, x, tau: diff(u, tau), on=lambda x, tau: tau == 0),  # noqa: ARG005
            },
        ),
        r"nothing determines u at tau=1: .* or Periodic\('tau'\); if tau is time, name the axis t",
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
    "conflict on one face": (
        lambda: Problem(line, oscillator, {"cold": Dirichlet(0.0, on=line.boundary()), "hot": Dirichlet(1.0, on=line.at(x=0))}),
        "'cold' and 'hot' meet at x=0",
    ),
    "start that jumps on a ring": (
        lambda: Problem(strip, heat, {"ring": Periodic("x"), "start": Dirichlet(lambda x, **_: x, on=strip.at(t=0))}),
        "'start' and 'start' meet at x=0, t=0, joined by 'ring' to x=1, t=0, where one says 0 and the other 1; make",
    ),
    "start in two pieces that disagree around a ring": (
        lambda: Problem(
            strip,
            heat,
            {
                "right": Dirichlet(lambda x, **_: x - 0.5, on=strip.at(t=0).where(lambda x, **_: x >= 0.5)),
                "left": Dirichlet(0.0, on=lambda x, t: (t == 0) & (x < 0.5)),
                "ring": Periodic("x"),
            },
        ),
        "'left' and 'right' meet at x=0, t=0, joined by 'ring' to x=1, t=0, where one says 0 and the other 0.5",
    ),
    "walls that disagree around a ring": (
        lambda: Problem(
            square, poisson, {"ring": Periodic("x"), "walls": Dirichlet(lambda x, **_: x, on=square.boundary("y"))}
        ),
        r"'walls' and 'walls' meet at x=0, y=[01], joined by 'ring' to x=1",
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
        lambda: Problem(line, oscillator, {"ring": Periodic("x")}, sin),
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
    "exact of other axes": (
        lambda: with_exact(lambda x: x),
        r"the exact solution takes \(x\), but is called with \(x, y\): the axes x, y by keyword",
    ),
    "exact that is a number": (lambda: with_exact(0.0), r"the exact solution is 0.0; give a function of \(x, y\)"),
    "squeezed exact": (lambda: with_exact(lambda x, **_: x[:, 0]), r"exact.* shape \(64,\)"),
    "exact that returns nothing": (lambda: with_exact(lambda **_: None), "exact solution 'u' is None; give a number, or"),
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


def bar(u, x):
    return diff(u, x, x) + sin(2 * pi * x)


def diffusion(u, x, y, k=2.0):
    return k * laplacian(u, x, y) + 1


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
    "KdV on a ring": lambda: Problem(strip, kdv, START | {"ring": Periodic("x")}, lambda x, **_: 0 * x),
    "pressure without a condition": lambda: Problem(
        square,
        stokes,
        PAIR | {"u": Dirichlet(lambda y, **_: y * (1 - y), on=WALLS, of="u")},
        lambda x, y: {"u": y * (1 - y), "v": 0.0, "p": -2 * x},
    ),
    "exact solution in another order": lambda: Problem(
        square,
        stokes,
        PAIR | {"u": Dirichlet(lambda y, **_: y * (1 - y), on=WALLS, of="u")},
        lambda x, y: {"p": -2 * x, "v": np.float64(0), "u": y * (1 - y)},
    ),
    "more equations than unknowns": lambda: with_residual(
        lambda u, x, y: {"one": laplacian(u, x, y) + 1, "two": diff(u, x, y)},
    ),
    "coefficients by function": lambda: with_walls(Robin(lambda x, y: 1 + x * y, lambda **_: 0.5, 1, on=WALLS)),
    "residual with a default": lambda: with_residual(diffusion),
    "residual with a keyword default": lambda: with_residual(lambda u, x, y, *, k=2: k * laplacian(u, x, y)),
    "residual with a default before the axes": lambda: with_residual(lambda u, k=2, **x: k * laplacian(u, *x.values())),
    "partial residual": lambda: with_residual(partial(diffusion, k=3.0)),
    "residual of a partial in the middle": lambda: with_residual(partial(lambda u, k, x, y: k * laplacian(u, x, y), k=3.0)),
    "ring held at a point": lambda: Problem(
        line, bar, {"ring": Periodic("x"), "anchor": Dirichlet(0.0, on=line.at(x=0))}, lambda x: sin(2 * pi * x) / (4 * pi**2)
    ),
    "ring with a free-form condition": lambda: Problem(
        line, bar, {"ring": Periodic("x"), "anchor": Condition(lambda u, **_: u, on=line.at(x=1))}
    ),
    "start with a kink on a ring": lambda: Problem(
        strip, heat, {"ring": Periodic("x"), "start": Dirichlet(lambda x, **_: x * (1 - x), on=strip.at(t=0))}
    ),
    "periodic across, walls along": lambda: Problem(
        square,
        poisson,
        {"ring": Periodic("x"), "walls": Dirichlet(lambda x, **_: sin(2 * pi * x), on=lambda x, y: (y == 0) | (y == 1))},  # noqa: ARG005
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


CLAMPED = {"value": Dirichlet(0.0, on=WALLS), "slope": Neumann(0.0, on=WALLS)}


@pytest.mark.parametrize(
    ("problem", "order", "orders"),
    [
        (GOOD["clamped beam"], 4, {"u": {"x": 4}}),
        (GOOD["algebra"], 0, {"u": {"x": 0}}),
        (GOOD["KdV on a ring"], 3, {"u": {"x": 3, "t": 1}}),
        (GOOD["eikonal"], 1, {"u": {"x": 1, "y": 1}}),
        (GOOD["pressure without a condition"], 2, {"u": {"x": 2, "y": 2}, "v": {"x": 2, "y": 2}, "p": {"x": 1, "y": 1}}),
        (lambda: Problem(strip, lambda u, x, t: diff(u, t, x), ENDS | START), 2, {"u": {"x": 1, "t": 1}}),
        (lambda: Problem(square, lambda u, x, y: diff(u, x, x, y, y), CLAMPED), 4, {"u": {"x": 2, "y": 2}}),
        (lambda: Problem(square, lambda u, x, y: laplacian(laplace(u, x, y), x, y), CLAMPED), 4, {"u": {"x": 4, "y": 4}}),
        # conditions do not count
        (lambda: only(line, lambda u, x: diff(u, x), Condition(lambda u, x: diff(u, x, x) + u, on=LEFT)), 1, {"u": {"x": 1}}),
    ],
)
def test_orders_of_derivatives(problem, order, orders):
    """In all over every axis, and along one axis by unknown."""
    found = problem()
    assert found.order == order
    assert found.orders == orders


@pytest.mark.parametrize(
    ("problem", "free"),
    [
        (lambda: only(square, poisson, Neumann(-0.25, on=WALLS)), "u"),
        (lambda: only(line, bar, Periodic("x")), "u"),
        (GOOD["pressure without a condition"], "p"),
    ],
    ids=["Neumann everywhere", "ring", "pressure"],
)
def test_an_unknown_that_may_float_is_warned_of(problem, free):
    with pytest.warns(
        UserWarning, match=f"^{free} is determined only up to a constant.* prescribe the value somewhere"
    ) as found:
        problem()
    assert found[0].filename == __file__


@pytest.mark.parametrize(
    "case", ["Neumann on a side", "Neumann everywhere", "Robin everywhere", "ring held at a point", "algebra", "KdV on a ring"]
)
def test_an_unknown_whose_value_counts_is_not_warned_of(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GOOD[case]()


@pytest.mark.parametrize(
    ("case", "cause"), [("residual by numpy", "numpy"), ("value by math", "scalars"), ("predicate by or", "ambiguous")]
)
def test_errors_of_a_function_keep_their_cause(case, cause):
    with pytest.raises(ValueError, match="raised") as found:
        BROKEN[case][0]()
    assert cause in str(found.value.__cause__)


@pytest.mark.parametrize("length", [1e-3, 1.0, 1e3])
def test_periodic_conditions_know_the_order_of_their_equation(length):
    ring = Box(x=(0, length), t=(0, 1))
    problem = Problem(ring, kdv, {"ring": Periodic("x"), "start": Dirichlet(0.0, on=ring.at(t=0))})
    assert problem.conditions["ring"].order == 3
    assert problem.sizes["ring"] == 1.0


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
    assert GOOD["residual with a default before the axes"]().unknowns == ("u",)
    assert GOOD["residual of a partial in the middle"]().unknowns == ("u",)
    named = Problem(line, lambda density, /, x: diff(density, x), {"value": Dirichlet(0.0, on=LEFT, of="density")})
    assert named.unknowns == ("density",)


@pytest.mark.parametrize("case", ["pressure without a condition", "exact solution in another order"])
def test_equations_and_exact_solutions_come_by_name(case):
    problem = GOOD[case]()
    x = {name: torch.rand(5, 1, dtype=torch.float64).requires_grad_() for name in ("x", "y")}
    unknowns = problem.exact_columns(x)
    assert tuple(unknowns) == ("u", "v", "p")
    assert {column.shape for column in unknowns.values()} == {(5, 1)}
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
