"""Shapes and their unions, intersections, differences and products: Gauss' theorem, normals, fair shares of points."""

import re
from math import nan, pi, prod

import pytest
import torch

from kanpde import Ball, Box, Dirichlet, Disk, Ellipse, Interval, Polygon, Problem, Sobol, Uniform, diff, div, laplacian
from kanpde.domains import TIME, Domain, Part
from kanpde.field import Field
from kanpde.functions import columns
from kanpde.solver import default_network

square = Box(x=(-1, 1), y=(-1, 1))
L = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
frame = Polygon([(0, 0), (3, 0), (3, 2), (0, 2)], holes=[[(1, 0.5), (2, 0.5), (2, 1.5)], [(0.2, 0.2), (0.2, 0.6), (0.6, 0.6)]])
SHAPES = {
    "disk": (Disk(x=1, y=-2, radius=2), 4 * pi),
    "ellipse": (Ellipse(x=0, y=1, radii=(3, 0.5)), 1.5 * pi),
    "ball": (Ball(x=0, y=0, z=1, radius=0.5), pi / 6),
    "triangle, clockwise": (Polygon([(0, 0), (0, 1), (2, 0)]), 1.0),
    "L": (L, 3.0),
    "frame": (frame, 6 - 0.5 - 0.08),
    "hole": (square - Disk(x=0.1, y=0, radius=0.5), 4 - pi / 4),
    "bite": (square - Disk(x=1, y=1, radius=1), 4 - pi / 4),
    "lens": (Disk(x=-0.5, y=0) & Disk(x=0.5, y=0), 2 * pi / 3 - 3**0.5 / 2),
    "two boxes": (Box(x=(0, 1), y=(0, 1)) | Box(x=(1, 2), y=(0, 2)), 3.0),
    "overlap": (Disk(x=-0.5, y=0) | Disk(x=0.5, y=0), 4 * pi / 3 + 3**0.5 / 2),
    "cup": (square - Box(x=(-0.5, 0.5), y=(0, 1)), 3.0),
    "cylinder": (Disk(x=0, y=0) * Box(t=(0, 2)), 2 * pi),
    "tube": (Interval(z=(0, 1)) * (Disk(x=0, y=0) - Disk(x=0, y=0, radius=0.5)), 0.75 * pi),
}
everywhere = pytest.mark.parametrize("name", SHAPES)


def sobol(count: int, dimension: int) -> torch.Tensor:
    return Sobol().unit(count, dimension, seed=0)


def exposed(domain: Domain) -> list[tuple[float, torch.Tensor, torch.Tensor]]:
    """For each face: its measure, and points and normals on it."""
    found = []
    for face in domain.faces:
        points, normals = Part(domain, (face,)).sample(sobol(2**13, domain.dimension))
        found.append((domain.face_measure(face) * len(points) / 2**13, points, normals))
    return found


def vector(points: torch.Tensor, names: tuple[str, ...]) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    x = columns(points, names)
    total = sum(x.values())
    return [torch.sin(total / (k + 1)) + c**2 for k, c in enumerate(x.values())], x


@everywhere
def test_gauss_theorem(name):
    """The integral of a divergence is the flux through all faces: measures, points and normals fit together."""
    domain, measure = SHAPES[name]
    assert domain.measure == pytest.approx(measure, rel=2e-3)
    F, x = vector(domain.points(sobol(2**13, domain.dimension)), domain.names)
    inside = domain.measure * div(F, *x.values()).mean().item()
    flux = 0.0
    for area, points, normals in exposed(domain):
        if len(points):
            flux += area * (torch.cat(vector(points, domain.names)[0], 1) * normals).sum(1).mean().item()
    surface = sum(area for area, *_ in exposed(domain))
    assert inside == pytest.approx(flux, abs=6e-3 * surface)


