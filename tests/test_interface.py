"""Two materials side by side: what an interface asks for, and problems solved with it."""

import pytest
import torch
from torch import cos, exp, sin, where

from kanpde import KAN, Box, Dirichlet, Disk, Interface, Problem, Solution, diff, laplacian, solve
from kanpde.functions import columns
from problems.two_materials import two_materials

line = Box(x=(0, 1))
left = Box(x=(0, 0.3))
square = Box(x=(-1, 1), y=(-1, 1))
disk = Disk(x=0, y=0, radius=0.5)


def jumping() -> Problem:
    """k u'' = f, k = 100 on the left, with a jump of value and flux at x = 0.3."""

    def k(x):
        return where(x < 0.3, 100.0, 1.0)

    def exact(x):
        return where(x < 0.3, sin(3 * x), 2 + exp(x))

    def residual(u, x):
        return k(x) * diff(u, x, x) - k(x) * diff(exact(x), x, x).detach()

    at = torch.tensor(0.3).double()
    weld = Interface(
        inside=100.0,
        outside=lambda x: 1 + 0 * x,
        jump=(2 + exp(at) - sin(3 * at)).item(),
        flux=(exp(at) - 300 * cos(3 * at)).item(),
        on=left.at(x=0.3),
    )
    return Problem(line, residual, {"ends": Dirichlet(exact, on=line.boundary()), "weld": weld}, exact)


def layers() -> Problem:
    """Three layers: u' is constant in each."""
    inner, resistances = Box(x=(0.2, 0.7)), (0.2, 0.5 / 50, 0.3 / 4)

    def exact(x):
        return where(x < 0.2, x, where(x < 0.7, 0.2 + (x - 0.2) / 50, 0.2 + 0.01 + (x - 0.7) / 4)) / sum(resistances)

    conditions = {
        "ends": Dirichlet(lambda x: x, on=line.boundary()),
        "first": Interface(inside=50.0, outside=1.0, on=inner.at(x=0.2)),
        "second": Interface(inside=50.0, outside=4.0, on=inner.at(x=0.7)),
    }
    return Problem(line, lambda u, x: diff(u, x, x), conditions, exact)


def test_rows_are_jumps():
    problem = jumping()
    points, normals = problem.parts["weld"].sample(torch.rand(8, 1).double())
    condition = Interface(inside=100.0, outside=1.0, jump=0.5, flux=7.0, on=left.at(x=0.3))
    rows = condition.rows(Bent(), points, normals)
    expected = torch.tensor([1 + 1.5 + 0.09 - 0.6 - 0.5, (5.6 - 200 - 7) / (101 * torch.pi)], dtype=torch.float64)
    assert torch.allclose(rows, expected.expand(8, 2), rtol=1e-12)


class Bent:
    """u = 2x on the left, 1 + 5x + x² on the right."""

    box = line

    def __call__(self, points):
        x = columns(points, ("x",))
        return {"u": where(x["x"] < 0.3, 2 * x["x"], 1 + 5 * x["x"] + x["x"] ** 2)}, x


@pytest.mark.parametrize(("make", "tol", "error"), [(jumping, 1e-6, 1e-6), (two_materials, 1e-2, 2e-2)])
def test_a_solution_is_smooth_within_each_material(make, tol, error, tmp_path):
    problem = make()
    solution = solve(problem, tol=tol, progress=False)
    assert solution.errors is not None
    assert solution.errors.relative_l2 < error
    assert solution.model(torch.zeros(1, problem.domain.dimension).double()).shape == (1, 2)
    solution.save(tmp_path / "s.npz")
    assert Solution.load(tmp_path / "s.npz", problem).errors == solution.errors
    solution.to_vtk(tmp_path / "s.vtu", points=21)
    solution.plot(tmp_path / "s.png", points=41)


def test_domains_that_are_not_neighbours_may_share_a_material():
    """What is left of two interfaces is one material, on both sides of the layer: its solution is one function."""
    with pytest.raises(ValueError, match="exact solution does not satisfy condition 'wrong'"):
        Problem(
            line,
            lambda u, x: diff(u, x, x),
            {
                "ends": Dirichlet(lambda x: x, on=line.boundary()),
                "wrong": Interface(inside=50.0, on=left.at(x=0.3)),
            },
            exact=lambda x: x,
        )
    assert layers().materials == (Box(x=(0.2, 0.7)),)


def test_with_time():
    """A rod of two metals that cools: each with its own exponential, joined at the middle."""
    rod, hot = Box(x=(0, 1), t=(0, 1)), Box(x=(0, 0.5), t=(0, 1))

    def exact(x, t):
        return exp(-t) * where(x < 0.5, sin(x), sin(torch.tensor(0.5).double()) + 4 * sin((x - 0.5) / 2))

    def source(x, t):
        return (diff(exact(x, t), t) - diff(exact(x, t), x, x)).detach()

    def residual(u, x, t):
        return diff(u, t) - diff(u, x, x) - source(x, t)

    ratio = cos(torch.tensor(0.5)).item() / 2
    conditions = {
        "ends": Dirichlet(exact, on=rod.boundary("x")),
        "start": Dirichlet(exact, on=rod.at(t=0)),
        "weld": Interface(inside=1.0, outside=ratio, on=hot.at(x=0.5)),
    }
    solution = solve(Problem(rod, residual, conditions, exact), tol=1e-7, progress=False)
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-6


WALLS = {"walls": Dirichlet(0.0, on=square.boundary())}


@pytest.mark.parametrize(
    ("weld", "message"),
    [
        (lambda: Interface(on=square.at(x=1)), "has not both of its sides in Box.*between two materials"),
        (lambda: Interface(on=Disk(x=0.8, y=0, radius=0.5).boundary()), "has not both of its sides in Box"),
        (lambda: Interface(on=left.at(x=0.3)), "with the axes x, but the domain has x, y"),
        (lambda: Interface(on=0.5), "lies on 0.5; give the boundary of one of the materials"),
        (lambda: Interface(on=disk.boundary(), of="w"), "is of 'w'; the unknowns are u"),
    ],
)
def test_broken_interfaces(weld, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Problem(square, lambda u, x, y: laplacian(u, x, y), {**WALLS, "weld": weld()})


def test_a_network_needs_outputs_for_each_material():
    with pytest.raises(ValueError, match=r"1 unknown in each of 2 materials, so it must give \(3, 2\)"):
        solve(two_materials(), KAN([2, 5, 1]))
