"""Poisson's equation with each kind of condition on one side."""

from math import cos as number_cos
from math import sin as number_sin

from torch import Tensor, cos, exp

from kanpde import Box, Dirichlet, Neumann, Problem, Robin, laplacian


def mixed_poisson() -> Problem:
    """Δu + 3 e^x cos 2y = 0 on [0, 1]²: a value at x = 0, slopes at x = 1 and y = 0, u + ∂u/∂n at y = 1; u = e^x cos 2y."""
    square = Box(x=(0, 1), y=(0, 1))

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return exp(x) * cos(2 * y)

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return laplacian(u, x, y) + 3 * exact(x, y)

    conditions = {
        "held": Dirichlet(exact, on=square.at(x=0)),
        "heated": Neumann(exact, on=square.at(x=1)),  # u_x = u
        "insulated": Neumann(0.0, on=square.at(y=0)),
        "cooled": Robin(1.0, 1.0, lambda x, y: exp(x) * (number_cos(2) - 2 * number_sin(2)), on=square.at(y=1)),  # noqa: ARG005
    }
    return Problem(square, residual, conditions, exact)
