"""A pendulum that swings far."""

from math import pi, sin, sqrt

import torch
from scipy.special import ellipj, ellipk
from torch import Tensor

from kanpde import Box, Condition, Dirichlet, Problem, diff
from problems._flow import flow


def pendulum(angle: float = 2.0, periods: float = 3.0) -> Problem:
    """u'' + sin u = 0, let go at rest from an angle, for several of its periods 4 K(k), k = sin ½ angle.

    u = 2 atan(k cn(t) / √(1 − k²)), with Jacobi's elliptic function of modulus k.
    """
    if not 0 < angle < pi:
        raise ValueError(f"angle={angle}; it must be between 0 and π, where the pendulum stands")
    k = sin(angle / 2)
    quarter = ellipk(k**2)
    days = Box(t=(0, 4 * quarter * periods))

    def exact(t: Tensor) -> Tensor:
        _, cn, _ = flow(
            t,
            lambda sn, cn, dn: (cn * dn, -sn * dn, -(k**2) * sn * cn),
            lambda times: ellipj(times, k**2)[:3],
        )
        return 2 * torch.atan(k / sqrt(1 - k**2) * cn)

    def residual(u: Tensor, t: Tensor) -> Tensor:
        return diff(u, t, t) + torch.sin(u)

    conditions = {
        "angle": Dirichlet(angle, on=days.at(t=0)),
        "rest": Condition(lambda u, t: diff(u, t), on=days.at(t=0)),
    }
    return Problem(days, residual, conditions, exact)
