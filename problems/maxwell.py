"""Maxwell's equations in a cavity."""

from math import hypot, pi

from torch import Tensor, cos, sin

from kanpde import Box, Dirichlet, Problem, diff


def maxwell(m: int = 1, n: int = 1) -> Problem:
    """e_t = ∂h_y/∂x − ∂h_x/∂y, ∂h_x/∂t = −e_y, ∂h_y/∂t = e_x on [0, 1]³: waves of e = E_z between conductors, e = 0 there.

    The standing wave e = sin mπx sin nπy cos ωt, ω = π √(m² + n²).
    """
    cavity = Box(x=(0, 1), y=(0, 1), t=(0, 1))
    frequency = pi * hypot(m, n)

    def exact(x: Tensor, y: Tensor, t: Tensor) -> dict[str, Tensor]:
        a, b = m * pi, n * pi
        return {
            "e": sin(a * x) * sin(b * y) * cos(frequency * t),
            "hx": -b / frequency * sin(a * x) * cos(b * y) * sin(frequency * t),
            "hy": a / frequency * cos(a * x) * sin(b * y) * sin(frequency * t),
        }

    def residual(e: Tensor, hx: Tensor, hy: Tensor, x: Tensor, y: Tensor, t: Tensor) -> dict[str, Tensor]:
        return {
            "ampere": diff(e, t) - diff(hy, x) + diff(hx, y),
            "faraday_x": diff(hx, t) + diff(e, y),
            "faraday_y": diff(hy, t) - diff(e, x),
        }

    conditions = {
        "conductors": Dirichlet(0.0, on=cavity.boundary("x", "y"), of="e"),
        "start of e": Dirichlet(lambda x, y, t: exact(x, y, t)["e"], on=cavity.at(t=0), of="e"),
        "start of hx": Dirichlet(0.0, on=cavity.at(t=0), of="hx"),
        "start of hy": Dirichlet(0.0, on=cavity.at(t=0), of="hy"),
    }
    return Problem(cavity, residual, conditions, exact)
