"""A population that spreads: the equation of Fisher, Kolmogorov, Petrovsky and Piskunov."""

from math import sqrt

from torch import Tensor, sigmoid

from kanpde import Box, Dirichlet, Problem, diff


def fisher_front() -> Problem:
    """u_t = u_xx + u (1 − u) on -10 < x < 10, 0 < t < 2, values given.

    u = (1 + e^{(x − 5t/√6)/√6})⁻² (M. Ablowitz and A. Zeppetella, Bull. Math. Biol. 41, 1979).
    """
    strip = Box(x=(-10, 10), t=(0, 2))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return sigmoid((5 * t / sqrt(6) - x) / sqrt(6)) ** 2

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) - diff(u, x, x) - u * (1 - u)

    conditions = {"ends": Dirichlet(exact, on=strip.boundary("x")), "start": Dirichlet(exact, on=strip.at(t=0))}
    return Problem(strip, residual, conditions, exact)
