"""Diffusion through a medium that varies from place to place."""

from math import pi

from torch import Tensor, cos, exp, sin

from kanpde import Box, Problem, div, grad, manufactured


def diffusion(contrast: float = 0.8) -> Problem:
    """∇·(k ∇u) = f on [0, 1]², k = 1 + c sin 2πx cos 2πy, u = e^x sin πy, given on the walls."""

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return exp(x) * sin(pi * y)

    def operator(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        k = 1 + contrast * sin(2 * pi * x) * cos(2 * pi * y)
        return div([k * slope for slope in grad(u, x, y)], x, y)

    return manufactured(exact, operator, Box(x=(0, 1), y=(0, 1)))
