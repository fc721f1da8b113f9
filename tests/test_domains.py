"""Boxes and their faces: Gauss' theorem, outward normals, fair shares of points, named parts."""

from itertools import product
from math import inf, nan, pi
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanpde import Box, GaussLegendre, Sobol, div
from kanpde.domains import Part
from kanpde.functions import called, columns

NAMES = ("x", "y", "z", "t")
intervals = st.tuples(st.floats(-5, 5), st.floats(0.1, 5)).map(lambda pair: (pair[0], pair[0] + pair[1]))
boxes = st.lists(intervals, min_size=1, max_size=4).map(lambda list_: Box(**dict(zip(NAMES, list_, strict=False))))
examples = settings(max_examples=25, deadline=None)

square = Box(x=(0, 1), y=(0, 1))
slab = Box(x=(-1, 2), y=(0, 5), t=(0, 0.5))


def faces(box: Box) -> list[Part]:
    return [box.at(**{name: end}) for name in box.names for end in box.axes[name]]


def unit(count: int, dimension: int) -> torch.Tensor:
    return torch.rand(count, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def gauss(number: int, dimension: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tensor-product nodes on the unit cube and their weights, whose sum is one."""
    axis = torch.from_numpy(np.polynomial.legendre.leggauss(number)[1] / 2)
    weights = torch.cartesian_prod(*[axis] * dimension).reshape(-1, dimension).prod(1, keepdim=True)
    return GaussLegendre().unit(number**dimension, dimension, 0), weights


def area(face: Part) -> float:
    ((name, _),) = face.faces
    low, high = face.domain.axes[name]
    return face.domain.measure / (high - low)


# --- boxes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        ({}, ValueError, r"at least one axis, as in Box\(x="),
        ({"x": (1, 0)}, ValueError, "axis x runs from 1 to 0; it needs finite low < high"),
        ({"x": (0, 1), "y": (2, 2)}, ValueError, "axis y runs from 2 to 2"),
        ({"x": (0, inf)}, ValueError, "axis x runs from 0 to inf"),
        ({"t": (nan, 1)}, ValueError, "axis t runs from nan to 1"),
        ({"x": 1}, TypeError, r"axis x is 1; give its interval as x=\(low, high\)"),
        ({"x": (0, 1, 2)}, TypeError, r"axis x is \(0, 1, 2\)"),
        ({"y": (0, None)}, TypeError, r"axis y is \(0, None\)"),
        ({"y": "left"}, TypeError, "axis y is 'left'"),
    ],
)
def test_impossible_boxes_are_refused(axes, error, message):
    with pytest.raises(error, match=message):
        Box(**axes)


@given(box=boxes)
@examples
def test_the_unit_cube_fills_the_box(box):
    ends = torch.tensor(list(product((0.0, 1.0), repeat=box.dimension)), dtype=torch.float64)
    corners = torch.tensor(list(product(*box.axes.values())), dtype=torch.float64)
    assert torch.allclose(box.points(ends), corners, rtol=1e-15, atol=1e-14)
    points = box.points(unit(100, box.dimension))
    assert ((box.low <= points) & (points <= box.high)).all()
    assert torch.allclose(box.points(torch.full_like(points, 0.5)), (box.low + box.high) / 2)
    assert box.measure == pytest.approx((box.high - box.low).prod().item(), rel=1e-14)


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_grids_are_all_points_with_ends_last_axis_fastest(dimension):
    box = Box(**{name: (k, 2 * k + 1) for k, name in enumerate(NAMES[:dimension])})
    counts = {name: k + 2 for k, name in enumerate(box.names)}
    axes = [np.linspace(*box.axes[name], counts[name]) for name in box.names]
    assert np.allclose(box.grid(counts), list(product(*axes)), atol=1e-15)
    assert torch.equal(box.grid(3), box.grid(dict.fromkeys(box.names, 3)))
    assert torch.equal(box.grid(2)[[0, -1]], torch.stack([box.low, box.high]))


def test_boxes_are_values():
    """Equal if axes are equal, in name, interval and order, which is that of the columns."""
    assert Box(x=(0, 1), y=(0, 2)) == Box(x=(0.0, 1.0), y=(0.0, 2.0))
    assert square != Box(y=(0, 1), x=(0, 1))
    assert len({square, Box(x=(0, 1), y=(0, 1)), Box(y=(0, 1), x=(0, 1)), Box(x=(0, 1)), Box(x=(0, 2))}) == 4
    assert square != {"x": (0, 1), "y": (0, 1)}
    assert eval(repr(slab)) == slab


def test_columns_are_fresh_leaves_by_name():
    points = slab.points(unit(10, 3)).requires_grad_()
    x = columns(points, slab.names)
    assert tuple(x) == ("x", "y", "t")
    assert torch.equal(torch.cat(list(x.values()), 1), points)
    assert all(column.is_leaf and column.requires_grad for column in x.values())


# --- Gauss' theorem ---------------------------------------------------------------------------------------------------


def polynomial_field(x: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """As many cubic polynomials of all coordinates as there are coordinates."""
    total = 1 + sum(x.values())
    return [(k - 1) * c**3 + c * total**2 - total / (k + 2) for k, c in enumerate(x.values())]


def flux(points, normals, names):
    return (torch.cat(polynomial_field(columns(points, names)), 1) * normals).sum(1, keepdim=True)


@given(box=boxes)
@examples
def test_divergence_theorem(box):
    """∫ ∇·F dx = ∫ F·n ds, exactly for polynomials by Gauss–Legendre nodes."""
    nodes, weights = gauss(3, box.dimension)
    x = columns(box.points(nodes), box.names)
    inside = box.measure * (weights * div(polynomial_field(x), *x.values())).sum()
    sides = [area(face) * (weights * flux(*face.sample(nodes), box.names)).sum() for face in faces(box)]
    size = 1 + max(abs(s.item()) for s in sides)
    assert inside.item() == pytest.approx(sum(sides).item(), abs=1e-12 * size)


def test_divergence_theorem_by_points_of_the_whole_boundary():
    """The mean over the faces' points is the mean over the boundary: each face has its share."""
    box = Box(x=(0, 1), y=(-1, 2), z=(0, 0.5))
    points, normals = box.boundary().sample(Sobol().unit(2**13, 3, seed=0))
    nodes, weights = gauss(3, 3)
    x = columns(box.points(nodes), box.names)
    inside = box.measure * (weights * div(polynomial_field(x), *x.values())).sum().item()
    assert flux(points, normals, box.names).mean().item() * sum(map(area, faces(box))) == pytest.approx(inside, rel=2e-3)


@given(box=boxes)
@examples
def test_normals_of_a_closed_surface_cancel(box):
    total = sum(area(face) * face.sample(unit(1, box.dimension))[1] for face in faces(box))
    assert total.abs().max() < 1e-12 * box.measure


# --- faces ------------------------------------------------------------------------------------------------------------


@given(box=boxes)
@examples
def test_samples_lie_on_their_face_with_outward_unit_normals(box):
    for face in faces(box):
        ((name, side),) = face.faces
        axis = box.names.index(name)
        points, normals = face.sample(unit(50, box.dimension))
        assert len(points) == 50
        assert (points[:, axis] == box.axes[name][side]).all()
        assert ((box.low <= points) & (points <= box.high)).all()
        assert torch.equal(normals, torch.eye(box.dimension, dtype=torch.float64)[[axis] * 50] * (1 if side else -1))
        assert (((box.low > points + 1e-6 * normals) | (points + 1e-6 * normals > box.high)).sum(1) == 1).all()
        assert face.contains(points).all()
        assert not box.at(**{name: box.axes[name][1 - side]}).contains(points).any()


def test_a_face_is_filled_evenly():
    points, _ = slab.at(y=5).sample(unit(4000, 3))
    assert torch.allclose(points.mean(0), torch.tensor([0.5, 5.0, 0.25], dtype=torch.float64), rtol=0.05)
    assert points[:, 0].std().item() == pytest.approx(3 / 12**0.5, rel=0.05)


@given(box=boxes)
@examples
def test_faces_have_points_in_proportion_to_their_areas(box):
    every, count = faces(box), 1000
    part = Part(box, tuple(face.faces[0] for face in every))
    spread = unit(count, box.dimension)
    spread[:, 0] = (torch.arange(count) + 0.5) / count
    points, _ = part.sample(spread)
    assert part.contains(points).all()
    for face in every:
        share = area(face) / sum(map(area, every))
        assert face.contains(points).sum().item() == pytest.approx(share * count, abs=1.01)


def test_corners_belong_to_both_faces():
    corner = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert [bool(face.contains(corner)) for face in faces(square)] == [True, False, False, True]


def test_named_parts():
    assert slab.at(t=0).faces == (("t", 0),)
    assert slab.at(x=2).faces == (("x", 1),)
    assert slab.boundary("y").faces == (("y", 0), ("y", 1))
    assert slab.boundary("t", "x").faces == (("t", 0), ("t", 1), ("x", 0), ("x", 1))
    assert slab.boundary().faces == slab.boundary("x", "y").faces  # walls: time has none
    assert square.boundary().faces == square.boundary("x", "y").faces
    assert Box(x=(0, 1)).boundary().faces == (("x", 0), ("x", 1))


def test_parts_say_where_they_are():
    assert repr(slab.boundary("x")) == f"x=-1, x=2 of {slab}"
    assert "where the predicate holds" in repr(slab.at(t=0).where(lambda x, **_: x > 0))


@pytest.mark.parametrize(
    ("box", "face"),
    [
        (Box(x=(0, 0.1 + 0.2)), {"x": 0.3}),
        (Box(x=(1e6 / 3, 1e6)), {"x": 333333.3333333333}),
        (Box(x=(-1e-9, 3e-9)), {"x": 2.9999999999999999e-9}),
        (Box(x=(0, 1), t=(0.7 + 0.1, 1)), {"t": 0.8}),
        (Box(x=(-1, np.pi)), {"x": np.float64(np.pi)}),
    ],
)
def test_a_face_is_found_in_spite_of_rounding(box, face):
    """Its points lie at the end of the axis all the same."""
    ((name, value),) = face.items()
    side = int(value == pytest.approx(box.axes[name][1]))
    assert box.at(**face).faces == ((name, side),)
    assert (box.at(**face).sample(unit(9, box.dimension))[0][:, box.names.index(name)] == box.axes[name][side]).all()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda: Box(x=(0, 1e-9)).at(x=1.0001e-9), "no face x=1.0001e-09; its faces across x are at 0 and 1e-09"),
        (lambda: slab.at(x=nan), "no face x=nan"),
        (lambda: slab.at(z=0), "no axis 'z'; its axes are x, y, t"),
        (lambda: slab.at(t=1), r"no face t=1; its faces across t are at 0 and 0\.5"),
        (lambda: slab.at(x=0, t=0), r"takes one axis, as in at\(x=…\), not 2"),
        (lambda: slab.at(), r"takes one axis, as in at\(x=…\), not 0"),
        (lambda: slab.at(x="left"), "no face x='?left'?; its faces across x are at -1 and 2"),
        (lambda: slab.boundary("x", "s"), "no axis 's'; its axes are x, y, t"),
        (lambda: Box(t=(0, 1)).boundary(), r"no axis but time; name the face, as in at\(t=0\)"),
        # a message in which both numbers look the same helps nobody
        (lambda: Box(x=(0, pi)).at(x=3.14159), r"no face x=3\.14159; its faces .* at 0 and 3\.14159265"),
    ],
)
def test_parts_that_do_not_exist_are_refused(part, message):
    with pytest.raises(ValueError, match=message):
        part()


