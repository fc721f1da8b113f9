"""A Klein–Gordon equation with a cubic term."""

from math import pi

from torch import Tensor, cos

from kanpde import Box, Problem, diff, manufactured


def klein_gordon() -> Problem:
    """u_tt − u_xx + u³ = f on [0, 1]², u = x cos 5πt + (xt)³ (arXiv 2001.04536, section 4.2)."""

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return x * cos(5 * pi * t) + (x * t) ** 3

    def operator(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t, t) - diff(u, x, x) + u**3

    return manufactured(exact, operator, Box(x=(0, 1), t=(0, 1)))
