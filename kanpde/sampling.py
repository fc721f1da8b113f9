"""Where to collocate: samplers fill the unit cube, regions map it to themselves.

`sampler.unit(count, dimension, seed)` gives about `count` points of [0, 1]^dimension, the same ones for the same seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil, pi
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from kanpde.devices import uniform
from kanpde.quasirandom import UnitCube, halton, latin_hypercube, sobol

Size = Callable[[UnitCube], Annotated[Tensor, "points"]]  # the absolute residual
Weighted = tuple[UnitCube, Annotated[Tensor, "points 1"]]  # points, and weights of their squares, one on average


@runtime_checkable
class Sampler(Protocol):
    def unit(self, count: int, dimension: int, seed: int) -> UnitCube: ...


@runtime_checkable
class Weighing(Protocol):
    """A sampler whose points do not all count alike for the equations."""

    def chosen(self, count: int, dimension: int, seed: int, size: Size) -> Weighted: ...


@dataclass(frozen=True)
class Uniform:
    """Independent uniform points."""

    def unit(self, count: int, dimension: int, seed: int) -> UnitCube:
        return torch.as_tensor(np.random.default_rng(seed).random((count, dimension)))


@dataclass(frozen=True)
class Sobol:
    """Scrambled Sobol points."""

    def unit(self, count: int, dimension: int, seed: int) -> UnitCube:
        return sobol(count, dimension, seed)


@dataclass(frozen=True)
class Halton:
    """Scrambled Halton points."""

    def unit(self, count: int, dimension: int, seed: int) -> UnitCube:
        return halton(count, dimension, seed)


@dataclass(frozen=True)
class LatinHypercube:
    """Latin hypercube points: each of `count` slices of each axis holds one."""

    def unit(self, count: int, dimension: int, seed: int) -> UnitCube:
        return latin_hypercube(count, dimension, seed)


@dataclass(frozen=True)
class GaussLegendre:
    """The tensor-product Gauss–Legendre nodes, at least `count` of them; the seed does not matter."""

    def unit(self, count: int, dimension: int, seed: int) -> UnitCube:  # noqa: ARG002
        nodes, _ = np.polynomial.legendre.leggauss(ceil(count ** (1 / dimension) - 1e-9))
        axis = torch.as_tensor((nodes + 1) / 2)
        return torch.cartesian_prod(*[axis] * dimension).reshape(-1, dimension)


@dataclass(frozen=True)
class CompositeGauss:
    """The composite Gauss–Legendre rule: `each` nodes on each of `cells` equal parts of an axis, whatever the count.

    Where cells are spans of splines, or parts of them, what equations add to ‖r‖² is its integral up to rounding, as orders of
    convergence ask for. Weighted conditions have the same nodes on their faces, all of one weight. Cells stay as they are
    where grids are refined: give each grid a rule of its own, as `convergence_study` does.

    Raises ValueError for cells or nodes that are no positive whole numbers.
    """

    cells: int
    each: int = 4

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"{name}={number!r}; give a positive whole number, as in CompositeGauss(cells=8, each=4)")

    def unit(self, count: int, dimension: int, seed: int) -> UnitCube:  # noqa: ARG002
        return self._rule(dimension)[0]

    def chosen(self, count: int, dimension: int, seed: int, size: Size) -> Weighted:  # noqa: ARG002
        return self._rule(dimension)

    def _rule(self, dimension: int) -> Weighted:
        nodes, weights = map(torch.as_tensor, np.polynomial.legendre.leggauss(self.each))
        axis = ((torch.arange(self.cells)[:, None] + (nodes + 1) / 2) / self.cells).flatten()
        shares = (weights * self.each / 2).repeat(self.cells)
        points, shares = (torch.cartesian_prod(*[t] * dimension).reshape(-1, dimension) for t in (axis, shares))
        return points, shares.prod(1, keepdim=True)


@dataclass(frozen=True)
class Graded:
    """Points of another sampler drawn towards the faces, where least-squares fits by polynomials need them.

    Each coordinate is mapped by a mean of the identity and of s ↦ (1 − cos πs)/2, whose density is the Chebyshev one;
    `share` is the weight of the latter.
    """

    base: Sampler = field(default_factory=LatinHypercube)
    share: float = 0.5

    def unit(self, count: int, dimension: int, seed: int) -> UnitCube:
        s = self.base.unit(count, dimension, seed)
        return (1 - self.share) * s + self.share * (1 - torch.cos(pi * s)) / 2


@dataclass(frozen=True)
class ResidualAdaptive:
    """Points where the residual is large: `count` of `ratio · count` candidates, by |r|ᵖ / mean |r|ᵖ + floor.

    RAD of C. Wu et al., CMAME 403 (2023), with its exponent p and its constant `floor`. Squares of rows are weighted by
    the inverse of their chance to be chosen (Horvitz and Thompson 1952), so that their sum still measures the whole domain.
    """

    base: Sampler = field(default_factory=Graded)
    ratio: int = 4
    exponent: float = 1.0
    floor: float = 1.0

    def unit(self, count: int, dimension: int, seed: int) -> UnitCube:
        return self.base.unit(count, dimension, seed)

    def chosen(self, count: int, dimension: int, seed: int, size: Size) -> Weighted:
        candidates = self.base.unit(self.ratio * count, dimension, seed)
        power = torch.nan_to_num(size(candidates)) ** self.exponent
        chance = power / power.mean().clamp_min(1e-300) + self.floor
        for _ in range(20):  # that sum to `count`, none above one
            chance = (chance * (count / chance.sum())).clamp_max(1.0)
        # systematic sampling: a comb of `count` teeth over the cumulated chances
        shift = uniform(1, random=torch.Generator().manual_seed(seed))
        chosen = torch.diff((chance.cumsum(0) + shift).floor(), prepend=torch.zeros(1, dtype=torch.float64)) > 0
        return candidates[chosen], 1 / (self.ratio * chance[chosen, None])
