"""A breather of the sine–Gordon equation."""

from math import pi, sqrt

from torch import Tensor, atan, cos, cosh, sin

from kanpde import Box, Condition, Dirichlet, Problem, diff


def sine_gordon(frequency: float = 0.6) -> Problem:
    """u_tt − u_xx + sin u = 0 on -5 < x < 5, for one period 2π/ω, values at the ends given.

    u = 4 atan(k cos ωt / (ω cosh kx)), k = √(1 − ω²), for 0 < ω < 1.
    """
    k = sqrt(1 - frequency**2)
    line = Box(x=(-5, 5), t=(0, 2 * pi / frequency))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return 4 * atan(k * cos(frequency * t) / (frequency * cosh(k * x)))

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t, t) - diff(u, x, x) + sin(u)

    conditions = {
        "ends": Dirichlet(exact, on=line.boundary("x")),
        "shape": Dirichlet(exact, on=line.at(t=0)),
        "rest": Condition(lambda u, x, t: diff(u, t), on=line.at(t=0)),  # noqa: ARG005
    }
    return Problem(line, residual, conditions, exact)
