"""A function fitted by a network: least squares, as for equations, of u − f = 0."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from kanpde.derivatives import Column
from kanpde.domains import Domain
from kanpde.problem import Problem
from kanpde.solution import Solution
from kanpde.solver import solve


def fit(function: Callable[..., Tensor], domain: Domain, network: nn.Module | None = None, **settings: Any) -> Solution:
    """Train a network on a function of the coordinates, given by keyword as columns: the same as `solve` does for equations.

    `network` and `settings` are those of `solve`: `fit(lambda x: x.abs(), Box(x=(-1, 1)), KAN([1, 1]), refine=Grids((4, 8)))`.
    The unknown is u. Values measured at points are `Observations` of a problem instead.
    """

    def residual(u: Column, **x: Column) -> Column:
        return u - function(**x)

    return solve(Problem(domain, residual, {}, exact=function), network, **settings)
