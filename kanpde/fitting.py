"""A function fitted by a network: least squares, as for equations, of u − f = 0."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from kanpde.conditions import as_column
from kanpde.derivatives import Column
from kanpde.domains import Domain
from kanpde.functions import called, columns
from kanpde.problem import Problem
from kanpde.solution import Solution
from kanpde.solver import solve

UNKNOWN, WHAT = "u", "the function to fit"


def fit(function: Callable[..., Tensor], domain: Domain, network: nn.Module | None = None, **settings: Any) -> Solution:
    """Train a network on a function of the coordinates, given by keyword as columns: the same as `solve` does for equations.

    `network` and `settings` are those of `solve`: `fit(lambda x: x.abs(), Box(x=(-1, 1)), KAN([1, 1]), refine=Grids((4, 8)))`.
    The unknown is u. Values measured at points are `Observations` of a problem instead. Raises TypeError or ValueError for what
    is no function of the coordinates, or none that autograd follows.
    """

    if not isinstance(domain, Domain):
        raise TypeError(f"domain is {domain!r}; give fit(function, domain) a domain, such as Box(x=(0, 1), y=(0, 1))")
    if UNKNOWN in domain.names:
        raise ValueError(f"{domain} has an axis {UNKNOWN}, as the unknown of a fit is called; give the axis another name")
    x = columns(domain.points(torch.full((1, domain.dimension), 0.5, dtype=torch.float64)), domain.names)
    as_column(called(WHAT, function, x), next(iter(x.values())), WHAT)

    def residual(u: Column, **x: Column) -> Column:
        return u - function(**x)

    return solve(Problem(domain, residual, {}, exact=function), network, **settings)
