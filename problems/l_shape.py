"""Poisson's equation on an L, with a corner of 270°."""

from math import pi

from torch import Tensor, atan2, cos, exp, sin

from kanpde import Dirichlet, Polygon, Problem, laplacian


def l_shape() -> Problem:
    """Δu = f on [-1, 1]² without its lower right quarter, u = 0 on all edges.

    u = (1 − x²)(1 − y²) (r^⅔ sin ⅔θ eˣ + r^{4/3} sin 4θ/3 cos y + ½ r^{8/3} sin 8θ/3), θ from the edge to the right: the
    singular functions of the corner, each with another smooth factor. The gradient is not bounded.
    """
    plate = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])

    def exact(x: Tensor, y: Tensor) -> Tensor:
        r = (x**2 + y**2) ** 0.5
        # from the bisector, so that it jumps outside
        angle = 3 * pi / 4 + atan2(-x - y, y - x)

        def singular(k: int) -> Tensor:
            return r ** (2 * k / 3) * sin(2 * k * angle / 3)

        return (1 - x**2) * (1 - y**2) * (singular(1) * exp(x) + singular(2) * cos(y) + singular(4) / 2)

    def poisson(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return laplacian(u, x, y) - laplacian(exact(x, y), x, y).detach()

    return Problem(plate, poisson, {"walls": Dirichlet(0.0, on=plate.boundary())}, exact)