@everywhere
def test_points_and_normals(name):
    domain, _ = SHAPES[name]
    points = domain.points(sobol(2**11, domain.dimension))
    assert len(points) == pytest.approx(domain.share * 2**11, rel=0.02)
    assert domain.contains(points).all()
    assert ((domain.low - 1e-12 <= points) & (points <= domain.high + 1e-12)).all()
    far = torch.stack([domain.low - 0.1, domain.high + 0.1])
    assert not domain.contains(far).any()
    step = 1e-4 * (domain.high - domain.low).max()
    for face, (_, at, normals) in zip(domain.faces, exposed(domain), strict=True):
        if len(at):
            assert torch.allclose(normals.norm(dim=1), torch.ones(len(at)).double())
            assert domain.touches(face, at).all()
            # but for corners, one side is inside and the other is not
            assert domain.contains(at - step * normals).double().mean() > 0.99
            assert domain.contains(at + step * normals).double().mean() < 0.01


@everywhere
def test_vanishing_functions(name):
    """Of all faces together: positive inside, zero on each face, with a slope across it but at its ends."""
    domain, _ = SHAPES[name]
    factors = domain.vanishing(domain.faces)
    assert factors is not None
    assert all((f(columns(domain.points(sobol(2**10, domain.dimension)), domain.names)) > 0).all() for f in factors)
    for _, at, normals in exposed(domain):
        if len(at):
            x = columns(at, domain.names)
            values = [f(x) for f in factors]
            assert prod(values).abs().max() < 1e-12
            nearest = torch.cat(values, 1).argmin(1)
            slopes = [torch.cat(torch.autograd.grad(v.sum(), list(x.values()), materialize_grads=True), 1) for v in values]
            across = (torch.stack(slopes, 1)[torch.arange(len(at)), nearest] * normals).sum(1)
            assert (across < -0.05).double().mean() > 0.99


def test_which_faces_can_be_built_in():
    """Alone: edges, rims and rims of holes; not single sides of a notch that is cut out, nor the faces of a union."""

    def known(domain):
        return [domain.vanishing([face]) is not None for face in domain.faces]

    assert all(known(L))
    assert known(square - Disk(x=0, y=0, radius=0.5)) == [True] * 5
    assert known(square - Box(x=(-0.5, 0.5), y=(0, 1))) == [True] * 4 + [False] * 4
    assert not any(known(Disk(x=0, y=0) | square))
    assert all(known(Disk(x=0, y=0) * Box(t=(0, 1))))


@everywhere
def test_values_hold_on_every_shape_before_training(name):
    domain, _ = SHAPES[name]

    def values(**x):
        return torch.exp(sum(x.values()) / 3)

    steady = TIME not in domain.names
    walls = {"walls": Dirichlet(values, on=domain.boundary(*([] if steady else ["x", "y"])))}
    start = {} if steady else {"start": Dirichlet(values, on=domain.at(t=0))}

    def equation(u, **x):
        return laplacian(u, *(c for n, c in x.items() if n != TIME)) - (0 if steady else diff(u, x[TIME]))

    problem = Problem(domain, equation, walls | start)
    field = Field(problem, default_network(problem, True, seed=1))
    assert set(field.hard) == set(problem.conditions)
    for condition in problem.parts:
        points, _ = problem.parts[condition].sample(sobol(2**10, domain.dimension))
        x = columns(points, domain.names)
        assert (field(**x)["u"] - values(**x)).abs().max() < 1e-12


@everywhere
def test_points_beside_a_face_are_moved_onto_it(name):
    shape, _ = SHAPES[name]
    for face in shape.faces:
        points, _ = shape.on_face(face, sobol(64, shape.dimension - 1))
        moved = shape.projected(face, points + 1e-4 * shape.normals(face, points))
        assert (moved - points).norm(dim=1).max() < 1e-3
        for on_it in (points, moved):
            assert (shape.projected(face, on_it) - on_it).norm(dim=1).max() < 1e-12


@pytest.mark.parametrize(
    ("shape", "axis", "share"),
    [
        (Disk(x=0, y=0), 1, 0.5),
        (Ellipse(x=0, y=0, radii=(1, 3)), 1, 0.5),
        (L, 0, 1 / 3),
        (L, 1, 2 / 3),
        (square - Disk(x=1, y=0, radius=0.5), 0, (2 - pi / 8) / (4 - pi / 8)),
    ],
)
def test_points_are_uniform(shape, axis, share):
    """A part of the domain gets points in proportion to its measure."""
    points = shape.points(Uniform().unit(20000, shape.dimension, seed=0))
    assert (points[:, axis] > 0).double().mean().item() == pytest.approx(share, abs=0.015)


