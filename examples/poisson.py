"""Poisson's equation on a square: the README's script, with a picture and files for ParaView."""

from math import pi
from pathlib import Path

from torch import Tensor, sin

from kanpde import Box, Dirichlet, Problem, Solution, laplacian, solve

square = Box(x=(-1, 1), y=(-1, 1))


def exact(x: Tensor, y: Tensor) -> Tensor:
    return sin(pi * x) * sin(pi * y)


def poisson(u: Tensor, x: Tensor, y: Tensor) -> Tensor:  # Δu = f
    return laplacian(u, x, y) + 2 * pi**2 * exact(x, y)


def main(max_seconds: float | None = None, folder: Path = Path("out")) -> Solution:
    problem = Problem(square, poisson, {"walls": Dirichlet(0.0, on=square.boundary())}, exact=exact)
    solution = solve(problem, max_seconds=max_seconds)
    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "poisson.vtu")
    solution.plot(folder / "poisson.png")
    solution.plot_convergence(folder / "poisson_convergence.png")
    return solution


if __name__ == "__main__":
    print(main())
