"""The heat equation of two decaying modes: a strip of frames, and a time series for ParaView."""

from math import pi
from pathlib import Path

import numpy as np
from torch import Tensor, exp, sin

from kanpde import Box, Dirichlet, Problem, Solution, diff, solve
from kanpde.plot import plot_frames

ALPHA = 0.05
rod = Box(x=(0, 1), t=(0, 1))


def start(x: Tensor, t: Tensor) -> Tensor:  # noqa: ARG001
    return sin(pi * x) + 0.5 * sin(3 * pi * x)


def exact(x: Tensor, t: Tensor) -> Tensor:
    decay = exp(-ALPHA * pi**2 * t)
    return decay * sin(pi * x) + 0.5 * decay**9 * sin(3 * pi * x)


def heat(u: Tensor, x: Tensor, t: Tensor) -> Tensor:  # u_t = α u_xx
    return diff(u, t) - ALPHA * diff(u, x, x)


def main(max_seconds: float | None = None, folder: Path = Path("out")) -> Solution:
    conditions = {"ends": Dirichlet(0.0, on=rod.boundary("x")), "start": Dirichlet(start, on=rod.at(t=0))}
    solution = solve(Problem(rod, heat, conditions, exact=exact), max_seconds=max_seconds)

    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "heat.pvd")
    x, times = np.linspace(0, 1, 201), np.linspace(0, 1, 9)
    frames = np.stack([solution(x=x, t=np.full_like(x, t)) for t in times])
    plot_frames(folder / "heat.png", ("x",), (x,), times, frames, title="temperature")
    return solution


if __name__ == "__main__":
    print(main())
