"""Poisson's equation Δu = f."""

from functools import reduce
from math import pi
from operator import mul

from torch import Tensor, cos, sin

from kanpde import Box, Dirichlet, Problem, laplacian


def poisson(dimension: int = 2) -> Problem:
    """Δu = f on [-1, 1]^d, u = 0 on the walls, u = Π sin πx_i; d is 1, 2 or 3."""
    if dimension not in (1, 2, 3):
        raise ValueError(f"dimension={dimension}; this problem has 1, 2 or 3")
    box = Box(**dict.fromkeys("xyz"[:dimension], (-1.0, 1.0)))

    def exact(**x: Tensor) -> Tensor:
        return reduce(mul, (sin(pi * column) for column in x.values()))

    def residual(u: Tensor, **x: Tensor) -> Tensor:
        return laplacian(u, *x.values()) + dimension * pi**2 * exact(**x)

    return Problem(box, residual, {"walls": Dirichlet(0.0, on=box.boundary())}, exact)


def poisson_kan() -> Problem:
    """The KAN paper's problem (arXiv 2404.19756, section 3.4): u = sin πx sin πy² on [-1, 1]², u = 0 on the walls."""
    square = Box(x=(-1, 1), y=(-1, 1))

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return sin(pi * x) * sin(pi * y**2)

    def source(x: Tensor, y: Tensor) -> Tensor:
        s = pi * y**2
        return sin(pi * x) * (2 * pi * cos(s) - (4 * pi**2 * y**2 + pi**2) * sin(s))

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return laplacian(u, x, y) - source(x, y)

    return Problem(square, residual, {"walls": Dirichlet(0.0, on=square.boundary())}, exact)


def poisson_multiscale(waves: tuple[int, ...] = (4, 8, 12, 16)) -> Problem:
    """−Δu = f on [0, 1]², u = 0 on the walls, u the mean of sin wπx sin wπy over `waves`."""
    square = Box(x=(0, 1), y=(0, 1))

    def modes(x: Tensor, y: Tensor, power: int) -> Tensor:
        """Mean of (2 w²π²)^power sin wπx sin wπy: the solution for power 0, the source for power 1."""
        terms = ((2 * (w * pi) ** 2) ** power * sin(w * pi * x) * sin(w * pi * y) for w in waves)
        return sum(terms, start=0 * x) / len(waves)

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return modes(x, y, 0)

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return laplacian(u, x, y) + modes(x, y, 1)

    return Problem(square, residual, {"walls": Dirichlet(0.0, on=square.boundary())}, exact)
