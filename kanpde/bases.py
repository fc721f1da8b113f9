"""What edges are sums of: functions of one variable, on the range of each input of a layer.

A basis is a small frozen object without state: where its functions lie is told by knots, one row for each input. It gives
those that are alive at points (`at`), and the same functions on finer knots where that is exact (`embedded`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from numbers import Integral
from typing import Annotated, ClassVar, Protocol

import torch
from torch import Tensor

from kanpde.splines import Knots, LocalBasis, Spans, elevate_degree, insert_knot, insert_knots, insert_ring_knot, uniform_knots

Points = Annotated[Tensor, "points inputs"]
PerInput = Annotated[Tensor, "inputs"]
Alive = Annotated[Tensor, "alive points inputs"]
Own = Annotated[Tensor, "functions edges"]  # coefficients of one input


class Functions(Protocol):
    """Those alive at points: number m of an input is its function `first + m`, around the ring of a periodic input."""

    first: Spans

    def derivative(self, order: int) -> Alive: ...


class Basis(ABC):
    """Functions on the ranges of inputs. Knots are the ends of equal spans, unless a basis has others.

    Rows of knots that are shorter than others repeat their last one. `periodic` tells for each input whether it is a ring.
    """

    degree: int | None = None  # what `raised` raises

    @property
    def smoothness(self) -> float:
        """Number of continuous derivatives."""
        return inf

    def knots(self, low: PerInput, high: PerInput, grid: int, periodic: Annotated[Tensor, "inputs"]) -> Knots:
        """Knots on [low, high]; raises ValueError for inputs that the basis has no functions for."""
        if periodic.any():
            raise ValueError(f"{self!r} has no periodic functions; use basis=Fourier() or splines for periodic inputs")
        return uniform_knots(low, high, grid, 0)

    def lengths(self, knots: Knots, periodic: Annotated[Tensor, "inputs"]) -> PerInput:  # noqa: ARG002
        """How many knots of each row mean something."""
        return (knots < knots[:, -1:]).sum(1) + 1

    def ends(self, knots: Knots, periodic: Annotated[Tensor, "inputs"]) -> tuple[PerInput, PerInput]:  # noqa: ARG002
        return knots[:, 0], knots[:, -1]

    @abstractmethod
    def counts(self, knots: Knots, periodic: Annotated[Tensor, "inputs"]) -> PerInput:
        """Number of functions of each input."""

    @abstractmethod
    def at(self, x: Points, knots: Knots, periodic: Annotated[Tensor, "inputs"]) -> Functions: ...

    def spread(self, alive: int) -> Annotated[Tensor, "alive"]:
        """Relative sizes of the first coefficients of a network, of which smooth functions are made."""
        return torch.ones(alive, dtype=torch.float64)

    def raised(self, degree: int) -> "Basis":
        """The basis with polynomials of a higher degree."""
        raise ValueError(f"refined(degree={degree}): {self!r} has no degree to raise; refine its grid")

    def nests(self, spans: int, finer: int) -> bool:  # noqa: ARG002
        """Whether the functions on so many spans are the first ones of those on so many finer ones."""
        return False

    def embedded(self, own: Own, knots: Knots, periodic: Tensor, finer: "Basis", spans: int) -> tuple[Own, Knots] | None:
        """Coefficients and knots of the same functions on so many spans, of a finer basis of this kind, for one input.

        None where there are none: then they have to be fitted.
        """
        more = finer.knots(*self.ends(knots, periodic), spans, periodic)
        if not self.nests(int(self.lengths(knots, periodic)) - 1, spans):
            return None
        return torch.cat([own, own.new_zeros(int(finer.counts(more, periodic)) - len(own), own.shape[1])]), more


class Everywhere:
    """Functions each of which is alive on all of the range, from `derivatives(order)`; zero beyond an input's own number."""

    def __init__(self, x: Points, counts: PerInput, derivatives: Callable[[int], Alive]) -> None:
        self.first, self._made = torch.zeros_like(x, dtype=torch.long), derivatives
        self._beyond = torch.arange(int(counts.max()), device=x.device)[:, None, None] >= counts
        self._derivatives: dict[int, Alive] = {}

    def derivative(self, order: int) -> Alive:
        if order not in self._derivatives:
            self._derivatives[order] = self._made(order).masked_fill(self._beyond, 0.0)
        return self._derivatives[order]


