"""Problems: what is wrong is refused at the door, with the remedy; what is right is let in, and read correctly."""

import warnings
from functools import partial
from math import pi, prod, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import exp, log, sin

from kanpde import Box, Condition, Dirichlet, Neumann, Periodic, Problem, Robin, diff, div, grad, laplacian, manufactured
from tests.equations import (
    ENDS,
    PAIR,
    START,
    WALLS,
    advection,
    bar,
    beam,
    coupled,
    gaussian,
    harmonic,
    heat,
    laplace,
    line,
    only,
    oscillator,
    poisson,
    split,
    square,
    strip,
    with_residual,
    with_walls,
)

pytestmark = [  # told, and meant
    pytest.mark.filterwarnings("ignore:p is determined only up to a constant"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True to a scalar"),
]

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
        (lambda: Problem(square, poisson, {"walls": Neumann(-0.25, on=WALLS)}), "u"),
        (lambda: Problem(line, bar, {"ring": Periodic("x")}), "u"),
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


@pytest.mark.parametrize(
    "exact",
    [
        lambda x: torch.from_numpy(np.cosh(x.detach().numpy())),
        lambda x: torch.special.bessel_j0(3 * x),  # whose derivative torch does not know
        lambda x: sin(3 * x).detach() * x,
    ],
)
def test_exact_solutions_that_autograd_does_not_follow_are_refused(exact):
    """Their slopes would be zero, and any made of them would satisfy their equations."""
    with pytest.raises(ValueError, match=r"but autograd finds .* write it with torch functions that autograd follows"):
        manufactured(exact, lambda u, x: diff(u, x, x) - u, line)


@pytest.mark.parametrize(
    "exact",
    [
        lambda x: (x - 0.3).abs() + 1000,
        lambda x: torch.where(x < 0.3, 1.0, 2.0).double(),
        lambda x: torch.tanh((x - 0.5) / 1e-3),
        lambda x: sin(1000 * x),
        lambda x: x.sqrt(),
        lambda x: 5 + 0 * x,
    ],
)
def test_exact_solutions_may_be_kinked_steep_or_constant(exact):
    manufactured(exact, lambda u, x: diff(u, x) - u, line)
