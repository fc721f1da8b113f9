"""Poisson's equation in many dimensions."""

from math import pi

from torch import Tensor, cos

from kanpde import Box, Problem, laplacian, manufactured


def poisson_cosines(dimension: int = 5) -> Problem:
    """−Δu = f on [0, 1]ⁿ, u = Σ cos πxᵢ, values given on all sides."""

    def exact(**x: Tensor) -> Tensor:
        first, *others = (cos(pi * c) for c in x.values())
        return sum(others, start=first)

    def operator(u: Tensor, **x: Tensor) -> Tensor:
        return -laplacian(u, *x.values())

    return manufactured(exact, operator, Box(**{f"x{i + 1}": (0, 1) for i in range(dimension)}))
