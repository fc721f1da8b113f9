"""Steady diffusion in an unknown medium: (a u')' = f, with u measured at some points and the flux at one end."""

from math import inf, pi

import torch
from torch import Tensor, exp, sin

from kanpde import Box, CoefficientField, Condition, Dirichlet, Observations, Problem, diff


def inverse_coefficient(count: int = 50, noise: float = 0.0, seed: int = 0) -> Problem:
    """a = 1 + ½ sin 2πx from `count` values of u = eˣ on [0, 1], with normal noise of the given deviation.

    Values of u alone leave a free by a multiple of 1/u', which the flux a u' at x = 0 decides.
    """
    line = Box(x=(0, 1))

    def exact(x: Tensor) -> Tensor:
        return exp(x)

    def medium(x: Tensor) -> Tensor:
        return 1 + sin(2 * pi * x) / 2

    def residual(u: Tensor, x: Tensor, a: Tensor) -> Tensor:
        return diff(a * diff(u, x), x) - diff(medium(x) * exact(x), x)

    def inflow(u: Tensor, x: Tensor, a: Tensor) -> Tensor:
        return a * diff(u, x) - medium(x) * exact(x)

    random = torch.Generator().manual_seed(seed)
    points = line.points(torch.rand(count, 1, generator=random, dtype=torch.float64))
    values = exact(points[:, 0]) + noise * torch.randn(count, generator=random, dtype=torch.float64)
    return Problem(
        line,
        residual,
        {"ends": Dirichlet(exact, on=line.boundary()), "inflow": Condition(inflow, on=line.at(x=0))},
        exact,
        {"a": CoefficientField(("x",), bounds=(0, inf), exact=medium)},
        [Observations(points, values, sigma=noise or None)],
    )
