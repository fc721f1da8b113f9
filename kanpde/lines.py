"""Splines on a line or a ring with breaks anywhere, drawn together where a function bends.

Sources: C. de Boor, A Practical Guide to Splines (2001), chapter XII, for the breaks; J. Favard's constant for the error.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import pi
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from kanpde.bands import NormalBand
from kanpde.rules import gauss_on_spans
from kanpde.splines import LocalBasis

COARSEST = 8  # spans
FINEST = 1e-6  # span, of the whole
SLOPE = 0.4  # by which the lengths of spans may grow along the line

Breaks = Annotated[Tensor, "spans+1"]
Coefficients = Annotated[Tensor, "functions columns"]


@dataclass(frozen=True)
class Line:
    """Splines on [-1, 1], or on the ring of that length, between given breaks.

    One of degree 0 is a point: a single function, which is one. It stands for an axis that is not there.
    """

    breaks: Breaks
    degree: int
    ring: bool

    @staticmethod
    def uniform(spans: int, degree: int, ring: bool) -> "Line":
        return Line(torch.linspace(-1, 1, spans + 1, dtype=torch.float64), degree, ring)

    @staticmethod
    def point() -> "Line":
        return Line.uniform(1, 0, False)

    @property
    def is_point(self) -> bool:
        return self.degree == 0

    def halved(self) -> "Line":
        """With a break in the middle of each span."""
        return (
            self
            if self.is_point
            else replace(self, breaks=torch.cat([self.breaks, (self.breaks[:-1] + self.breaks[1:]) / 2]).sort().values)
        )

    @property
    def spans(self) -> int:
        return len(self.breaks) - 1

    @property
    def count(self) -> int:
        """Number of basis functions."""
        return self.spans if self.ring else self.spans + self.degree

    @cached_property
    def knots(self) -> Annotated[Tensor, "1 knots"]:
        p, b = self.degree, self.breaks
        if self.ring:
            return torch.cat([b[-p - 1 : -1] - 2, b, b[1 : p + 1] + 2])[None]
        return torch.cat([b[:1].expand(p), b, b[-1:].expand(p)])[None]

    def basis(self, x: Annotated[Tensor, "points"]) -> LocalBasis:
        return LocalBasis(x[:, None], self.knots, self.degree)

    def alive(self, basis: LocalBasis) -> Annotated[Tensor, "points degree+1"]:
        """The numbers of the functions that a basis holds."""
        return (basis.first + torch.arange(self.degree + 1)) % self.count

    def free(self, ends: tuple[int, int]) -> Annotated[Tensor, "functions"]:
        """One for each function, zero for the first and last that are to vanish with so many derivatives at the ends."""
        number = torch.arange(self.count)
        return ((number >= ends[0]) & (number < self.count - ends[1])).double()

    def values(self, coefficients: Coefficients, x: Annotated[Tensor, "points"], order: int = 0) -> Tensor:
        basis = self.basis(x)
        return torch.einsum("lx,xlc->xc", basis.derivative(order)[:, :, 0], coefficients[self.alive(basis)])

    def gauss(self, each: int) -> tuple[Annotated[Tensor, "points"], Annotated[Tensor, "points"]]:
        """Gauss points on every span, and weights of sum 2."""
        return gauss_on_spans(self.breaks, 1 if self.is_point else each)

    def fitted(self, coefficients: Coefficients, other: "Line", ends: tuple[int, int]) -> Coefficients:
        """Of a spline on another line the nearest one here, in least squares, with the first and last `ends` zero."""
        if torch.equal(self.breaks, other.breaks):
            return coefficients
        finer = Line(torch.cat([self.breaks, other.breaks]).unique(), self.degree, self.ring)
        x, weights = finer.gauss(self.degree + 1)
        return self.nearest(other.values(coefficients, x), x, weights, ends)

    def nearest(
        self,
        values: Annotated[Tensor, "points columns"],
        x: Annotated[Tensor, "points"],
        weights: Annotated[Tensor, "points"],
        ends: tuple[int, int],
    ) -> Coefficients:
        """The spline nearest to values at points, in weighted least squares, with the first and last `ends` zero."""
        basis = self.basis(x)
        alive, root = self.alive(basis), weights.sqrt()[:, None]
        rows = root * basis.derivative(0)[:, :, 0].T * self.free(ends)[alive]
        normal = NormalBand(self.degree + 1, 1, self.count, self.ring)
        normal.add(basis.first[:, 0], rows[:, None], torch.zeros(len(x), 1, dtype=torch.float64))
        factors = normal.factors()
        assert factors is not None
        found = torch.zeros(self.count, values.shape[1], dtype=torch.float64)
        for _ in range(2):  # the second repairs what normal equations lose
            missed, right = root * (values - self.values(found, x)), torch.zeros_like(found)
            for number, own in zip(alive.T, rows.T, strict=True):
                right.index_add_(0, number, own[:, None] * missed)
            found += factors.solve(right[:, None])[:, 0]
        return found

    def bends(self, coefficients: Coefficients) -> Annotated[Tensor, "spans"]:
        """About the largest |u⁽ᵖ⁺¹⁾| of the columns on each span, from the jumps of the p-th derivative at its ends.

        C. de Boor, A Practical Guide to Splines (2001), chapter XII.
        """
        lengths = self.breaks.diff()
        if self.is_point:
            return torch.zeros_like(lengths)
        highest = self.values(coefficients, self.breaks[:-1] + lengths / 2, self.degree)
        if self.ring:
            jumps = (highest - highest.roll(1, 0)).abs() / ((lengths + lengths.roll(1)) / 2)[:, None]
            both = torch.stack([jumps, jumps.roll(-1, 0)])
        else:
            jumps = highest.diff(dim=0).abs() / ((lengths[1:] + lengths[:-1]) / 2)[:, None]
            both = torch.stack([torch.cat([jumps[:1], jumps]), torch.cat([jumps, jumps[-1:]])])
        return both.mean(0).max(1).values

    def missed(self, bends: Annotated[Tensor, "spans"]) -> Annotated[Tensor, "spans"]:
        """A bound for the error of the best splines, about that of each span: (h/π)ᵖ⁺¹ |u⁽ᵖ⁺¹⁾|.

        It is sharp for waves of half a span, as J. Favard found; where spans resolve all waves the error is 2⁻ᵖ of it.
        """
        return (self.breaks.diff() / pi) ** (self.degree + 1) * bends

    def graded(self, bends: Annotated[Tensor, "spans"], error: float) -> "Line":
        """A line on which the best splines err by as much everywhere, as long as lengths do not change too fast."""
        if self.is_point:
            return self
        wanted = pi * (error / bends.clamp_min(1e-300)) ** (1 / (self.degree + 1))
        wanted = wanted.clamp(2 * FINEST, 2 / COARSEST)
        middle = (self.breaks[:-1] + self.breaks[1:]) / 2
        # h(x) ≤ h(y) + SLOPE |x − y| by a running minimum from either side, twice around a ring
        at = torch.cat([middle - 2, middle, middle + 2]) if self.ring else middle
        h = wanted.repeat(3) if self.ring else wanted
        rising = (h - SLOPE * at).cummin(0).values + SLOPE * at
        falling = ((h + SLOPE * at).flip(0).cummin(0).values).flip(0) - SLOPE * at
        h = torch.minimum(rising, falling)[len(middle) if self.ring else 0 :][: len(middle)]
        share = torch.cat([torch.zeros(1, dtype=torch.float64), (self.breaks.diff() / h).cumsum(0)])
        spans = max(COARSEST, int(share[-1].ceil()), 2 * self.degree + 2 if self.ring else 0)
        even = np.linspace(0, share[-1].item(), spans + 1)[1:-1]
        inner = torch.as_tensor(np.interp(even, share.cpu().numpy(), self.breaks.cpu().numpy()))
        return Line(torch.cat([self.breaks[:1], inner, self.breaks[-1:]]), self.degree, self.ring)
