"""Stokes' equations: slow flow of a viscous fluid."""

from math import pi

from torch import Tensor, cos, sin

from kanpde import Box, Dirichlet, Integral, Problem, diff, div, laplacian


def stokes(viscosity: float = 1.0) -> Problem:
    """−ν Δu + ∇p = f, ∇·u = 0 on [0, 1]², no slip at the walls, p of mean zero.

    Manufactured: u = sin² πx sin 2πy, v = −sin 2πx sin² πy, p = cos πx cos πy.
    """
    square = Box(x=(0, 1), y=(0, 1))

    def exact(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {
            "u": sin(pi * x) ** 2 * sin(2 * pi * y),
            "v": -sin(2 * pi * x) * sin(pi * y) ** 2,
            "p": cos(pi * x) * cos(pi * y),
        }

    def residual(u: Tensor, v: Tensor, p: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        # sin² πx = (1 − cos 2πx) / 2, so that Δ sin² πx sin 2πy = −2π² (1 − 2 cos 2πx) sin 2πy
        bend = 2 * pi**2 * viscosity
        f = bend * (1 - 2 * cos(2 * pi * x)) * sin(2 * pi * y) - pi * sin(pi * x) * cos(pi * y)
        g = -bend * sin(2 * pi * x) * (1 - 2 * cos(2 * pi * y)) - pi * cos(pi * x) * sin(pi * y)
        return {
            "momentum_x": -viscosity * laplacian(u, x, y) + diff(p, x) - f,
            "momentum_y": -viscosity * laplacian(v, x, y) + diff(p, y) - g,
            "continuity": div((u, v), x, y),
        }

    conditions = {
        "no slip in x": Dirichlet(0.0, on=square.boundary(), of="u"),
        "no slip in y": Dirichlet(0.0, on=square.boundary(), of="v"),
        "mean pressure": Integral(lambda u, v, p, x, y: p),  # noqa: ARG005
    }
    return Problem(square, residual, conditions, exact)
