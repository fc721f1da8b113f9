"""A front that Burgers' equation carries along."""

from torch import Tensor, tanh

from kanpde import Box, Dirichlet, Problem, diff


def burgers_front(viscosity: float = 0.05) -> Problem:
    """u_t + u u_x = ν u_xx on -1 < x < 1, 0 < t < 1, values given: a front of width 4ν between 1 and 0, of speed ½.

    u = ½ − ½ tanh((x − ½t) / 4ν).
    """
    strip = Box(x=(-1, 1), t=(0, 1))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return 0.5 - 0.5 * tanh((x - 0.5 * t) / (4 * viscosity))

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) + u * diff(u, x) - viscosity * diff(u, x, x)

    conditions = {"ends": Dirichlet(exact, on=strip.boundary("x")), "start": Dirichlet(exact, on=strip.at(t=0))}
    return Problem(strip, residual, conditions, exact)
