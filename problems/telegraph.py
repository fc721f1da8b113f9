"""The telegraph equation: waves on a line with losses."""

from math import pi, sqrt

from torch import Tensor, cos, exp, sin

from kanpde import Box, Condition, Dirichlet, Problem, diff


def telegraph(damping: float = 1.0, leakage: float = 2.0) -> Problem:
    """u_tt + 2a u_t + b² u = u_xx on 0 < x < 1, 0 < t < 2, u = 0 at both ends.

    u = e^{−at} cos ωt sin πx, ω² = π² + b² − a².
    """
    line = Box(x=(0, 1), t=(0, 2))
    frequency = sqrt(pi**2 + leakage**2 - damping**2)

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return exp(-damping * t) * cos(frequency * t) * sin(pi * x)

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t, t) + 2 * damping * diff(u, t) + leakage**2 * u - diff(u, x, x)

    conditions = {
        "ends": Dirichlet(0.0, on=line.boundary("x")),
        "start": Dirichlet(exact, on=line.at(t=0)),
        "current": Condition(lambda u, x, t: diff(u, t) + damping * sin(pi * x), on=line.at(t=0)),
    }
    return Problem(line, residual, conditions, exact)