class Piecewise(Basis):
    """B-splines, of polynomials of degree `pieces`: a few are alive at each point."""

    @property
    @abstractmethod
    def pieces(self) -> int: ...

    @property
    def smoothness(self) -> float:
        return self.pieces - 1

    def knots(self, low: PerInput, high: PerInput, grid: int, periodic: Tensor) -> Knots:
        """Clamped ones; for periodic inputs the uniform ones that continue beyond both ends."""
        steps = torch.arange(-self.pieces, grid + self.pieces + 1, dtype=low.dtype) / grid
        continued = low[:, None] + (high - low)[:, None] * steps
        return torch.where(periodic[:, None], continued, uniform_knots(low, high, grid, self.pieces))

    def lengths(self, knots: Knots, periodic: Tensor) -> PerInput:
        # clamped ones end in degree + 1 equal ones, periodic ones in a single one
        return (knots < knots[:, -1:]).sum(1) + torch.where(periodic, 1, self.pieces + 1)

    def ends(self, knots: Knots, periodic: Tensor) -> tuple[PerInput, PerInput]:
        counts = self.counts(knots, periodic)
        last = torch.where(periodic, counts + self.pieces, counts)
        return knots[:, self.pieces], knots.gather(1, last[:, None])[:, 0]

    def counts(self, knots: Knots, periodic: Tensor) -> PerInput:
        """One for each span of a periodic input, `pieces` more for others with simple inner knots."""
        return self.lengths(knots, periodic) - self.pieces - 1 - self.pieces * periodic.long()

    def at(self, x: Points, knots: Knots, periodic: Tensor) -> Functions:  # noqa: ARG002
        return LocalBasis(x, knots, self.pieces)

    def embedded(self, own: Own, knots: Knots, periodic: Tensor, finer: Basis, spans: int) -> tuple[Own, Knots] | None:
        """By degree elevation and knot insertion, where the finer spans are parts of the present ones."""
        assert isinstance(finer, Piecewise)
        before = len(knots.unique()) - 1
        if periodic.any() or spans % before:
            return None
        splines = own[None]
        for degree in range(self.pieces, finer.pieces):
            splines, knots = elevate_degree(splines, knots, degree)
        more = _subdivided(knots[0], spans // before)[None]
        return insert_knots(splines, knots, finer.pieces, more)[0], more

    def split(self, own: Own, knots: Knots, periodic: Tensor, inserted: Annotated[Tensor, "breaks"]) -> tuple[Own, Knots]:
        """Coefficients and knots of the same functions with more breaks, for one input, by knot insertion."""
        insert, more = insert_ring_knot if periodic.any() else insert_knot, knots[0]
        for knot in inserted:
            own, more = insert(own, more, self.pieces, knot)
        return own, more[None]


@dataclass(frozen=True)
class Splines(Piecewise):
    """B-splines of a degree, on `grid` spans: the edges of the KAN paper (arXiv 2404.19756)."""

    degree: int = 5

    def __post_init__(self) -> None:
        if not isinstance(self.degree, Integral) or self.degree < 1:
            raise ValueError(f"degree={self.degree!r}; splines have a whole number as their degree, at least one")
        object.__setattr__(self, "degree", int(self.degree))  # not one of numpy's, which no file holds

    def __str__(self) -> str:
        return f"splines of degree {self.degree}"

    @property
    def pieces(self) -> int:
        return self.degree

    def raised(self, degree: int) -> "Splines":
        finer = Splines(degree)
        if finer.degree < self.degree:
            raise ValueError(f"refined(degree={degree}) would lose accuracy: the network has degree {self.degree}")
        return finer


@dataclass(frozen=True)
class Hat(Piecewise):
    """Piecewise linear functions, one at each end of `grid` spans, as finite elements have them.

    Their slopes jump: they are for data, and for coefficients that no equation differentiates.
    """

    pieces: ClassVar[int] = 1

    def __str__(self) -> str:
        return "hats"


def _subdivided(knots: Annotated[Tensor, "knots"], parts: int) -> Annotated[Tensor, "more"]:
    """Knots with every span cut into equal parts."""
    distinct = knots.unique()
    cuts = distinct[:-1, None] + distinct.diff()[:, None] * torch.arange(1, parts, dtype=knots.dtype) / parts
    return torch.cat([knots, cuts.flatten()]).sort().values
