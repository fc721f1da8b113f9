"""A front between the phases of the Allen–Cahn equation."""

from math import sqrt

from torch import Tensor, tanh

from kanpde import Box, Dirichlet, Problem, diff


def allen_cahn_front(epsilon: float = 0.1) -> Problem:
    """u_t = ε² u_xx + u − u³ on -1 < x < 1, 0 < t < 1, values given: the phase u = 1 moves into u = 0.

    u = ½ − ½ tanh((x − 3εt/√2) / (2√2 ε)).
    """
    strip = Box(x=(-1, 1), t=(0, 1))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return 0.5 - 0.5 * tanh((x - 3 * epsilon / sqrt(2) * t) / (2 * sqrt(2) * epsilon))

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) - epsilon**2 * diff(u, x, x) - u + u**3

    conditions = {"ends": Dirichlet(exact, on=strip.boundary("x")), "start": Dirichlet(exact, on=strip.at(t=0))}
    return Problem(strip, residual, conditions, exact)
