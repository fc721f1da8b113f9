"""The heat equation for all conductivities at once."""

from math import pi

from torch import Tensor, exp, sin

from kanpde import Box, Dirichlet, Problem, diff


def parametric_heat(low: float = 0.05, high: float = 0.5) -> Problem:
    """u_t = κ u_xx on [0, 1]², u = 0 at both ends, with κ an axis like the others: u(x, t, κ) = e^{−κπ²t} sin πx."""
    rods = Box(x=(0, 1), t=(0, 1), kappa=(low, high))

    def exact(x: Tensor, t: Tensor, kappa: Tensor) -> Tensor:
        return exp(-(pi**2) * kappa * t) * sin(pi * x)

    def residual(u: Tensor, x: Tensor, t: Tensor, kappa: Tensor) -> Tensor:
        return diff(u, t) - kappa * diff(u, x, x)

    conditions = {"ends": Dirichlet(0.0, on=rods.boundary("x")), "start": Dirichlet(exact, on=rods.at(t=0))}
    return Problem(rods, residual, conditions, exact)
