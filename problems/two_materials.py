"""Conduction through a good conductor embedded in a bad one."""

from math import pi

from torch import Tensor, cos, exp, where

from kanpde import Box, Dirichlet, Disk, Interface, Problem, laplacian


def two_materials(contrast: float = 100.0, radius: float = 0.5) -> Problem:
    """∇·(k ∇u) = f on [-1, 1]², k = `contrast` in a disk about the middle and 1 around it, u = 0 on the walls.

    Value and flux k ∂u/∂n go through the rim. u = cos ½πx cos ½πy (r² − R²) eˣ / k: its slope across the rim jumps.
    """
    plate = Box(x=(-1, 1), y=(-1, 1))
    disk = Disk(x=0, y=0, radius=radius)

    def conductivity(x: Tensor, y: Tensor) -> Tensor:
        return where(x**2 + y**2 < radius**2, contrast, 1.0)

    def flow(x: Tensor, y: Tensor) -> Tensor:
        """k u."""
        return cos(pi * x / 2) * cos(pi * y / 2) * (x**2 + y**2 - radius**2) * exp(x)

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return flow(x, y) / conductivity(x, y)

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return conductivity(x, y) * laplacian(u, x, y) - laplacian(flow(x, y), x, y)

    conditions = {
        "walls": Dirichlet(0.0, on=plate.boundary()),
        "rim": Interface(inside=contrast, outside=1.0, on=disk.boundary()),
    }
    return Problem(plate, residual, conditions, exact)
