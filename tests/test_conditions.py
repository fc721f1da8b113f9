"""Conditions: their rows on faces are closed forms for known functions."""

from dataclasses import replace
from math import pi

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import cos, exp, sin

from kanpde import Box, Condition, Dirichlet, Neumann, Periodic, Robin, diff
from kanpde.functions import columns

plate = Box(x=(0, 2), y=(-1, 1.5))
rod = Box(x=(-1, 1), t=(0, 3))
FACES = {"x=0": plate.at(x=0), "x=2": plate.at(x=2), "y=-1": plate.at(y=-1), "y=1.5": plate.at(y=1.5)}
examples = settings(max_examples=20, deadline=None)


class Known:
    """Known functions where a network would be: `Known(box, u=…, v=…)`."""

    def __init__(self, box: Box, **functions) -> None:
        self.box, self.functions = box, functions

    def __call__(self, points):
        x = columns(points, self.box.names)
        return {name: function(**x) for name, function in self.functions.items()}, x


def u(x, y):
    return sin(x) * exp(2 * y)


def v(x, y):
    return x * y**2 - 3


SLOPES = {"x": lambda x, y: cos(x) * exp(2 * y), "y": lambda x, y: 2 * u(x, y)}  # ∇u
both = Known(plate, u=u, v=v)


@pytest.fixture(params=FACES, name="face")
def _face(request):
    return FACES[request.param]


def sampled(part, count=40):
    """Points, normals, and the coordinates there."""
    unit = torch.rand(count, part.dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points, normals = part.sample(unit)
    return points, normals, columns(points, part.domain.names)


def rows(condition, evaluate=both):
    points, normals, _ = sampled(condition.on)
    return condition.rows(evaluate, points, normals)


def outward(face):
    """∂u/∂n in closed form: −∂u/∂x at the low end of x, +∂u/∂x at its high end."""
    ((axis, side),) = face.faces
    return lambda x, y: (1 if side else -1) * SLOPES[axis](x, y)


def close(one, other):
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-13, atol=1e-13)


def test_dirichlet_rows_are_value_less_prescribed(face):
    *_, x = sampled(face)
    assert not rows(Dirichlet(u, on=face)).any()
    assert close(rows(Dirichlet(lambda x, y: u(x, y) - 3 * y, on=face)), 3 * x["y"])
    assert close(rows(Dirichlet(0.75, on=face)), u(**x) - 0.75)


def test_neumann_rows_take_the_outward_normal(face):
    *_, x = sampled(face)
    assert close(rows(Neumann(outward(face), on=face)), torch.zeros_like(x["x"]))
    assert close(rows(Neumann(-2.0, on=face)), outward(face)(**x) + 2)


@given(a=st.floats(-5, 5), b=st.floats(-5, 5), value=st.floats(-5, 5))
@examples
def test_robin_is_a_sum_of_dirichlet_and_neumann(a, b, value):
    for face in FACES.values():
        expected = a * rows(Dirichlet(0.0, on=face)) + b * rows(Neumann(0.0, on=face)) - value
        assert close(rows(Robin(a, b, value, on=face)), expected)


def test_robin_rows_vanish_for_its_value(face):
    slope = outward(face)
    assert close(rows(Robin(2.0, -3.0, lambda x, y: 2 * u(x, y) - 3 * slope(x, y), on=face)), torch.zeros(40, 1).double())


def test_robin_coefficients_are_numbers_or_functions(face):
    *_, x = sampled(face)
    varying = Robin(lambda x, y: 1 + x * y, lambda **_: -3, lambda x, **_: x, on=face)
    expected = (1 + x["x"] * x["y"]) * u(**x) - 3 * outward(face)(**x) - x["x"]
    assert close(rows(varying), expected)


def test_each_point_of_the_boundary_has_the_normal_of_its_face():
    _, normals, x = sampled(plate.boundary(), 200)
    slope = sum(normals[:, [i]] * SLOPES[axis](**x) for i, axis in enumerate(plate.names))
    points, normals, _ = sampled(plate.boundary(), 200)
    assert close(Neumann(0.0, on=plate.boundary()).rows(both, points, normals), slope)


def test_conditions_of_a_part_of_a_face():
    part = plate.at(x=2).where(lambda y, **_: y > 0)
    *_, x = sampled(part)
    assert (x["y"] > 0).all()
    assert close(rows(Neumann(0.0, on=part)), cos(x["x"]) * exp(2 * x["y"]))


@pytest.mark.parametrize("kind", [Dirichlet, Neumann, lambda value, on, of: Robin(1.0, 2.0, value, on, of)])
def test_conditions_are_of_the_unknown_that_they_name(kind, face):
    alone = Known(plate, v=v)
    assert torch.equal(rows(kind(1.0, on=face, of="v")), rows(kind(1.0, on=face, of=None), alone))
    assert not torch.equal(rows(kind(1.0, on=face, of="v")), rows(kind(1.0, on=face, of="u")))


