"""A solution as a formula: a front that Burgers' equation carries along, solved without knowing its shape.

    u_t + u u_x = ν u_xx   on -1 < x < 1, 0 < t < 1

Values at the start and at both ends are given as numbers only; what is printed is the formula that was read off the solution,
what it leaves of the equation and the conditions, and its LaTeX. The second problem has a source of random waves: no formula.
"""

from math import pi

import torch
from torch import Tensor, cos, tanh

from kanpde import Box, Dirichlet, Disk, Formula, Problem, diff, laplacian, solve

NU = 0.05
strip = Box(x=(-1, 1), t=(0, 1))
disk = Disk(x=0, y=0, radius=1)


def front(x: Tensor, t: Tensor) -> Tensor:
    return 0.5 - 0.5 * tanh((x - 0.5 * t) / (4 * NU))


def burgers(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
    return diff(u, t) + u * diff(u, x) - NU * diff(u, x, x)


def source(x: Tensor, y: Tensor) -> Tensor:
    random = torch.Generator().manual_seed(0)
    waves, phases = 2 * torch.randn(2, 9, generator=random).double(), 2 * pi * torch.rand(9, generator=random).double()
    return cos(x * waves[0] + y * waves[1] + phases).sum(1, keepdim=True)


def poisson(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return laplacian(u, x, y) + source(x, y)


def main(max_seconds: float | None = 20) -> tuple[Formula, Formula]:
    values = {"ends": Dirichlet(front, on=strip.boundary("x")), "start": Dirichlet(front, on=strip.at(t=0))}
    carried = solve(Problem(strip, burgers, values), tol=1e-9)
    driven = solve(Problem(disk, poisson, {"rim": Dirichlet(0.0, on=disk.boundary())}), max_seconds=max_seconds)
    return carried.find_formula(), driven.find_formula()


if __name__ == "__main__":
    known, unknown = main()
    print(known, known.latex(), unknown, sep="\n\n")
