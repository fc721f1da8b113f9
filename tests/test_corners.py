"""Outlines of polygons and singular functions at their corners."""

from math import cosh, pi

import pytest
import torch

from kanpde import Box, Dirichlet, Interval, Neumann, Polygon, Problem, diff, laplacian, solve
from kanpde.corners import Resonant, singular_functions
from kanpde.functions import columns
from tests.test_shapes import L, frame, sobol

slit = Polygon([(0, 0), (1, -1e-7), (1, 1), (-1, 1), (-1, -1), (1, -1), (1, -2e-7)])
WAYS = {
    "polygon": L,
    "given the other way round": Polygon([(0, -1), (-1, -1), (-1, 1), (1, 1), (1, 0), (0, 0)]),
    "union": Box(x=(-1, 1), y=(0, 1)) | Box(x=(-1, 0), y=(-1, 1)),
    "difference": Box(x=(-1, 1), y=(-1, 1)) - Box(x=(0, 1), y=(-1, 0)),
    "product": L * Interval(t=(0, 1)),
}


def held(domain, *, bare=()):
    """Laplace's equation with values on all edges but the bare ones, which have slopes."""
    edges = [n for n in range(len(domain.faces)) if n not in bare]
    conditions = {"values": Dirichlet(0.0, on=domain.edges(*edges))}
    if bare:
        conditions["slopes"] = Neumann(0.0, on=domain.edges(*bare))
    return Problem(domain, lambda u, x, y: laplacian(u, x, y), conditions)


@pytest.mark.parametrize(("domain", "holes"), [(L, 0), (frame, 2), (slit, 0)])
def test_turns_around_a_polygon_make_one_circle(domain, holes):
    assert sum(pi - c.opening for c in domain.corners()) == pytest.approx(2 * pi * (1 - holes))


@pytest.mark.parametrize("way", WAYS)
def test_one_corner_however_the_shape_is_made(way):
    (corner,) = [c for c in WAYS[way].corners() if c.opening > pi + 1e-6]
    assert corner.opening == pytest.approx(1.5 * pi)
    assert corner.place == pytest.approx((0, 0), abs=1e-12)
    assert corner.reach == pytest.approx(1)
    x = {"x": torch.tensor([[0.3], [-0.3], [0.0]]).double(), "y": torch.tensor([[0.0], [0.3], [-0.2]]).double()}
    distance, angle = corner.polar(x)
    assert torch.allclose(distance[:, 0], torch.tensor([0.3, 0.18**0.5, 0.2]).double())
    assert torch.allclose(angle[:, 0], torch.tensor([0, 0.75 * pi, 1.5 * pi]).double(), atol=1e-12)


@pytest.mark.parametrize(
    ("problem", "exponents"),
    [
        (held(L), [2 / 3, 4 / 3, 2, 8 / 3, 10 / 3]),
        (held(L, bare=(0,)), [1 / 3, 1, 5 / 3, 7 / 3, 3]),
        (held(L, bare=(5,)), [1 / 3, 1, 5 / 3, 7 / 3, 3]),
        (held(L, bare=(0, 5)), [2 / 3, 4 / 3, 2, 8 / 3, 10 / 3]),
        (held(slit), [0.5, 1, 1.5, 2, 2.5, 3]),
        (held(Polygon([(0, 0), (2, 0), (0, 1)])), []),
        (held(Polygon([(0, 0), (1, 0), (1, 1), (0, 1)]), bare=(0,)), []),
        (held(Polygon([(-1, 0), (0, 0), (1, 0), (1, 1), (-1, 1)]), bare=(1,)), [0.5, 1.5, 2.5]),  # Motz
    ],
)
def test_singular_functions_solve_laplace_and_their_conditions(problem, exponents):
    found = singular_functions(problem, "u")
    assert [s.exponent for s in found] == pytest.approx(exponents, abs=1e-6)
    domain = problem.domain
    for s in found:
        assert not s.windowed
        x = columns(domain.points(sobol(256, 2)), ("x", "y"))
        far = s.corner.polar(x)[0] > 1e-2
        assert laplacian(s(x), x["x"], x["y"])[far].abs().max() < 1e-8
        for number, face in enumerate(domain.faces):
            at, normals = domain.edges(number).sample(sobol(64, 2))
            if torch.tensor([s.corner.place]).double().sub(domain._starts[number]).norm() < 1e-9 or (
                torch.tensor([s.corner.place]).double().sub(domain._ends[number]).norm() < 1e-9
            ):
                x = columns(at, ("x", "y"))
                far = s.corner.polar(x)[0][:, 0] > 1e-3
                value = s(x)
                slope = normals[:, :1] * diff(value, x["x"]) + normals[:, 1:] * diff(value, x["y"])
                values_given = bool(problem.parts["values"].contains(at[:1]))
                assert (value if values_given else slope)[far].abs().max() < 1e-6, face