@pytest.mark.parametrize(
    "value",
    [2, 2.0, np.float32(2), lambda **_: 2, lambda **_: np.float64(2), lambda x, **_: 2 + 0 * x, lambda **_: torch.tensor(2.0)],
    ids=["int", "float", "numpy", "to int", "to numpy", "to column", "to scalar"],
)
@pytest.mark.parametrize("kind", [Dirichlet, Neumann, lambda value, on: Robin(0.5, 0.5, value, on)])
def test_values_are_numbers_or_functions(kind, value):
    face = plate.at(y=-1)
    assert close(rows(kind(value, on=face)), rows(kind(0.0, on=face)) - 2)


def test_any_residual_is_a_condition(face):
    """The unknowns come by position, in their order, the coordinates by name."""
    *_, x = sampled(face)
    mixed = Condition(lambda first, second, /, y, x: first * second - diff(first, x, y) + y, on=face)
    expected = u(**x) * v(**x) - 2 * cos(x["x"]) * exp(2 * x["y"]) + x["y"]
    assert close(rows(mixed), expected)


def test_an_initial_velocity_is_a_condition_at_the_first_time():
    wave = Known(rod, u=lambda x, t: sin(x - 2 * t))
    start = rod.at(t=0)
    assert close(rows(Condition(lambda u, t, **_: diff(u, t), on=start), wave), -2 * cos(sampled(start)[2]["x"]))
    # the outward normal at the first time points into the past
    assert close(rows(Neumann(lambda x, **_: 2 * cos(x), on=start), wave), torch.zeros(40, 1).double())


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_periodic_rows_vanish_for_periodic_functions(order):
    evaluate = Known(rod, u=lambda x, t: sin(pi * x + t) + cos(2 * pi * x) * t, v=lambda x, t: exp(sin(pi * x) - t))
    points, normals, _ = sampled(rod.at(x=-1))
    found = Periodic("x").of_order(order).rows(evaluate, points, normals)
    assert found.shape == (40, 2 * order)
    assert found.abs().max() < 1e-14 * 150**order


def test_periodic_rows_are_jumps_of_derivatives():
    """x³ y on (0, 2): u, u_x, u_xx jump by 8y, 12y, 12y; x y² by 2y², 0, 0: unknown by unknown, relative to (π/2)ᵏ."""
    evaluate = Known(plate, u=lambda x, y: x**3 * y, v=lambda x, y: x * y**2)
    points, normals, x = sampled(plate.at(x=0))
    jumps = torch.tensor([8.0, 12.0 / (pi / 2), 12.0 / (pi / 2) ** 2], dtype=torch.float64) * x["y"]
    other = torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64) * x["y"] ** 2
    assert close(Periodic("x").of_order(3).rows(evaluate, points, normals), -torch.cat([jumps, other], 1))


def test_periodic_compares_points_opposite_along_its_axis():
    evaluate = Known(plate, u=lambda x, y: (1 + x**2) * y)
    points, normals, x = sampled(plate.at(y=-1))
    jumps = torch.cat([-2.5 * (1 + x["x"] ** 2), 0 * x["x"]], 1)
    assert close(Periodic("y").of_order(2).rows(evaluate, points, normals), jumps)


@pytest.mark.parametrize("length", [1e-3, 1.0, 1e3])
def test_periodic_rows_do_not_depend_on_the_unit_of_length(length):
    """exp(x / L) has the jumps e - 1, over powers of π, whatever the length L."""
    ring = Box(x=(0, length))
    evaluate = Known(ring, u=lambda x: exp(x / length))
    points, normals, _ = sampled(ring.at(x=0), 5)
    expected = torch.tensor([[(1 - np.e) / pi**k for k in range(4)]], dtype=torch.float64)
    assert close(Periodic("x").of_order(4).rows(evaluate, points, normals), expected.expand(5, 4))


def test_the_order_of_a_periodic_condition_is_its_problems_affair():
    assert repr(Periodic("x")) == repr(Periodic(axis="x"))
    assert Periodic("x").of_order(3) != Periodic("x")
    with pytest.raises(TypeError):
        Periodic("x", order=3)
    with pytest.raises((TypeError, ValueError)):
        replace(Periodic("x"), order=3)


@pytest.mark.parametrize("value", ["x", None, (1, 2), lambda **_: "x", lambda **_: np.ones(40)])
@pytest.mark.parametrize("kind", [Dirichlet, Neumann, lambda value, on: Robin(1.0, 1.0, value, on)])
def test_values_that_are_no_numbers_are_refused(kind, value):
    with pytest.raises(TypeError, match=r"(?s)the value is .{1,40}; give a number, or a function of the coordinates that"):
        rows(kind(value, on=plate.at(x=0)))


@pytest.mark.parametrize("name", ["a", "b"])
def test_robin_coefficients_that_are_no_numbers_are_refused(name):
    condition = Robin(**{"a": 1.0, "b": 1.0, "value": 0.0, "on": plate.at(x=0)} | {name: "k"})
    with pytest.raises(TypeError, match=f"the coefficient {name} is 'k'; give a number, or a function"):
        rows(condition)
