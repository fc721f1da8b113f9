"""Van der Pol's oscillator, which relaxes slowly and jumps fast."""

from typing import Any

from torch import Tensor

from kanpde import Box, Dirichlet, Problem, diff
from problems._flow import flow, trajectory


def van_der_pol(mu: float = 3.0, time: float = 20.0) -> Problem:
    """u' = v, v' = μ (1 − u²) v − u, u = 2 and v = 0 at first: about two periods.

    The reference is a Runge–Kutta solution at rounding.
    """
    span = Box(t=(0, time))

    def slope(u: Any, v: Any) -> tuple[Any, Any]:
        return v, mu * (1 - u**2) * v - u

    values = trajectory(slope, (2.0, 0.0), (0.0, time))

    def exact(t: Tensor) -> dict[str, Tensor]:
        return dict(zip(("u", "v"), flow(t, slope, values), strict=True))

    def residual(u: Tensor, v: Tensor, t: Tensor) -> dict[str, Tensor]:
        slope_u, slope_v = slope(u, v)
        return {"place": diff(u, t) - slope_u, "speed": diff(v, t) - slope_v}

    conditions = {
        "place at first": Dirichlet(2.0, on=span.at(t=0), of="u"),
        "speed at first": Dirichlet(0.0, on=span.at(t=0), of="v"),
    }
    return Problem(span, residual, conditions, exact)
