"""An equation of one's own, without an exact solution: a population that spreads and saturates (Fisher and KPP).

    u_t = D u_xx + r u (1 − u)   on 0 < x < 1, 0 < t < 1,   u_x = 0 at both ends

What to read in a table without errors: the residual on fresh points, relative to the operator's size, and how the
solutions of two stages differ.
"""

from math import pi
from pathlib import Path

from torch import Tensor, cos

from kanpde import Box, Dirichlet, Neumann, Problem, Solution, diff, solve

DIFFUSIVITY, RATE = 0.05, 4.0
habitat = Box(x=(0, 1), t=(0, 1))


def fisher(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
    return diff(u, t) - DIFFUSIVITY * diff(u, x, x) - RATE * u * (1 - u)


def start(x: Tensor, t: Tensor) -> Tensor:  # noqa: ARG001
    return 0.2 + 0.15 * cos(pi * x)


def main(max_seconds: float | None = 60, folder: Path = Path("out")) -> Solution:
    conditions = {
        "ends": Neumann(0.0, on=habitat.boundary("x")),
        "start": Dirichlet(start, on=habitat.at(t=0)),
    }
    solution = solve(Problem(habitat, fisher, conditions), max_seconds=max_seconds)
    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "fisher.pvd")
    solution.plot(folder / "fisher.png")
    return solution


if __name__ == "__main__":
    print(main())
