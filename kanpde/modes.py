"""Global bases whose functions are ever finer modes: Chebyshev polynomials and Fourier series.

The functions on a coarse grid are the first ones of a finer grid, so that zeros for the others refine exactly.
"""

from dataclasses import dataclass
from math import factorial, pi

import torch
from torch import Tensor

from kanpde.bases import Alive, Basis, Everywhere, Functions, PerInput, Points
from kanpde.splines import Knots, uniform_knots


class Modes(Basis):
    """Functions that do not depend on how many there are."""

    def nests(self, spans: int, finer: int) -> bool:
        return finer >= spans


@dataclass(frozen=True)
class Chebyshev(Modes):
    """Chebyshev polynomials T₀, …, T_grid on the range of an input: spectral accuracy for smooth functions.

    Outside of the range the polynomials go on, with all their derivatives: T_n grows like cosh(n √(2δ)), δ half ranges away.
    Hidden inputs have a margin, and what goes a little beyond it does no harm. Derivatives are Gegenbauer polynomials: NIST
    Digital Library of Mathematical Functions, 18.9.19 and, for the recurrences, 18.9.1.
    """

    def counts(self, knots: Knots, periodic: Tensor) -> PerInput:
        return self.lengths(knots, periodic)

    def spread(self, alive: int) -> Tensor:
        return torch.arange(alive).clamp_min(1).double() ** -2

    def at(self, x: Points, knots: Knots, periodic: Tensor) -> Functions:
        low, high = self.ends(knots, periodic)
        counts, rate = self.counts(knots, periodic), 2 / (high - low)
        t = ((x - low) - (high - x)) / (high - low)
        return Everywhere(x, counts, lambda order: rate**order * chebyshev_derivatives(t, int(counts.max()), order))


def chebyshev_derivatives(t: Points, count: int, order: int) -> Alive:
    """T₀⁽ᵏ⁾, …, T⁽ᵏ⁾ of so many: T_n⁽ᵏ⁾ = 2ᵏ⁻¹ (k − 1)! n C⁽ᵏ⁾_{n−k}."""
    values = t.new_zeros(count, *t.shape)
    if order < count:
        values[order] = 1.0
    if order + 1 < count:
        values[order + 1] = t if order == 0 else 2 * order * t
    for n in range(order + 2, count):
        m = n - order
        if order == 0:
            torch.addcmul(-values[n - 2], t, values[n - 1], value=2.0, out=values[n])
        else:
            torch.mul(values[n - 2], -(m + 2 * order - 2) / m, out=values[n])
            values[n].addcmul_(t, values[n - 1], value=2 * (m + order - 1) / m)
    if order > 0:
        values *= (2 ** (order - 1) * factorial(order - 1) * torch.arange(count, dtype=t.dtype, device=t.device))[:, None, None]
    return values


@dataclass(frozen=True)
class Fourier(Modes):
    """1, cos kωx and sin kωx up to k = grid: spectral accuracy for smooth functions.

    The period is the range of a periodic input, which then has no seam, and twice the range of others, on which functions
    need not be periodic at all (D. Huybrechs, On the Fourier extension of nonperiodic functions, SINUM 47, 2010).
    """

    def knots(self, low: PerInput, high: PerInput, grid: int, periodic: Tensor) -> Knots:  # noqa: ARG002
        return uniform_knots(low, high, grid, 0)

    def counts(self, knots: Knots, periodic: Tensor) -> PerInput:
        return 2 * self.lengths(knots, periodic) - 1

    def spread(self, alive: int) -> Tensor:
        return (torch.arange(1, alive + 1) // 2).clamp_min(1).double() ** -2

    def at(self, x: Points, knots: Knots, periodic: Tensor) -> Functions:
        low, high = self.ends(knots, periodic)
        counts = self.counts(knots, periodic)
        numbers = torch.arange(1, int(counts.max()) // 2 + 1, dtype=x.dtype, device=x.device)
        rates = numbers[:, None] * 2 * pi / (high - low)
        rates = torch.where(periodic, rates, rates / 2)[:, None]
        phase = rates * (x - (low + high) / 2)
        cosines, sines = phase.cos(), phase.sin()

        def derivatives(order: int) -> Alive:
            turned = [(cosines, sines), (-sines, cosines), (-cosines, -sines), (sines, -cosines)][order % 4]
            pairs = rates**order * torch.stack(turned, 1).permute(1, 0, 2, 3)
            constant = torch.full_like(x, float(order == 0))
            return torch.cat([constant[None], pairs.transpose(0, 1).flatten(0, 1)])

        return Everywhere(x, counts, derivatives)