# --- predicates -------------------------------------------------------------------------------------------------------


def test_a_predicate_selects_points_of_faces():
    upper = slab.boundary("x").where(lambda y, **_: y > 3)
    points, normals = upper.sample(unit(1000, 3))
    assert len(points) == len(normals) == pytest.approx(400, abs=50)
    assert (points[:, 1] > 3).all()
    assert ((points[:, 0] - 0.5) / 1.5 == normals[:, 0]).all()
    assert upper.contains(points).all()
    below, _ = slab.boundary("x").where(lambda y, **_: y <= 3).sample(unit(1000, 3))
    assert not upper.contains(below).any()
    assert len(points) + len(below) == 1000


def test_predicates_narrow_one_after_the_other():
    band = square.at(x=0).where(lambda y, **_: y > 0.25).where(lambda y, **_: y < 0.75)
    points, _ = band.sample(unit(400, 2))
    assert len(points) == pytest.approx(200, abs=40)
    assert ((points[:, 1] > 0.25) & (points[:, 1] < 0.75)).all()


@pytest.mark.parametrize("answer", [True, False])
def test_a_predicate_may_be_a_constant(answer):
    assert len(square.boundary().where(lambda **_: answer).sample(unit(10, 2))[0]) == 10 * answer


def test_a_predicate_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"predicate .*\(10,\).*\(10, 1\)"):
        square.boundary().where(lambda x, **_: x[:, 0] > 0.5).sample(unit(10, 2))


