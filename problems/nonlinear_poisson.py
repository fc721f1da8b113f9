"""A nonlinear Poisson equation whose solution is no product of functions of one coordinate."""

from math import pi

from torch import Tensor, cos, exp, sin

from kanpde import Box, Dirichlet, Problem, laplacian


def nonlinear_poisson() -> Problem:
    """Δu = u³ + f on [-1, 1]², u = exp(sin πxy), given on the walls."""
    square = Box(x=(-1, 1), y=(-1, 1))

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return exp(sin(pi * x * y))

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        s = pi * x * y
        true = exact(x, y)
        curvature = true * pi**2 * (x**2 + y**2) * (cos(s) ** 2 - sin(s))  # Δ of the exact solution
        return laplacian(u, x, y) - u**3 - (curvature - true**3)

    return Problem(square, residual, {"walls": Dirichlet(exact, on=square.boundary())}, exact)
