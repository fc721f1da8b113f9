"""Broken problems: each is refused before any work by one message of its own, which says what was given and what to do."""

import math
import re
from math import nan

import numpy as np
import pytest
import torch
from torch import cos, log, sin, where

from kanpde import (
    KAN,
    Ball,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Integral,
    Neumann,
    Observations,
    Parameter,
    Periodic,
    Problem,
    Product,
    Robin,
    diff,
    laplacian,
    solve,
)
from tests.equations import (
    ENDS,
    PAIR,
    START,
    WALLS,
    advection,
    bar,
    beam,
    coupled,
    harmonic,
    heat,
    laplace,
    line,
    only,
    oscillator,
    poisson,
    square,
    strip,
    wave,
    with_exact,
    with_residual,
    with_walls,
)

pytestmark = [  # told, and meant
    pytest.mark.filterwarnings("ignore:p is determined only up to a constant"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True to a scalar"),
]

disk = Disk(x=0, y=0)
ball = Ball(x=0, y=0, z=0)
CLAMPED = {"value": Dirichlet(0.0, on=line.boundary()), "slope": Neumann(0.0, on=line.boundary())}


def with_more(condition, residual=poisson):
    """The walls at zero, and one more condition."""
    return Problem(square, residual, {"walls": Dirichlet(0.0, on=WALLS), "more": condition})


def of_u(u, **_):
    return u


def cut_ball():
    domain = ball - Ball(x=1, y=0, z=0)
    conditions = {"walls": Dirichlet(0.0, on=domain.boundary()), "mean": Integral(of_u)}
    return Problem(domain, lambda u, x, y, z: laplacian(u, x, y, z), conditions)


BROKEN = {  # what was given, what to do
    "a wall without a condition": (
        lambda: with_walls(Dirichlet(0.0, on=square.boundary("x"))),
        "nothing determines u at y=0: the equation has derivatives of order 2 in y",
        r"add a Dirichlet, Neumann or Robin condition on box.at\(y=0\), or Periodic\('y'\)",
    ),
    "half of a rim without a condition": (
        lambda: only(disk, laplace, Dirichlet(0.0, on=disk.boundary().where(lambda x, **_: x > 0))),
        r"needs 1 condition all along the rim of Disk\(x=0, y=0, radius=1\), but 0 found at x=-",
        r"add a Dirichlet, Neumann or Robin condition on=domain.boundary\(\), or on the part of it that is bare",
    ),
    "no initial value": (
        lambda: Problem(strip, heat, ENDS),
        "derivative of order 1 of u by t, so it needs an initial value, but 0 found",
        r"add Dirichlet\(…, on=box.at\(t=0\)\)$",
    ),
    "no initial velocity": (
        lambda: Problem(strip, wave, ENDS | START),
        r"needs 2 initial conditions \(value, velocity, …\), but 1 found",
        r"add .* Condition\(lambda …: diff\(u, t\), on=box.at\(t=0\)\)",
    ),
    "splines of too low a degree": (
        lambda: solve(Problem(line, beam, CLAMPED), KAN([1, 1], degree=3)),
        "takes derivatives of order 4, but splines of degree 3 have only 2 continuous ones",
        "use degree=7 or more",
    ),
    "network of other axes": (
        lambda: solve(with_walls(Dirichlet(0.0, on=WALLS)), KAN([3, Product(1)], degree=5)),
        "has 3 inputs, but Box.* has 2 axes",
        r"give KAN\(\[2, …\]\)",
    ),
    "exact solution of another equation": (
        lambda: with_walls(Dirichlet(harmonic, on=WALLS), harmonic),
        "does not satisfy equation 'equation': the residual reaches 1",
        "correct the sign or factor in one of them, or leave `exact` out",
    ),
    "exact solution of other values": (
        lambda: only(square, laplace, Dirichlet(0.5, on=WALLS), harmonic),
        "does not satisfy condition 'walls': the residual reaches",
        "correct the sign or factor in one of them, or leave `exact` out",
    ),
    "residual of other axes": (
        lambda: Problem(strip, poisson, ENDS),
        r"takes \(u, x, y\), but the axes of Box.* are x, t",
        r"write def residual\(u, x, t\), unknowns first",
    ),
    "face that does not exist": (
        lambda: with_walls(Dirichlet(0.0, on=square.at(x=2))),
        r"Box\(.*\) has no face x=2",
        "its faces across x are at 0 and 1",
    ),
    "face of another domain": (
        lambda: with_walls(Dirichlet(0.0, on=Box(x=(0, 2), y=(0, 1)).boundary())),
        "'walls' lies on .* of Box.*, but the domain is Box",
        "take the part from that domain, or from one that it is made of",
    ),
    "flat face of a disk": (
        lambda: only(disk, laplace, Dirichlet(0.0, on=disk.at(x=1))),
        "has no flat faces across x",
        r"use boundary\(\), or boundary\(\).where\(…\) for a part of it",
    ),
    "squeezed residual": (
        lambda: with_residual(lambda u, x, y: laplacian(u, x, y).squeeze()),
        r"'equation' returned shape \(64,\) for 64 points; it must be \(64, 1\)",
        "combine columns of that shape only, without squeeze or indexing",
    ),
    "infinite residual": (
        lambda: with_residual(lambda u, x, y: laplacian(u, x, y) + log(x - 1)),
        "'equation' is not finite everywhere",
        "check divisions, roots and logarithms in it",
    ),
    "infinite value": (
        lambda: with_walls(Dirichlet(lambda x, **_: 1 / (x - x), on=WALLS)),
        "condition 'walls' is not finite everywhere",
        "check divisions, roots and logarithms in it",
    ),
    "numpy in a residual": (
        lambda: with_residual(lambda u, x, y: laplacian(u, x, y) - np.sin(x)),
        "the equation's residual raised RuntimeError",
        "use torch.sin and the like instead of numpy's",
    ),
    "predicate that never holds": (
        lambda: with_walls(Dirichlet(0.0, on=lambda x, **_: x > 2)),
        "'walls' holds at no point of .* where the predicate holds",
        "check its predicate, which is asked on the boundary alone",
    ),
    "empty intersection": (
        lambda: only(square & Disk(x=5, y=0), laplace, Dirichlet(0.0, on=WALLS)),
        r"\(Box.* & Disk.*\) is empty",
        "check where Box.* and Disk.* lie",
    ),
    "condition that does not say of which unknown": (
        lambda: only(square, coupled, Neumann(0.0, on=WALLS)),
        "'walls' does not say of which unknown",
        r"add of= one of \('u', 'v'\)",
    ),
    "condition of a stranger": (
        lambda: Problem(square, coupled, PAIR | {"w": Dirichlet(0.0, on=WALLS, of="w")}),
        "'w' is of 'w'; the unknowns are u, v",
        "give one of them as of=, or drop it",
    ),
    "fewer equations than unknowns": (
        lambda: Problem(square, lambda u, v, **x: {"sum": laplacian(u + v, *x.values())}, PAIR),
        "2 unknowns, u, v, but 1 equation, sum",
        "return a dict of as many named equations as unknowns",
    ),
    "parameter that nobody takes": (
        lambda: Problem(square, poisson, {}, parameters={"alpha": Parameter(1.0)}),
        "parameter 'alpha' is taken by no function",
        r"name it in the residual's signature, as in def residual\(u, x, y, alpha\), or in that of a condition's function",
    ),
    "parameter without observations": (
        lambda: Problem(square, lambda u, x, y, k: k * laplacian(u, x, y) + 1, {}, parameters={"k": Parameter(1.0)}),
        "0 observations cannot determine 1 parameters, k",
        r"give observations=\[Observations\(points, values\)\], .* or fix the parameters",
    ),
    "observations outside": (
        lambda: Problem(
            square,
            lambda u, x, y, k: k * laplacian(u, x, y) + 1,
            {"walls": Dirichlet(0.0, on=WALLS)},
            parameters={"k": Parameter(1.0)},
            observations=[Observations({"x": [0.5, 3.0], "y": [0.5, 0.5]}, [1.0, 1.0])],
        ),
        "1 of 2 points lie outside of Box.*, the first at x=3, y=0.5",
        "leave them out, or enlarge the domain",
    ),
    "start that jumps on a ring": (
        lambda: Problem(strip, heat, {"ring": Periodic("x"), "start": Dirichlet(lambda x, **_: x, on=strip.at(t=0))}),
        "meet at x=0, t=0, joined by 'ring' to x=1, t=0, where one says 0 and the other 1",
        "make the values agree there",
    ),
    "value on a seam": (
        lambda: Problem(strip, heat, START | ENDS | {"ring": Periodic("x")}),
        "'ends' holds at x=0, which 'ring' joins to the opposite face",
        "drop one of the conditions, or keep 'ends' off the faces across x",
    ),
    "seam of a disk": (
        lambda: only(disk, laplace, Periodic("x")),
        "has no axis 'x' to be periodic along",
        "its axes that are intervals: none",
    ),
    "two values on one wall": (
        lambda: with_more(Dirichlet(1.0, on=square.at(y=1))),
        "'walls' and 'more' meet at x=.*, y=1, where one says 0 and the other 1",
        "make the values agree there",
    ),
    "point outside": (
        lambda: with_more(Dirichlet(0.0, on=square.point(x=2, y=0))),
        r"the point x=2, y=0 lies outside of Box\(.*\)",
        "move it inside or onto the boundary",
    ),
    "point without a coordinate": (
        lambda: with_more(Dirichlet(0.0, on=square.point(x=0.5))),
        r"point\(x=0.5\) leaves out y",
        r"give a value on each axis of Box.*, or y=\.\.\. for all of its values",
    ),
    "slope across a point": (
        lambda: with_more(Neumann(0.0, on=square.point(x=0.5, y=0.5))),
        "'more' takes the normal of the point x=0.5, y=0.5 of Box.*, which has none",
        r"give the derivative itself, as in Condition\(lambda …: diff\(u, x\), on=…\)",
    ),
    "integral over a part of a face": (
        lambda: with_more(Integral(of_u, on=square.at(x=0).where(lambda y, **_: y > 0.5))),
        "'more': the integral lies on x=0 of Box.* where the predicate holds",
        r"it takes whole faces, as in on=box.at\(…\): make the integrand zero, by torch.where, on what is to be left out",
    ),
    "integral over half of a factor": (
        lambda: Problem(
            disk * Box(z=(0, 1)), lambda u, x, y, z: laplacian(u, x, y, z), {"sum": Integral(of_u, over=("x", "z"))}
        ),
        r"over=\('x', 'z'\) takes apart Disk",
        "give all of x, y, or none",
    ),
    "integral over a ball with a bite": (
        cut_ball,
        r"condition 'mean': integrals over .* are not known",
        "they are on boxes, disks, ellipses, balls, polygons, unions, intersections and differences in the plane, and products",
    ),
}


def message_of(build):
    with pytest.raises((TypeError, ValueError)) as found:
        build()
    return str(found.value)


@pytest.mark.parametrize("case", BROKEN)
def test_broken_problems_are_refused_with_the_remedy(case):
    build, given, remedy = BROKEN[case]
    message = message_of(build)
    assert "\n" not in message
    assert re.search(f"{given}.*[;:,].*{remedy}", message), message


def test_every_message_is_of_its_own():
    messages = {case: message_of(build) for case, (build, *_) in BROKEN.items()}
    assert len(messages) >= 15
    assert len(set(messages.values())) == len(messages)


# --- variants of the same mistakes, and others ------------------------------------------------------------------------


def patch(y, **_):
    """NaN slopes where the value is finite: the trap of `where`."""
    return where(y > 0.5, (y - 0.5).sqrt(), 0 * y)


VARIANTS = {
    # --- the domain and the signature of the residual
    "domain that is no box": (lambda: Problem((0, 1), poisson, {}), r"domain is \(0, 1\); give a domain, such as Box\(x="),
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
    "residual by outer product": (
        lambda: with_residual(lambda u, x, y: diff(u, x) + y[:, 0]),
        r"shape \(64, 64\) for 64 points",
    ),
    "named equation of a wrong shape": (
        lambda: Problem(square, lambda u, v, **x: coupled(u, v, **x) | {"third": u.sum()}, PAIR),
        r"equation 'third' returned shape \(\) for 64 points",
    ),
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
    "unknown that no equation takes": (
        lambda: Problem(square, lambda u, v, x, y: laplacian(u, x, y), PAIR),  # noqa: ARG005
        r"equation.*\bv\b|\bv\b.*equation",
    ),
    # --- conditions: what they are and where they lie
    "condition that is none": (
        lambda: with_walls(0.0),
        "'walls' is 0.0; give a Dirichlet, Neumann, Robin, Periodic, Interface, Integral or Condition",
    ),
    "conditions in a list": (lambda: Problem(square, poisson, [Dirichlet(0.0, on=WALLS)]), "conditions .*dict"),
    "one condition without a name": (lambda: Problem(square, poisson, Dirichlet(0.0, on=WALLS)), "conditions .*dict"),
    "condition named as an equation": (
        lambda: Problem(square, poisson, {"equation": Dirichlet(0.0, on=WALLS)}),
        r"'equation'.*name",
    ),
    "condition nowhere": (lambda: with_walls(Dirichlet(0.0, on=None)), "lies on None; give a face, box.boundary"),
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
    "final instead of initial value": (
        lambda: Problem(strip, heat, ENDS | {"end": Dirichlet(0.0, on=strip.at(t=2))}),
        "needs an initial value, but 0 found",
    ),
    # --- values that disagree
    "conflict on one face": (
        lambda: Problem(line, oscillator, {"cold": Dirichlet(0.0, on=line.boundary()), "hot": Dirichlet(1.0, on=line.at(x=0))}),
        "'cold' and 'hot' meet at x=0",
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


@pytest.mark.parametrize("case", VARIANTS)
def test_variants_are_refused_too(case):
    build, message = VARIANTS[case]
    with pytest.raises((TypeError, ValueError), match=message):
        build()


@pytest.mark.parametrize(
    ("case", "cause"), [("residual by numpy", "numpy"), ("value by math", "scalars"), ("predicate by or", "ambiguous")]
)
def test_errors_of_a_function_keep_their_cause(case, cause):
    with pytest.raises(ValueError, match="raised") as found:
        VARIANTS[case][0]()
    assert cause in str(found.value.__cause__)
