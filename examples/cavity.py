"""Flow in a cavity that its lid drives: all products of splines, drawn together at the lid's corners.

(u·∇)u + ∇p = Δu / Re,   ∇·u = 0,   u = 4x(1 − x) on the lid
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from kanpde import Box, Dirichlet, Problem, Solution, TensorProduct, diff, div, laplacian, solve

REYNOLDS = 100
square = Box(x=(0, 1), y=(0, 1))


def navier_stokes(u: Tensor, v: Tensor, p: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    return {
        "momentum_x": u * diff(u, x) + v * diff(u, y) + diff(p, x) - laplacian(u, x, y) / REYNOLDS,
        "momentum_y": u * diff(v, x) + v * diff(v, y) + diff(p, y) - laplacian(v, x, y) / REYNOLDS,
        "continuity": div((u, v), x, y),
    }


def main(size: int = 4000, folder: Path = Path("out")) -> Solution:
    conditions = {
        "lid": Dirichlet(lambda x, y: 4 * x * (1 - x), on=square.at(y=1), of="u"),  # noqa: ARG005
        "walls": Dirichlet(0.0, on=square.boundary("x"), of="u"),
        "floor": Dirichlet(0.0, on=square.at(y=0), of="u"),
        "around": Dirichlet(0.0, on=square.boundary(), of="v"),
        "pressure": Dirichlet(0.0, on=square.point(x=0, y=0), of="p"),
    }
    solution = solve(Problem(square, navier_stokes, conditions), refine=TensorProduct(size=size))

    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "cavity.vtu")
    axis = np.linspace(0, 1, 201)
    flow = solution(x=axis[None], y=axis[:, None])
    figure = Figure(figsize=(5.2, 4.4), layout="constrained")
    axes = figure.subplots()
    speed = np.hypot(flow["u"], flow["v"])
    shades = axes.pcolormesh(axis, axis, speed, shading="gouraud", cmap="viridis", rasterized=True)
    figure.colorbar(shades, label="speed")
    axes.streamplot(axis, axis, flow["u"], flow["v"], color="white", linewidth=0.7, density=1.3, arrowsize=0.8)
    axes.set(xlabel="x", ylabel="y", aspect="equal", xlim=(0, 1), ylim=(0, 1), title=f"Lid-driven cavity, Re {REYNOLDS}")
    figure.savefig(folder / "cavity.png", dpi=150)
    return solution


if __name__ == "__main__":
    print(main())
