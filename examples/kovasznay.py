"""Steady Navier–Stokes: Kovasznay's flow behind a row of obstacles, three unknowns and a pressure fixed by its mean.

(u·∇)u + ∇p = Δu / Re,   ∇·u = 0
"""

from math import pi, sqrt
from pathlib import Path

from torch import Tensor, cos, exp, sin

from kanpde import Box, Dirichlet, Integral, Problem, Solution, diff, div, laplacian, solve

REYNOLDS = 20
RATE = REYNOLDS / 2 - sqrt(REYNOLDS**2 / 4 + 4 * pi**2)
channel = Box(x=(-0.5, 1), y=(-0.5, 1.5))


def velocity_x(x: Tensor, y: Tensor) -> Tensor:
    return 1 - exp(RATE * x) * cos(2 * pi * y)


def velocity_y(x: Tensor, y: Tensor) -> Tensor:
    return RATE / (2 * pi) * exp(RATE * x) * sin(2 * pi * y)


def navier_stokes(u: Tensor, v: Tensor, p: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    return {
        "momentum_x": u * diff(u, x) + v * diff(u, y) + diff(p, x) - laplacian(u, x, y) / REYNOLDS,
        "momentum_y": u * diff(v, x) + v * diff(v, y) + diff(p, y) - laplacian(v, x, y) / REYNOLDS,
        "continuity": div((u, v), x, y),
    }


def main(max_seconds: float | None = 60, folder: Path = Path("out")) -> Solution:
    conditions = {
        "walls in x": Dirichlet(velocity_x, on=channel.boundary(), of="u"),
        "walls in y": Dirichlet(velocity_y, on=channel.boundary(), of="v"),
        "mean pressure": Integral(lambda u, v, p, x, y: p),  # noqa: ARG005
    }
    solution = solve(Problem(channel, navier_stokes, conditions), max_seconds=max_seconds)
    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "kovasznay.vtu")
    solution.plot(folder / "kovasznay.png")
    return solution


if __name__ == "__main__":
    print(main())
