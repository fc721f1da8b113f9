"""The heat equation u_t = α Δu."""

from math import pi

from torch import Tensor, exp, sin

from kanpde import Box, Dirichlet, Problem, diff, laplacian


def heat(alpha: float = 0.25) -> Problem:
    """u_t = α u_xx on [0, 1]², u = 0 at both ends, u = e^{−π²αt} sin πx."""
    return _modes({1: 1.0}, alpha)


def heat_two_modes(alpha: float = 0.05) -> Problem:
    """u_t = α u_xx on [0, 1]², u = 0 at both ends, u = sin πx + ½ sin 3πx at t = 0."""
    return _modes({1: 1.0, 3: 0.5}, alpha)


def heat_2d(alpha: float = 0.1) -> Problem:
    """u_t = α Δu on [0, 1]³, u = 0 at the walls, u = e^{−2π²αt} sin πx sin πy."""
    slab = Box(x=(0, 1), y=(0, 1), t=(0, 1))

    def exact(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return exp(-2 * pi**2 * alpha * t) * sin(pi * x) * sin(pi * y)

    def residual(u: Tensor, x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) - alpha * laplacian(u, x, y)

    conditions = {
        "walls": Dirichlet(0.0, on=slab.boundary("x", "y")),
        "start": Dirichlet(exact, on=slab.at(t=0)),
    }
    return Problem(slab, residual, conditions, exact)


def _modes(amplitudes: dict[int, float], alpha: float) -> Problem:
    """A sum of decaying sines of the given wave numbers."""
    rod = Box(x=(0, 1), t=(0, 1))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        terms = (a * exp(-((k * pi) ** 2) * alpha * t) * sin(k * pi * x) for k, a in amplitudes.items())
        return sum(terms, start=0 * x)

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) - alpha * diff(u, x, x)

    conditions = {"ends": Dirichlet(0.0, on=rod.boundary("x")), "start": Dirichlet(exact, on=rod.at(t=0))}
    return Problem(rod, residual, conditions, exact)
