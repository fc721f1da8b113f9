"""Burgers' equation: a wave steepens into a shock, resolved by slabs of time and spans that follow the front."""

from math import pi
from pathlib import Path

import numpy as np
from torch import Tensor, sin

from kanpde import Box, Dirichlet, Marching, Problem, Solution, diff, solve
from kanpde.plot import plot_frames

VISCOSITY = 0.01 / pi
strip = Box(x=(-1, 1), t=(0, 1))


def burgers(u: Tensor, x: Tensor, t: Tensor) -> Tensor:  # u_t + u u_x = ν u_xx
    return diff(u, t) + u * diff(u, x) - VISCOSITY * diff(u, x, x)


def main(refine: Marching | None = None, folder: Path = Path("out")) -> Solution:
    conditions = {
        "ends": Dirichlet(0.0, on=strip.boundary("x")),
        "start": Dirichlet(lambda x, t: -sin(pi * x), on=strip.at(t=0)),  # noqa: ARG005
    }
    solution = solve(Problem(strip, burgers, conditions), refine=refine)

    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "burgers.pvd", points=401)
    x, times = np.linspace(-1, 1, 801), np.linspace(0, 1, 6)
    frames = np.stack([solution(x=x, t=np.full_like(x, t)) for t in times])
    plot_frames(folder / "burgers.png", ("x",), (x,), times, frames, title="velocity")
    return solution


if __name__ == "__main__":
    print(main())
