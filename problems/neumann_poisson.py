"""Poisson's equation with slopes alone given, which leave a constant free: its mean is given too."""

from math import pi

from torch import Tensor, cos

from kanpde import Box, Integral, Neumann, Problem, laplacian


def neumann_poisson(mean: float = 0.0) -> Problem:
    """Δu = −5π² cos πx cos 2πy on [0, 1]², ∂u/∂n = 0 on the walls, ∫u = m: u = m + cos πx cos 2πy."""
    square = Box(x=(0, 1), y=(0, 1))

    def wave(x: Tensor, y: Tensor) -> Tensor:
        return cos(pi * x) * cos(2 * pi * y)

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return mean + wave(x, y)

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return laplacian(u, x, y) + 5 * pi**2 * wave(x, y)

    conditions = {"walls": Neumann(0.0, on=square.boundary()), "mean": Integral(lambda u, x, y: u, mean)}  # noqa: ARG005
    return Problem(square, residual, conditions, exact)
