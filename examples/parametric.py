"""Heat in rods of any conductivity at once: a parameter is an axis like the others, and one solution serves them all."""

from math import pi
from pathlib import Path

import numpy as np
from torch import Tensor, sin

from kanpde import Box, Dirichlet, Problem, Solution, diff, solve
from kanpde.plot import plot_fields

rods = Box(x=(0, 1), t=(0, 1), kappa=(0.05, 0.5))


def start(x: Tensor, t: Tensor, kappa: Tensor) -> Tensor:  # noqa: ARG001
    return sin(pi * x)


def heat(u: Tensor, x: Tensor, t: Tensor, kappa: Tensor) -> Tensor:  # u_t = κ u_xx
    return diff(u, t) - kappa * diff(u, x, x)


def main(max_seconds: float | None = 30, folder: Path = Path("out")) -> Solution:
    conditions = {"ends": Dirichlet(0.0, on=rods.boundary("x")), "start": Dirichlet(start, on=rods.at(t=0))}
    solution = solve(Problem(rods, heat, conditions), max_seconds=max_seconds)

    folder.mkdir(exist_ok=True)
    t = np.linspace(0, 1, 201)
    curves = {f"κ = {kappa:g}": solution(x=0.5, t=t, kappa=kappa) for kappa in (0.05, 0.1, 0.2, 0.35, 0.5)}
    plot_fields(folder / "parametric.png", ("t",), (t,), curves, title="temperature in the middle")
    return solution


if __name__ == "__main__":
    print(main())
