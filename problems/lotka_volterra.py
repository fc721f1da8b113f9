"""Prey and predators."""

from typing import Any

from torch import Tensor

from kanpde import Box, Dirichlet, Problem, diff
from problems._flow import flow, trajectory


def lotka_volterra(time: float = 30.0, prey: float = 0.9, predators: float = 0.9) -> Problem:
    """u' = u (2 − 4v) / 3, v' = v (u − 1), from the given numbers of prey u and predators v: about four periods.

    The reference is a Runge–Kutta solution at rounding.
    """
    days = Box(t=(0, time))

    def slope(u: Any, v: Any) -> tuple[Any, Any]:
        return u * (2 - 4 * v) / 3, v * (u - 1)

    values = trajectory(slope, (prey, predators), (0.0, time))

    def exact(t: Tensor) -> dict[str, Tensor]:
        return dict(zip(("u", "v"), flow(t, slope, values), strict=True))

    def residual(u: Tensor, v: Tensor, t: Tensor) -> dict[str, Tensor]:
        growth_u, growth_v = slope(u, v)
        return {"prey": diff(u, t) - growth_u, "predators": diff(v, t) - growth_v}

    conditions = {
        "start of u": Dirichlet(prey, on=days.at(t=0), of="u"),
        "start of v": Dirichlet(predators, on=days.at(t=0), of="v"),
    }
    return Problem(days, residual, conditions, exact)
