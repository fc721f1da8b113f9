"""A damped harmonic oscillator."""

from math import pi, sqrt

from torch import Tensor, cos, exp, sin

from kanpde import Box, Condition, Dirichlet, Problem, diff


def oscillator(damping: float = 0.1, frequency: float = 2 * pi, time: float = 5.0) -> Problem:
    """u'' + 2ζω u' + ω² u = 0, u = 1 and u' = 0 at first, ζ < 1.

    u = e^{−ζωt} (cos at + ζω/a sin at), a = ω √(1 − ζ²).
    """
    span = Box(t=(0, time))
    decay, turn = damping * frequency, frequency * sqrt(1 - damping**2)

    def exact(t: Tensor) -> Tensor:
        return exp(-decay * t) * (cos(turn * t) + decay / turn * sin(turn * t))

    def residual(u: Tensor, t: Tensor) -> Tensor:
        return diff(u, t, t) + 2 * decay * diff(u, t) + frequency**2 * u

    conditions = {
        "place": Dirichlet(1.0, on=span.at(t=0)),
        "rest": Condition(lambda u, t: diff(u, t), on=span.at(t=0)),
    }
    return Problem(span, residual, conditions, exact)