@pytest.mark.parametrize(
    ("predicate", "error", "message"),
    [
        (
            lambda x, y: (x == 0) or (y == 0),
            ValueError,
            r"the predicate raised RuntimeError: .*by \| and &, as in \(x == 0\) \|",
        ),
        (lambda x: x > 0, TypeError, r"the predicate takes \(x\), but is called with \(x, y\): the axes x, y by keyword"),
        (lambda x, y, z: x + y > z, TypeError, r"the predicate takes \(x, y, z\), but is called with \(x, y\)"),
        (lambda x, y: np.sin(x) > y, ValueError, r"the predicate raised RuntimeError: .*use torch.sin and the like"),
        (lambda x, y: x > y.nothing, ValueError, "the predicate raised AttributeError: .*nothing"),
        (lambda **_: "left", TypeError, "the predicate returned 'left'; return a comparison"),
    ],
)
def test_a_predicate_that_fails_is_named(predicate, error, message):
    with pytest.raises(error, match=message):
        square.boundary().where(lambda **_: True).where(predicate).sample(unit(10, 2))


class Point(NamedTuple):
    """A callable with a signature of its own."""

    scale: float

    def __call__(self, u, /, *, x, y=1.0):
        return self.scale * u + x + y


def test_functions_are_called_with_unknowns_first_and_axes_by_keyword():
    x = {"x": 2.0, "y": 3.0}
    assert called("f", Point(2.0), x, {"v": 10.0}) == 25.0
    assert called("f", max, {}, {"u": 1.0, "v": 2.0}) == 2.0  # a builtin without a signature
    with pytest.raises(TypeError, match=r"f takes \(u, /, \*, x, y=1.0\), but .* \(x, y\): the axes x, y by keyword"):
        called("f", Point(2.0), x)
    with pytest.raises(ValueError, match="f raised TypeError") as found:
        called("f", max, {"z": 1.0})
    assert isinstance(found.value.__cause__, TypeError)
