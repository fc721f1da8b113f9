"""Convection and diffusion in a stream that turns."""

from torch import Tensor, exp

from kanpde import Box, Problem, diff, laplacian, manufactured


def convection_diffusion(epsilon: float = 0.02) -> Problem:
    """y u_x − x u_y − ε Δu = f on [-1, 1]², u = exp(−4 (x − 0.3)² − 4 (y + 0.2)²), given on the walls."""

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return exp(-4 * (x - 0.3) ** 2 - 4 * (y + 0.2) ** 2)

    def operator(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return y * diff(u, x) - x * diff(u, y) - epsilon * laplacian(u, x, y)

    return manufactured(exact, operator, Box(x=(-1, 1), y=(-1, 1)))
