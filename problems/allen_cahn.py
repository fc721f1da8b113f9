"""The Allen–Cahn equation from x² cos πx."""

from math import pi

from torch import Tensor, cos

from kanpde import Box, Dirichlet, Periodic, Problem, diff


def allen_cahn() -> Problem:
    """u_t = 10⁻⁴ u_xx + 5u − 5u³ on -1 < x < 1, periodic, 0 < t < 1, u = x² cos πx at t = 0 (arXiv 1711.10561, section 3.1).

    The start has a slope of −2 at x = 1 and of 2 at x = −1: it is not smooth where the ends meet. No exact solution is
    known; `tests/benchmarks/references.py` makes one by Fourier series.
    """
    ring = Box(x=(-1, 1), t=(0, 1))

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) - 1e-4 * diff(u, x, x) - 5 * u + 5 * u**3

    conditions = {"ring": Periodic("x"), "start": Dirichlet(lambda x, t: x**2 * cos(pi * x), on=ring.at(t=0))}  # noqa: ARG005
    return Problem(ring, residual, conditions)
