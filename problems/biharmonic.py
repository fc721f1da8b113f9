"""The biharmonic equation: a clamped plate under a load."""

from math import pi

from torch import Tensor, cos, sin

from kanpde import Box, Dirichlet, Neumann, Problem, laplacian


def biharmonic() -> Problem:
    """Δ²u = f on [0, 1]², u = ∂u/∂n = 0 on the walls, u = sin² πx sin² πy."""
    plate = Box(x=(0, 1), y=(0, 1))

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return sin(pi * x) ** 2 * sin(pi * y) ** 2

    def load(x: Tensor, y: Tensor) -> Tensor:
        # sin² πx = (1 − cos 2πx) / 2, of which ∂⁴ is −8π⁴ cos 2πx and ∂² is 2π² cos 2πx
        a, b = cos(2 * pi * x), cos(2 * pi * y)
        return 4 * pi**4 * (4 * a * b - a - b)

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return laplacian(laplacian(u, x, y), x, y) - load(x, y)

    conditions = {"edge": Dirichlet(0.0, on=plate.boundary()), "slope": Neumann(0.0, on=plate.boundary())}
    return Problem(plate, residual, conditions, exact)
