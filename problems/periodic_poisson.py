"""Poisson's equation on a torus, which leaves a constant free: the mean is given."""

from math import pi

from torch import Tensor, cos, exp, sin

from kanpde import Box, Integral, Periodic, Problem, laplacian


def periodic_poisson() -> Problem:
    """Δu = e^{sin x} (cos² x − sin x − 1) cos y on [0, 2π]², periodic, ∫u = 0: u = e^{sin x} cos y."""
    torus = Box(x=(0, 2 * pi), y=(0, 2 * pi))

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return exp(sin(x)) * cos(y)

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return laplacian(u, x, y) - (cos(x) ** 2 - sin(x) - 1) * exact(x, y)

    conditions = {
        "ring in x": Periodic("x"),
        "ring in y": Periodic("y"),
        "mean": Integral(lambda u, x, y: u),  # noqa: ARG005
    }
    return Problem(torus, residual, conditions, exact)
