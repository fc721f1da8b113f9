"""The advection equation."""

from math import pi

from torch import Tensor, sin

from kanpde import Box, Dirichlet, Periodic, Problem, diff


def advection(c: float = 30.0) -> Problem:
    """u_t + c u_x = 0 on 0 < x < 2π, periodic, 0 < t < 1, u = sin(x − ct) (arXiv 2203.07404, section 5.1)."""
    ring = Box(x=(0, 2 * pi), t=(0, 1))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return sin(x - c * t)

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) + c * diff(u, x)

    return Problem(ring, residual, {"ring": Periodic("x"), "start": Dirichlet(exact, on=ring.at(t=0))}, exact)
