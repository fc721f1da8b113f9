"""Euler–Bernoulli beams."""

from math import pi

from torch import Tensor, cos, sin

from kanpde import Box, Condition, Dirichlet, Neumann, Problem, diff


def beam(time: float = 0.5) -> Problem:
    """u_tt + u_xxxx = 0 on 0 < x < 1, 0 < t < `time`, u = u_xx = 0 at both ends, at rest at first.

    u = sin πx cos π²t + ¼ sin 2πx cos 4π²t.
    """
    strip = Box(x=(0, 1), t=(0, time))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return sin(pi * x) * cos(pi**2 * t) + sin(2 * pi * x) * cos(4 * pi**2 * t) / 4

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t, t) + diff(u, x, x, x, x)

    conditions = {
        "supports": Dirichlet(0.0, on=strip.boundary("x")),
        "moment": Condition(lambda u, x, t: diff(u, x, x), on=strip.boundary("x")),  # noqa: ARG005
        "shape": Dirichlet(exact, on=strip.at(t=0)),
        "rest": Condition(lambda u, x, t: diff(u, t), on=strip.at(t=0)),  # noqa: ARG005
    }
    return Problem(strip, residual, conditions, exact)


def cantilever(taper: float = 0.5) -> Problem:
    """(k u'')'' = f on 0 < x < 1, k = 1 − ax: clamped at x = 0, free of moment and given a force at x = 1.

    Manufactured: u = 1 − cos ½πx, so that k u'' = (π/2)² (1 − ax) cos ½πx.
    """
    line = Box(x=(0, 1))
    wave = pi / 2

    def exact(x: Tensor) -> Tensor:
        return 1 - cos(wave * x)

    def moment(u: Tensor, x: Tensor) -> Tensor:
        return (1 - taper * x) * diff(u, x, x)

    def residual(u: Tensor, x: Tensor) -> Tensor:
        load = wave**3 * (2 * taper * sin(wave * x) - wave * (1 - taper * x) * cos(wave * x))
        return diff(moment(u, x), x, x) - load

    conditions = {
        "clamp": Dirichlet(0.0, on=line.at(x=0)),
        "slope": Neumann(0.0, on=line.at(x=0)),
        "moment": Condition(moment, on=line.at(x=1)),
        "force": Condition(lambda u, x: diff(moment(u, x), x) + wave**3 * (1 - taper), on=line.at(x=1)),
    }
    return Problem(line, residual, conditions, exact)
