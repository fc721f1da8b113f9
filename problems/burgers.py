"""Burgers' equation from a sine: a shock forms."""

from math import pi

import torch
from torch import Tensor, cos, sin

from kanpde import Box, Dirichlet, Problem, diff

NODES = torch.linspace(
    -12, 12, 241, dtype=torch.float64
)  # of the trapezoidal rule, exact to rounding for what decays as e^{−z²}


def burgers(viscosity: float = 0.01 / pi) -> Problem:
    """u_t + u u_x = ν u_xx on -1 < x < 1, 0 < t < 1, u = −sin πx at t = 0, u = 0 at both ends.

    Cole and Hopf's formula (J. D. Cole, Quart. Appl. Math. 9, 1951): u is the mean of −sin πy with the weights
    exp(−cos(πy)/2πν − z²), y = x − z √(4νt). For ν ≥ 0.01/π, as the weights' own range e^{1/πν} has to be well inside of
    e^{12²}.
    """
    if viscosity < 0.01 / pi:
        raise ValueError(f"burgers(viscosity={viscosity:g}): its exact solution is evaluated for 0.01/π and more")
    strip = Box(x=(-1, 1), t=(0, 1))

    def start(x: Tensor) -> Tensor:
        return -sin(pi * x)

    def exact(x: Tensor, t: Tensor) -> Tensor:
        nodes = NODES.to(x.device)
        y = x - nodes * (4 * viscosity * t.clamp_min(1e-9)).sqrt()
        weights = torch.softmax(-cos(pi * y) / (2 * pi * viscosity) - nodes**2, 1)
        mean = (weights * start(y)).sum(1, keepdim=True)
        # the root has no slope at t = 0, but u has: there its Taylor series
        first = viscosity * pi**2 * sin(pi * x) - pi * sin(pi * x) * cos(pi * x)
        return torch.where(t < 1e-9, start(x) + t * first, mean)

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) + u * diff(u, x) - viscosity * diff(u, x, x)

    conditions = {
        "ends": Dirichlet(0.0, on=strip.boundary("x")),
        "start": Dirichlet(lambda x, t: start(x), on=strip.at(t=0)),  # noqa: ARG005
    }
    return Problem(strip, residual, conditions, exact)
