"""The Korteweg–de Vries equation from a cosine: a train of solitons."""

from math import pi

from torch import Tensor, cos

from kanpde import Box, Dirichlet, Periodic, Problem, diff


def kdv() -> Problem:
    """u_t + u u_x + 0.022² u_xxx = 0 on -1 < x < 1, periodic, 0 < t < 1, u = cos πx at t = 0.

    N. Zabusky and M. Kruskal, Phys. Rev. Lett. 15 (1965). No exact solution is known; `tests/benchmarks/references.py`
    makes one by Fourier series.
    """
    ring = Box(x=(-1, 1), t=(0, 1))

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) + u * diff(u, x) + 0.022**2 * diff(u, x, x, x)

    conditions = {"ring": Periodic("x"), "start": Dirichlet(lambda x, t: cos(pi * x), on=ring.at(t=0))}  # noqa: ARG005
    return Problem(ring, residual, conditions)