def test_behind_a_hole_singular_functions_end():
    domain = Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], holes=[[(1.5, 1.5), (2.5, 1.5), (2.5, 2.5), (1.5, 2.5)]])
    found = singular_functions(held(domain), "u")
    assert len(found) == 8  # two at each corner of the hole
    x = columns(domain.boundary().sample(sobol(512, 2))[0], ("x", "y"))
    inside = columns(domain.points(sobol(512, 2)), ("x", "y"))
    for s in found:
        assert s.windowed
        assert s(x).abs().max() < 1e-9
        assert (s(inside)[s.corner.polar(inside)[0] > 1] == 0).all()


def test_where_the_equation_contradicts_the_edges():
    """Δu = −1 at corners where u = 0 all along; not Δu = 2 with u = x², nor where one edge has slopes."""
    square = Box(x=(0, 1), y=(0, 1))

    def count(value, source, domain=square, part=None):
        conditions = {"walls": Dirichlet(value, on=part or domain.boundary())}
        if part:
            conditions["rest"] = Neumann(0.0, on=domain.boundary("y"))
        problem = Problem(domain, lambda u, x, y: laplacian(u, x, y) - source, conditions)
        return sum(isinstance(s, Resonant) for s in singular_functions(problem, "u"))

    def parabola(x, y):
        return x**2 + 0 * y

    assert count(0.0, -1) == count(parabola, 0) == 4
    assert count(parabola, 2) == count(0.0, 0) == count(0.0, -1, part=square.boundary("x")) == 0
    assert count(parabola, 0, L) == 6
    assert count(0.0, -1, Polygon([(0, 0), (2, 0), (0, 1)])) == 1
    heat = Box(x=(0, 1), t=(0, 1))
    walls = {"ends": Dirichlet(0.0, on=heat.boundary("x")), "start": Dirichlet(0.0, on=heat.at(t=0))}
    assert not singular_functions(Problem(heat, lambda u, x, t: diff(u, t) - diff(u, x, x) - 1, walls), "u")


@pytest.mark.parametrize("place", [(1, 1), (0, 0)])
def test_resonant_functions(place):
    (corner,) = [c for c in L.corners() if c.place == place]
    found = Resonant(corner, windowed=False)
    x = columns(L.points(sobol(256, 2)), ("x", "y"))
    assert torch.allclose(laplacian(found(x), x["x"], x["y"]), torch.tensor(2 * corner.opening).double(), atol=1e-9)
    for at in corner.on_edges(0.3):
        assert found({n: torch.tensor([[c]]).double() for n, c in at.items()}).abs().item() < 1e-15


def test_a_square_that_is_heated_evenly():
    """Δu = −1, u = 0 on the edges: the middle by its series."""
    square = Box(x=(0, 1), y=(0, 1))
    problem = Problem(square, lambda u, x, y: laplacian(u, x, y) + 1, {"walls": Dirichlet(0.0, on=square.boundary())})
    solution = solve(problem, tol=1e-3, progress=False)
    # the sum without 1/cosh is 1/8
    middle = 1 / 8 - sum(4 / (k * pi) ** 3 * (-1) ** (k // 2) / cosh(k * pi / 2) for k in range(1, 40, 2))
    assert solution(x=0.5, y=0.5) == pytest.approx(middle, rel=1e-3)


def test_values_on_a_part_of_a_side_leave_the_rest_free():
    """Edges 0 and 1 lie on one line; what vanishes on the one does not on the other."""
    domain = Polygon([(-1, 0), (0, 0), (1, 0), (1, 1), (-1, 1)])
    (one,), (both,) = domain.vanishing(["edge 0"]), domain.vanishing(["edge 0", "edge 1"])
    here, there = ({"x": torch.tensor([[x]]).double(), "y": torch.zeros(1, 1).double()} for x in (-0.5, 0.5))
    assert one(here).abs().item() < 1e-12 < 0.2 < one(there).item()
    assert both(here) == both(there) == 0
    assert both({"x": torch.ones(1, 1).double(), "y": torch.full((1, 1), 0.5).double()}) == 0.25  # smooth: y over the size
