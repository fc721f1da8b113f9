"""A soliton of the Korteweg–de Vries equation."""

from math import sqrt

from torch import Tensor, cosh

from kanpde import Box, Condition, Dirichlet, Problem, diff


def kdv_soliton(speed: float = 2.0) -> Problem:
    """u_t + 6 u u_x + u_xxx = 0 on -5 < x < 5, 0 < t < 1, values at the ends and the slope at the right given.

    u = ½c / cosh²(½√c (x + ½c − ct)), with c the speed.
    """
    canal = Box(x=(-5, 5), t=(0, 1))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return speed / 2 / cosh(sqrt(speed) / 2 * (x + speed / 2 - speed * t)) ** 2

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) + 6 * u * diff(u, x) + diff(u, x, x, x)

    conditions = {
        "ends": Dirichlet(exact, on=canal.boundary("x")),
        "slope": Condition(lambda u, x, t: diff(u, x) - diff(exact(x, t), x), on=canal.at(x=5)),
        "start": Dirichlet(exact, on=canal.at(t=0)),
    }
    return Problem(canal, residual, conditions, exact)
