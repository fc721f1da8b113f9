"""Bases of bumps on a regular grid of centres: Gaussians of one width, and Mexican hats of many."""

from dataclasses import dataclass
from functools import cache, partial
from math import ceil

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from kanpde.bases import Alive, Basis, Everywhere, Functions, PerInput, Points
from kanpde.devices import CPU
from kanpde.splines import Knots

BEYOND = 3.0  # σ, as far as Gaussians outside of the range have their centres


def gaussian_derivative(t: Tensor, order: int) -> Tensor:
    """Derivative of exp(−t²/2): (−1)ᵏ He_k(t) exp(−t²/2), with Hermite's polynomials by their recurrence."""
    before, polynomial = torch.zeros_like(t), torch.ones_like(t)
    for k in range(order):
        before, polynomial = polynomial, t * polynomial - k * before
    return polynomial * (-1) ** order * torch.exp(-t.square() / 2)


def _bumps(x: Points, centres: Tensor, widths: Tensor) -> Tensor:
    """(x − c)/σ for each of the functions of each input."""
    return (x - centres.T[:, None]) / widths.T[:, None]


@dataclass(frozen=True)
class Gaussian(Basis):
    """Radial functions exp(−(x − c)²/2σ²) with centres c at the ends of `grid` spans and, as far as 3σ, beyond.

    σ is `width` times a span. The edges of arXiv 2405.06721 (FastKAN). However fine the grid is, errors stay above about 1e-7
    for width 1, 1e-10 for 1.5 (V. Maz'ya, G. Schmidt, Approximate Approximations, 2007); wide ones are badly conditioned.
    """

    width: float = 1.5

    def __post_init__(self) -> None:
        _check_width(self, self.width)

    @property
    def _outside(self) -> int:
        """Centres beyond each end."""
        return ceil(BEYOND * self.width)

    def counts(self, knots: Knots, periodic: Tensor) -> PerInput:
        return self.lengths(knots, periodic) + 2 * self._outside

    def at(self, x: Points, knots: Knots, periodic: Tensor) -> Functions:
        low, high = self.ends(knots, periodic)
        counts, outside = self.counts(knots, periodic), self._outside
        span = ((high - low) / (counts - 2 * outside - 1))[:, None]
        centres = low[:, None] + span * torch.arange(-outside, int(counts.max()) - outside, dtype=x.dtype, device=x.device)
        t, width = _bumps(x, centres, self.width * span), self.width * span.T
        return Everywhere(x, counts, lambda order: gaussian_derivative(t, order) / width**order)


@dataclass(frozen=True)
class MexicanHat(Basis):
    """A constant and wavelets ψ((x − c)/σ), ψ(t) = (1 − t²) exp(−t²/2), at all scales from the range to one of `grid` spans.

    From level to level spans are halved, on the way to the whole range rounded up; each level has centres at the ends of its
    spans, one more beyond on each side, and σ of `width` spans. The edges of arXiv 2405.12832 (Wav-KAN), whose scales are
    trained and here are not: twice the grid is one level more, whose coefficients begin as zero.
    """

    width: float = 0.5

    def __post_init__(self) -> None:
        _check_width(self, self.width)

    def counts(self, knots: Knots, periodic: Tensor) -> PerInput:
        each = [len(_levels(spans)[0]) + 1 for spans in (self.lengths(knots, periodic) - 1).tolist()]
        return torch.tensor(each, device=knots.device)

    def spread(self, alive: int) -> Tensor:
        return (1 + torch.arange(alive) // 4).double() ** -2  # as the squares of spans, from level to level

    def nests(self, spans: int, finer: int) -> bool:
        return finer % spans == 0 and (finer // spans).bit_count() == 1

    def at(self, x: Points, knots: Knots, periodic: Tensor) -> Functions:
        low, high = self.ends(knots, periodic)
        levels = [_levels(spans) for spans in (self.lengths(knots, periodic) - 1).tolist()]
        padded = (pad_sequence(list(rows), batch_first=True, padding_value=1.0) for rows in zip(*levels, strict=True))
        share, width = (rows.to(x.device) for rows in padded)
        length = (high - low)[:, None]
        widths = self.width * length * width
        t = _bumps(x, low[:, None] + length * share, widths)

        def derivatives(order: int) -> Alive:
            constant = torch.full_like(x, float(order == 0))
            return torch.cat([constant[None], -gaussian_derivative(t, order + 2) / widths.T[:, None] ** order])

        return Everywhere(x, self.counts(knots, periodic), derivatives)


@cache
def _levels(spans: int) -> tuple[Tensor, Tensor]:
    """Centres and lengths of spans, as shares of the range, of all levels, coarse ones first."""
    levels = [spans]
    while levels[0] > 1:
        levels.insert(0, (levels[0] + 1) // 2)
    float64 = partial(torch.tensor, dtype=torch.float64, device=CPU)
    centres = [number / n for n in levels for number in range(-1, n + 2)]
    return float64(centres), float64([1 / n for n in levels for _ in range(n + 3)])


def _check_width(basis: Basis, width: float) -> None:
    if not isinstance(width, int | float) or not 0 < width < 10:
        raise ValueError(f"{basis!r}; give a width between 0 and 10 spans")
