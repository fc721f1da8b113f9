"""Transmission from a good conductor into a bad one, with a narrow smooth change between."""

from math import log

from torch import Tensor, logaddexp, tanh, tensor

from kanpde import Box, Dirichlet, Problem, diff


def transmission(contrast: float = 100.0, width: float = 0.05) -> Problem:
    """(k u')' = 0 on [0, 1], u = 0 and 1 at the ends, k between 1 and `contrast`, the change at x = ½ of the given width.

    1/k = (1 + r)/2 − (1 − r)/2 tanh((x − ½)/w), r = 1/contrast, of which u is the integral: a bend from steep to flat.
    """
    line = Box(x=(0, 1))
    low = 1 / contrast

    def bend(x: Tensor) -> Tensor:
        """∫ tanh((x − ½)/w): w log cosh, without overflow."""
        z = (x - 0.5) / width
        return width * (logaddexp(z, -z) - log(2))

    def resistance(x: Tensor) -> Tensor:
        """∫ 1/k from 0 to x."""
        return (1 + low) / 2 * x - (1 - low) / 2 * (bend(x) - bend(0 * x))

    def exact(x: Tensor) -> Tensor:
        return resistance(x) / resistance(tensor([[1.0]], dtype=x.dtype))

    def residual(u: Tensor, x: Tensor) -> Tensor:
        k = 1 / ((1 + low) / 2 - (1 - low) / 2 * tanh((x - 0.5) / width))
        return diff(k * diff(u, x), x)

    return Problem(line, residual, {"ends": Dirichlet(lambda x: x, on=line.boundary())}, exact)
