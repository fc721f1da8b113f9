"""Quadrature on every shape and its faces: closed forms, and Gauss' theorem, at rounding."""

from math import e, pi

import pytest
import torch
from torch import cos, exp, sin

from kanpde import Ball, Box, Dirichlet, Disk, Ellipse, Integral, Interval, Neumann, Polygon, Problem, div, laplacian, solve
from kanpde.functions import columns
from kanpde.quadrature import Quadrature

square = Box(x=(-1, 1), y=(-1, 1))
time = Interval(t=(0, 2))
L = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
frame = Polygon([(0, 0), (3, 0), (3, 2), (0, 2)], holes=[[(1, 0.5), (2, 0.5), (2, 1.5)], [(0.2, 0.2), (0.2, 0.6), (0.6, 0.6)]])
disk, lens_area = Disk(x=0, y=0), 2 * pi / 3 - 3**0.5 / 2
holes = square - Disk(x=-0.5, y=-0.5, radius=0.25) - Disk(x=0.5, y=0.5, radius=0.25) - Ellipse(x=0.5, y=-0.5, radii=(0.3, 0.2))
AREAS = {
    "box": (square, 4),
    "disk": (Disk(x=1, y=-2, radius=2), 4 * pi),
    "ellipse": (Ellipse(x=0, y=1, radii=(3, 0.5)), 1.5 * pi),
    "ball": (Ball(x=0, y=0, z=1, radius=0.5), pi / 6),
    "triangle, clockwise": (Polygon([(0, 0), (0, 1), (2, 0)]), 1),
    "L": (L, 3),
    "frame": (frame, 6 - 0.5 - 0.08),
    "hole": (square - Disk(x=0.1, y=0, radius=0.5), 4 - pi / 4),
    "bite": (square - Disk(x=1, y=1, radius=1), 4 - pi / 4),
    "holes": (holes, 4 - pi * (2 / 16 + 0.06)),
    "lens": (Disk(x=-0.5, y=0) & Disk(x=0.5, y=0), lens_area),
    "overlap": (Disk(x=-0.5, y=0) | Disk(x=0.5, y=0), 2 * pi - lens_area),
    "two boxes": (Box(x=(0, 1), y=(0, 1)) | Box(x=(1, 2), y=(0, 2)), 3),
    "boxes that share an edge": (Box(x=(0, 1), y=(0, 1)) | Box(x=(0.5, 2), y=(0, 2)), 3.5),
    "cup": (square - Box(x=(-0.5, 0.5), y=(0, 1)), 3),
    "corner of a polygon": (L & Disk(x=0, y=0), 0.75 * pi),
    "cylinder": (disk * Interval(z=(0, 2)), 2 * pi),
    "tube": (Interval(z=(0, 1)) * (disk - Disk(x=0, y=0, radius=0.5)), 0.75 * pi),
}
everywhere = pytest.mark.parametrize("name", AREAS)


def wave(**x):
    """A few waves, of no symmetry."""
    return exp(0.3 * sum(x.values())) * sin(sum((k + 1) * c for k, c in enumerate(x.values())))


def field(**x):
    return [wave(**x), *(c * next(iter(x.values())) for c in list(x.values())[1:])]


@everywhere
def test_measures(name):
    domain, area = AREAS[name]
    assert Quadrature(domain, domain.names).measure == pytest.approx(area, rel=1e-12)


@everywhere
def test_nodes_lie_inside(name):
    domain, _ = AREAS[name]
    points, _ = Quadrature(domain, domain.names).nodes(torch.zeros(1, 0))
    assert domain.contains(points).all()


@everywhere
def test_gauss_theorem(name):
    """∫ div F = ∮ F·n: nodes inside, nodes on faces and normals fit together."""
    domain, _ = AREAS[name]
    region, rim = Quadrature(domain, domain.names), Quadrature(domain, domain.names, domain.faces)
    points, _ = region.nodes(torch.zeros(1, 0))
    x = columns(points, domain.names)
    inside = region.measure * region.mean(div(field(**x), *x.values()).detach()).item()
    points, normals = rim.nodes(torch.zeros(1, 0))
    F = torch.cat(field(**columns(points, domain.names)), 1).detach()
    flux = rim.measure * rim.mean((F * normals).sum(1, keepdim=True))
    assert inside == pytest.approx(flux.item(), abs=1e-12 * rim.measure)


def moment(domain, function, on=None, over=None):
    region = Integral(lambda u, **_: u, on=on, over=over).region(domain)
    assert region.free == ()
    points, _ = region.nodes(torch.zeros(1, 0))
    return region.measure * region.mean(function(**columns(points, domain.names)).detach()).item()


