"""Poisson's equation in a ball."""

from torch import exp, sin

from kanpde import Ball, Dirichlet, Problem, laplacian


def ball() -> Problem:
    """Δu = f in the unit ball, u = 0 on its surface; u = (1 − r²) sin(x + 2y) e^z."""
    body = Ball(x=0, y=0, z=0)

    def exact(x, y, z):
        return (1 - x**2 - y**2 - z**2) * sin(x + 2 * y) * exp(z)

    def poisson(u, x, y, z):
        return laplacian(u, x, y, z) - laplacian(exact(x, y, z), x, y, z)

    return Problem(body, poisson, {"surface": Dirichlet(0.0, on=body.boundary())}, exact)
