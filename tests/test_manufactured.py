"""Manufactured problems: zero residual, the conditions that the order asks for, solved to rounding."""

from functools import partial
from math import pi

import pytest
import torch
from torch import cos, exp, sin

from kanpde import Adaptive, Box, Problem, diff, div, grad, laplacian, manufactured, solve
from kanpde.functions import columns

square = Box(x=(0, 1), y=(0, 2))
strip = Box(x=(0, 1), t=(0, 1))
line = Box(x=(0, 1))
day = Box(t=(0, 2))


def wave(x, t):
    return exp(x) * sin(2 * t)


def plane(x, y):
    return exp(x) * cos(y)


def flow(x, y):
    return {"p": x * y, "u": sin(pi * x) * cos(pi * y), "v": -cos(pi * x) * sin(pi * y)}


def stokes(u, v, p, x, y):
    return {
        "momentum_x": diff(p, x) - laplacian(u, x, y),
        "momentum_y": diff(p, y) - laplacian(v, x, y),
        "continuity": div((u, v), x, y),
    }


CASES = {
    "Poisson": (plane, lambda u, x, y: laplacian(u, x, y), square, {"walls"}),
    "any dimension": (plane, lambda u, **x: laplacian(u, *x.values()), square, {"walls"}),
    "nonlinear, variable": (plane, lambda u, x, y: div([(1 + u**2) * s for s in grad(u, x, y)], x, y), square, {"walls"}),
    "heat": (wave, lambda u, x, t: diff(u, t) - diff(u, x, x), strip, {"walls", "start"}),
    "wave": (wave, lambda u, x, t: diff(u, t, t) - diff(u, x, x), strip, {"walls", "start", "velocity"}),
    "third order in x": (wave, lambda u, x, t: diff(u, t) + diff(u, x, x, x), strip, {"walls", "derivative 1 by x", "start"}),
    "beam": (lambda x: exp(x), lambda u, x: diff(u, x, x, x, x), line, {"walls", "derivative 1 by x"}),
    "rate": (lambda t: cos(t), lambda u, t: diff(u, t) + u**2, day, {"start"}),
    "third order in t": (lambda t: cos(t), lambda u, t: diff(u, t, t, t), day, {"start", "velocity", "derivative 2 by t"}),
    "system": (flow, stokes, square, {"walls of u", "walls of v", "walls of p"}),
    "system in time": (
        lambda x, t: {"u": wave(x, t), "v": 1.0},
        lambda u, v, x, t: {"one": diff(u, t) - diff(u, x, x) + v, "two": diff(v, t) + u * v},
        strip,
        {"walls of u", "start of u", "start of v"},
    ),
    "parameter": (
        lambda x, k: sin(k * x), lambda u, x, k: diff(u, x, x) + k * u, Box(x=(0, 1), k=(1, 2)), {"walls"},
    ),
}  # fmt: skip


@pytest.fixture(params=CASES, name="case")
def _case(request):
    return CASES[request.param]


def test_the_exact_solution_leaves_no_residual(case):
    exact, operator, domain, conditions = case
    problem = manufactured(exact, operator, domain)
    assert isinstance(problem, Problem)
    assert set(problem.conditions) == conditions
    x = columns(domain.points(torch.rand(200, domain.dimension, dtype=torch.float64)), domain.names)
    for residual in problem.equations(problem.exact_columns(x), x).values():
        assert residual.abs().max() < 1e-10


def test_solved_to_rounding(case):
    exact, operator, domain, _ = case
    problem = manufactured(exact, operator, domain)
    assert solve(problem, refine=Adaptive(grid=8, rank=16), tol=5e-10).errors.relative_l2 < 1e-9


def test_operators_may_be_partial():
    problem = manufactured(plane, partial(lambda u, x, y, k: k * laplacian(u, x, y), k=2.0), square)
    assert problem.unknowns == ("u",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((plane, lambda u, x, y: laplacian(u, x, y), (0, 1)), r"domain is \(0, 1\); give manufactured\(exact"),
        ((plane, lambda u, x: diff(u, x), square), r"takes \(u, x\), but the axes of"),
        ((plane, "laplacian", square), "residual is 'laplacian', but must be a function"),
        ((plane, lambda u, **_: None, square), "the operator returned NoneType; return a column"),  # noqa: ARG005
        ((plane, lambda u, x, y: u.x, square), "the operator raised AttributeError"),  # noqa: ARG005
        ((plane, stokes, square), "the exact solution gives u, but the unknowns are u, v, p; return a dict"),
        ((lambda x: x, lambda u, x, y: laplacian(u, x, y), square), r"the exact solution takes \(x\), but is called with"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_the_remedy(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        manufactured(*arguments)