@pytest.mark.parametrize(
    ("domain", "function", "expected"),
    [
        (disk, lambda x, y: x**4 * y**2, pi / 64),
        (disk, lambda x, y: exp(x + 0 * y), 2 * pi * 0.565159103992485),  # I₁(1)
        (Ellipse(x=1, y=0, radii=(2, 0.5)), lambda x, y: x**2 + y**2, pi * (1 + 1 + 1 / 16)),
        (Ball(x=0, y=0, z=0), lambda x, y, z: x**2 * y**2 * z**2, 4 * pi / 945),
        (Ball(x=0, y=0, z=0), lambda x, y, z: cos(3 * z) + 0 * x * y, 4 * pi * 0.34567749976235596 / 3),  # j₁(3)
        (Polygon([(0, 0), (1, 0), (0, 1)]), lambda x, y: x**3 * y**5, 6 * 120 / 3628800),
        (L, lambda x, y: x * y**2, -1 / 6),
        (frame, lambda x, y: x + 0 * y, 9 - 0.5 * 5 / 3 - 0.08 / 3),
        (square - Disk(x=0, y=0, radius=0.5), lambda x, y: x**2 + y**2, 8 / 3 - pi / 32),
        (disk - Disk(x=0, y=0, radius=0.5), lambda x, y: 1 / (x**2 + y**2), 2 * pi * 0.6931471805599453),
        (Disk(x=0, y=0) & Box(x=(0, 1), y=(0, 1)), lambda x, y: x * y, 1 / 8),
        (disk * time, lambda x, y, t: x**2 * exp(t) + 0 * y, pi / 4 * (e**2 - 1)),
    ],
)  # fmt: skip
def test_integrals_in_closed_form(domain, function, expected):
    assert moment(domain, function, over=domain.names) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("domain", "on", "function", "expected"),
    [
        (disk, disk.boundary(), lambda x, y: x**2 * y**2, pi / 4),
        (Ball(x=0, y=0, z=0), Ball(x=0, y=0, z=0).boundary(), lambda x, y, z: x**2 * y**2 * z**2, 4 * pi / 105),
        (L, L.edges(2), lambda x, y: x**2 + y, 2 / 3 + 2),
        (square - disk, disk.boundary(), lambda x, y: 1 + 0 * x * y, 2 * pi),
        (square - Disk(x=1, y=1), Disk(x=1, y=1).boundary(), lambda x, y: (1 - x) * (1 - y), 0.5),
        (L & disk, disk.boundary(), lambda x, y: y + 0 * x, 1),
        (disk * Interval(z=(0, 1)), disk.boundary(), lambda x, y, z: x**2 * z + 0 * y, pi / 2),
        (disk * Interval(z=(0, 1)), (disk * Interval(z=(0, 1))).at(z=1), lambda x, y, z: y**2 * z + 0 * x, pi / 4),
        (Box(x=(0, 1), y=(0, 1)) | Box(x=(0.5, 2), y=(0, 2)), (Box(x=(0, 1), y=(0, 1)) | Box(x=(0.5, 2), y=(0, 2))).boundary(),
         lambda x, y: 1 + 0 * x * y, 8),
    ],
)  # fmt: skip
def test_integrals_on_faces_in_closed_form(domain, on, function, expected):
    assert moment(domain, function, on=on) == pytest.approx(expected, rel=1e-12)


def test_where_there_is_time_the_integral_is_over_space_at_every_time():
    plate = (square - Disk(x=0, y=0, radius=0.5)) * time
    for condition, area in (
        (Integral(lambda u, **_: u), 4 - pi / 4),
        (Integral(lambda u, **_: u, on=Disk(x=0, y=0, radius=0.5).boundary()), pi),
        (Integral(lambda u, **_: u, on=square.at(x=1)), 2),
    ):
        region = condition.region(plate)
        assert region.free == ("t",)
        unit = torch.rand(5, 1, dtype=torch.float64)
        points, normals = region.nodes(unit)
        assert (normals[:, 2] == 0).all()
        assert torch.allclose(region.measure * region.mean(points[:, 2:] ** 2), area * (2 * unit) ** 2, rtol=1e-12)


def test_along_time_at_every_place_of_a_shape():
    region = Integral(lambda u, **_: u, over=("t",)).region(holes * time)
    points, _ = region.nodes(torch.rand(300, 2, dtype=torch.float64))
    assert region.free == ("x", "y")
    assert holes.contains(points[:, :2]).all()
    assert torch.allclose(region.measure * region.mean(points[:, 2:]), torch.tensor(2.0).double())


def test_mean_zero_on_a_disk():
    """Slopes alone leave a constant free, which the mean fixes."""

    def exact(x, y):
        return exp(x) * sin(y)

    def poisson(u, x, y):
        return laplacian(u, x, y)

    conditions = {
        "rim": Neumann(lambda x, y: exp(x) * (x * sin(y) + y * cos(y)), on=disk.boundary()),
        "mean": Integral(lambda u, x, y: u),  # noqa: ARG005
    }
    solution = solve(Problem(disk, poisson, conditions, exact), tol=1e-11)
    assert solution.errors.relative_l2 < 1e-10


REFUSED = {
    "ball of which a part is cut": (
        lambda: Ball(x=0, y=0, z=0) - Ball(x=0, y=0, z=1),
        {},
        "over .* not known; they",
    ),
    "half of a factor": (lambda: disk * time, {"over": ("x", "t")}, r"over=\('x', 't'\) takes apart Disk.*give all of x, y"),
    "part of another shape": (lambda: disk, {"on": square.at(x=1)}, "the integral lies on x=1 of .*, but the domain is Disk"),
    "rim, along time alone": (lambda: disk * time, {"on": disk.boundary(), "over": ("t",)}, "give an Integral for each"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_impossible_integrals_are_refused(case):
    make, settings, message = REFUSED[case]
    domain = make()
    conditions = {"walls": Dirichlet(0.0, on=domain.boundary()), "mean": Integral(lambda u, **_: u, **settings)}
    with pytest.raises(ValueError, match=message):
        Problem(domain, lambda u, **x: laplacian(u, *(c for name, c in x.items() if name != "t")), conditions)