def test_parts_of_operands_are_parts_of_the_whole():
    hole, time = Disk(x=0, y=0, radius=0.5), Box(t=(0, 1))
    plate = square - hole
    rim = plate.own(hole.boundary())
    points, normals = rim.sample(sobol(256, 2))
    assert torch.allclose(points.norm(dim=1), torch.full((len(points),), 0.5).double())
    assert torch.allclose((points * normals).sum(1), torch.full((len(points),), -0.5).double())  # into the hole
    assert plate.own(Disk(x=0, y=0, radius=0.4).boundary()) is None
    at_all_times = (plate * time).own(hole.boundary().where(lambda x, **_: x > 0))
    points, normals = at_all_times.sample(sobol(256, 3))
    assert (points[:, 0] > 0).all()
    assert points[:, 2].std() > 0.2
    assert (normals[:, 2] == 0).all()
    assert (plate * time).boundary().faces == (plate * time).boundary("x", "y").faces
    assert (plate * time).at(t=0).faces == (("t", 0),)
    assert (plate * time).own(plate.boundary()) is not None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Disk(x=0, radius=1), "2 axes, as in Disk"),
        (lambda: Disk(x=0, y=0, radius=-1), "radii"),
        (lambda: Disk(x=0, y=nan), "finite"),
        (lambda: Disk(x=0, y="left"), "give numbers, as in Disk"),
        (lambda: Ball(x=0, y=0), "3 axes"),
        (lambda: Ellipse(x=0, y=0, radii=(1,)), "give numbers"),
        (lambda: Interval(x=(0, 1), y=(0, 1)), "one axis"),
        (lambda: Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "Self-intersection"),
        (lambda: Polygon([(0, 0), (1, 1)]), "three or more"),
        (lambda: L.edges(6), "numbered from 0 to 5"),
        (lambda: square & Disk(x=5, y=0), "empty"),
        (lambda: square | Box(x=(0, 1)), "same ones in the same order"),
        (lambda: square * Box(x=(0, 1)), "share none"),
        (lambda: Disk(x=0, y=0).at(x=1), "no flat faces across x"),
        (lambda: Disk(x=0, y=0).boundary("z"), "no axis 'z'"),
    ],
)
def test_impossible_shapes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def bare(on):
    disk = Disk(x=0, y=0)
    return Problem(disk, lambda u, x, y: laplacian(u, x, y), {"half": Dirichlet(0.0, on=on(disk))})


def test_uncovered_walls_are_refused():
    with pytest.raises(ValueError, match=r"all along the rim of Disk\(x=0, y=0, radius=1\), but 0 found at x=.*bare"):
        bare(lambda disk: disk.boundary().where(lambda x, **_: x > 0))
    with pytest.raises(ValueError, match=r"lies on .* but the domain is Disk"):
        bare(lambda _: square.boundary())
    bare(lambda disk: disk.boundary())


def test_faces_are_named_with_the_shape_that_brings_them_along():
    """Of a pellet with a channel, both of whose rims are one."""
    pellet, channel = Disk(x=0, y=0), Disk(x=0.3, y=0.2, radius=0.3)
    hollow = pellet - channel
    for own, other in ((pellet, channel), (channel, pellet)):
        with pytest.raises(ValueError, match=re.escape(f"all along the rim of {other} in {hollow}, but 0 found")):
            Problem(hollow, lambda u, x, y: laplacian(u, x, y), {"one": Dirichlet(0.0, on=own.boundary())})
    assert str(hollow.boundary()) == f"the rim of {pellet} and the rim of {channel} in {hollow}"
    assert str((hollow * Box(t=(0, 1))).at(t=0)) == f"t=0 of {hollow * Box(t=(0, 1))}"
    assert str((square - channel).boundary()).startswith(f"x=-1, x=1, y=-1, y=1 of {square} and the rim of {channel} in (")
    assert str(square.boundary("x")) == f"x=-1, x=1 of {square}"
