"""Magnetostatics: the field of a current."""

from math import pi

from torch import Tensor, cos, sin

from kanpde import Box, Dirichlet, Problem, curl, div


def magnetostatics() -> Problem:
    """∇·b = 0, ∇×b = 2π² sin πx sin πy on [0, 1]², b·n = 0 on the walls.

    b = π (sin πx cos πy, −cos πx sin πy), the curl of the potential sin πx sin πy.
    """
    square = Box(x=(0, 1), y=(0, 1))

    def exact(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"bx": pi * sin(pi * x) * cos(pi * y), "by": -pi * cos(pi * x) * sin(pi * y)}

    def residual(bx: Tensor, by: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        circulation = curl((bx, by), x, y)
        assert isinstance(circulation, Tensor)
        return {"gauss": div((bx, by), x, y), "ampere": circulation - 2 * pi**2 * sin(pi * x) * sin(pi * y)}

    conditions = {
        "left and right": Dirichlet(0.0, on=square.boundary("x"), of="bx"),
        "below and above": Dirichlet(0.0, on=square.boundary("y"), of="by"),
    }
    return Problem(square, residual, conditions, exact)
