"""The heat equation of unknown diffusivity: u_t = α u_xx, with u measured at some points."""

from math import pi

import torch
from torch import Tensor, exp, sin

from kanpde import Box, Dirichlet, Observations, Parameter, Problem, diff

ALPHA = 0.25


def inverse_heat(count: int = 50, noise: float = 0.0, seed: int = 0) -> Problem:
    """α = 0.25 from `count` values of u = e^{−π²αt} sin πx on [0, 1]², with normal noise of the given deviation."""
    rod = Box(x=(0, 1), t=(0, 1))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return exp(-(pi**2) * ALPHA * t) * sin(pi * x)

    def residual(u: Tensor, x: Tensor, t: Tensor, alpha: Tensor) -> Tensor:
        return diff(u, t) - alpha * diff(u, x, x)

    random = torch.Generator().manual_seed(seed)
    points = rod.points(torch.rand(count, 2, generator=random, dtype=torch.float64))
    values = exact(*points.T) + noise * torch.randn(count, generator=random, dtype=torch.float64)
    return Problem(
        rod,
        residual,
        {"ends": Dirichlet(0.0, on=rod.boundary("x")), "start": Dirichlet(exact, on=rod.at(t=0))},
        exact,
        {"alpha": Parameter(0.1, bounds=(0, 1), exact=ALPHA)},
        [Observations(points, values, sigma=noise or None)],
    )
