"""Kovasznay's flow: steady Navier–Stokes behind a row of obstacles."""

from math import exp as number_exp
from math import pi, sqrt

from torch import Tensor, cos, exp, sin

from kanpde import Box, Dirichlet, Integral, Problem, diff, div, laplacian


def kovasznay(reynolds: float = 20.0) -> Problem:
    """(u·∇)u + ∇p = Δu / Re, ∇·u = 0 on [-½, 1] × [-½, 3/2], velocities given on the walls, p of mean zero.

    u = 1 − e^{λx} cos 2πy, v = λ/(2π) e^{λx} sin 2πy, p = const − e^{2λx}/2, with λ = Re/2 − √(Re²/4 + 4π²)
    (L. Kovasznay, Proc. Camb. Phil. Soc. 44, 1948).
    """
    channel = Box(x=(-0.5, 1), y=(-0.5, 1.5))
    rate = reynolds / 2 - sqrt(reynolds**2 / 4 + 4 * pi**2)
    mean = (number_exp(2 * rate) - number_exp(-rate)) / (4 * rate * 1.5)  # of e^{2λx}/2

    def exact(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        decay = exp(rate * x)
        return {
            "u": 1 - decay * cos(2 * pi * y),
            "v": rate / (2 * pi) * decay * sin(2 * pi * y),
            "p": mean - decay**2 / 2,
        }

    def residual(u: Tensor, v: Tensor, p: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {
            "momentum_x": u * diff(u, x) + v * diff(u, y) + diff(p, x) - laplacian(u, x, y) / reynolds,
            "momentum_y": u * diff(v, x) + v * diff(v, y) + diff(p, y) - laplacian(v, x, y) / reynolds,
            "continuity": div((u, v), x, y),
        }

    conditions = {
        "walls in x": Dirichlet(lambda x, y: exact(x, y)["u"], on=channel.boundary(), of="u"),
        "walls in y": Dirichlet(lambda x, y: exact(x, y)["v"], on=channel.boundary(), of="v"),
        "mean pressure": Integral(lambda u, v, p, x, y: p),  # noqa: ARG005
    }
    return Problem(channel, residual, conditions, exact)
