"""The wave equation."""

from math import pi

from torch import Tensor, cos, sin

from kanpde import Box, Condition, Dirichlet, Problem, diff


def wave(c: float = 2.0) -> Problem:
    """u_tt = c² u_xx on [0, 1]², u = 0 at both ends, u_t = 0 at t = 0, u = sin πx cos cπt + ½ sin 4πx cos 4cπt."""
    string = Box(x=(0, 1), t=(0, 1))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return sin(pi * x) * cos(c * pi * t) + 0.5 * sin(4 * pi * x) * cos(4 * c * pi * t)

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t, t) - c**2 * diff(u, x, x)

    conditions = {
        "ends": Dirichlet(0.0, on=string.boundary("x")),
        "shape": Dirichlet(exact, on=string.at(t=0)),
        "velocity": Condition(lambda u, x, t: diff(u, t), on=string.at(t=0)),  # noqa: ARG005
    }
    return Problem(string, residual, conditions, exact)
