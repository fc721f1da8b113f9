"""When and where to refine: `refined(network)` is the next network of a solution, or None at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from kanpde.networks import KAN

RANGE_POINTS = 4096  # at which the ranges of hidden inputs are taken


class Refinement(Protocol):
    def refined(self, network: nn.Module) -> nn.Module | None: ...


@dataclass(frozen=True)
class Doubling:
    """Halve every span of every edge, exactly, up to `limit` spans."""

    limit: int = 32

    def refined(self, network: nn.Module) -> nn.Module | None:
        if not isinstance(network, KAN) or 2 * network.grid > self.limit:
            return None
        return with_ranges(network).refined(grid=2 * network.grid)


@dataclass(frozen=True)
class Grids:
    """Given grids, each a number of spans or (spans, degree); exact where one is a multiple of the one before."""

    grids: Sequence[int | tuple[int, int]]

    def refined(self, network: nn.Module) -> nn.Module | None:
        if not isinstance(network, KAN):
            return None
        for entry in self.grids:
            grid, degree = entry if isinstance(entry, tuple) else (entry, network.degree)
            if grid >= network.grid and degree >= network.degree and (grid, degree) != (network.grid, network.degree):
                return with_ranges(network).refined(grid=grid, degree=degree)
        return None


def with_ranges(network: KAN) -> KAN:
    """Hidden knots fitted to the ranges of their inputs on a dense, deterministic grid of the domain [-1, 1]^d."""
    if len(network.layers) == 1:
        return network
    inputs = len(network.layers[0].knots)
    axis = torch.linspace(-1, 1, max(5, round(RANGE_POINTS ** (1 / inputs))), dtype=torch.float64)
    return network.adapted(torch.cartesian_prod(*[axis] * inputs).reshape(-1, inputs))
