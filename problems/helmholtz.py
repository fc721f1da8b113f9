"""Helmholtz' equation."""

from math import pi

from torch import Tensor, sin

from kanpde import Box, Dirichlet, Problem, laplacian


def helmholtz(a1: int = 1, a2: int = 4, k: float = 1.0) -> Problem:
    """Δu + k²u = q on [-1, 1]², u = 0 on the walls, u = sin a₁πx sin a₂πy (arXiv 2001.04536, section 4.1)."""
    square = Box(x=(-1, 1), y=(-1, 1))

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return sin(a1 * pi * x) * sin(a2 * pi * y)

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return laplacian(u, x, y) + k**2 * u - (k**2 - (a1 * pi) ** 2 - (a2 * pi) ** 2) * exact(x, y)

    return Problem(square, residual, {"walls": Dirichlet(0.0, on=square.boundary())}, exact)
