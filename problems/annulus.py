"""Laplace's equation between two circles."""

from math import log

import torch

from kanpde import Dirichlet, Disk, Problem, laplacian


def annulus(inner: float = 0.5, outer: float = 1.0) -> Problem:
    """Δu = 0 between two circles, u = 1 on the inner and 0 on the outer one; u = log(r/outer) / log(inner/outer)."""
    whole, hole = Disk(x=0, y=0, radius=outer), Disk(x=0, y=0, radius=inner)

    def exact(x, y):
        return torch.log((x**2 + y**2) / outer**2) / (2 * log(inner / outer))

    def laplace(u, x, y):
        return laplacian(u, x, y)

    conditions = {"inner": Dirichlet(1.0, on=hole.boundary()), "outer": Dirichlet(0.0, on=whole.boundary())}
    return Problem(whole - hole, laplace, conditions, exact)
