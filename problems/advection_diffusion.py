"""Advection and diffusion with a boundary layer."""

from math import exp as number_exp

from torch import Tensor, exp

from kanpde import Box, Dirichlet, Problem, diff


def advection_diffusion(epsilon: float = 0.05) -> Problem:
    """u_x − ε u_xx = 1 on [0, 1], u = 0 at both ends: a layer of width ε at x = 1.

    u = x − (e^{(x−1)/ε} − e^{−1/ε}) / (1 − e^{−1/ε}), whose exponents are never positive.
    """
    line = Box(x=(0, 1))
    tail = number_exp(-1 / epsilon)

    def exact(x: Tensor) -> Tensor:
        return x - (exp((x - 1) / epsilon) - tail) / (1 - tail)

    def residual(u: Tensor, x: Tensor) -> Tensor:
        return diff(u, x) - epsilon * diff(u, x, x) - 1

    return Problem(line, residual, {"ends": Dirichlet(0.0, on=line.boundary())}, exact)
