"""Quadrature rules, as nodes with weights: on intervals, products of others, and between curves in the plane."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import combinations, pairwise
from math import ceil, pi
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rule = tuple[Annotated[Tensor, "nodes axes"], Annotated[Tensor, "nodes"]]
Numbers = NDArray[np.float64]
Graph = tuple[float, float, Callable[[Numbers], Numbers]]  # a curve y(x) from x = low to x = high

NEAR = 1e-12  # curves this near to each other, relative to the size of all, touch


def gauss(low: float, high: float, count: int) -> Rule:
    """Gauss–Legendre: exact for polynomials of degree 2 count − 1."""
    nodes, weights = (torch.as_tensor(part) for part in np.polynomial.legendre.leggauss(count))
    return low + (high - low) / 2 * (nodes[:, None] + 1), (high - low) / 2 * weights


def gauss_on_spans(
    breaks: Annotated[Tensor, "spans+1"], each: int
) -> tuple[Annotated[Tensor, "nodes"], Annotated[Tensor, "nodes"]]:
    """Gauss–Legendre on every span between breaks."""
    nodes, weights = map(torch.as_tensor, np.polynomial.legendre.leggauss(each))
    lengths = breaks.diff()[:, None]
    return (breaks[:-1, None] + lengths * (nodes + 1) / 2).flatten(), (lengths * weights / 2).flatten()


def circle(count: int) -> Rule:
    """Angles around, equally far apart: exact for trigonometric polynomials of degree 2 count − 1."""
    angles = pi / count * torch.arange(2 * count, dtype=torch.float64)[:, None]
    return angles, torch.full((2 * count,), pi / count, dtype=torch.float64)


def product(rules: Sequence[Rule]) -> Rule:
    """All tuples of nodes, with the products of their weights."""

    def two(one: Rule, other: Rule) -> Rule:
        (a, v), (b, w) = one, other
        return torch.cat([a.repeat_interleave(len(b), 0), b.repeat(len(a), 1)], 1), (v[:, None] * w).flatten()

    nothing = torch.zeros(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    return reduce(two, rules, nothing)


def together(rules: Sequence[Rule]) -> Rule:
    nodes, weights = zip(*rules, strict=True)
    return torch.cat(nodes), torch.cat(weights)


def share(count: int, part: float, whole: float) -> int:
    """Nodes for a part of what `count` nodes would be for, with a few for its own sake."""
    return min(count, 8 + ceil(count * part / whole))


def strips(graphs: Sequence[Graph], contains: Callable[[Tensor], Tensor], count: int) -> Rule:
    """The part of the plane that curves cut out and `contains` knows.

    Between the abscissas where curves begin, end or cross, it is a few strips from one curve to another. There x goes as
    the cosine of an angle, in which also a curve with a vertical tangent at an end is smooth: spectral convergence.
    """
    breaks = _breaks(graphs)
    heights = np.concatenate([curve(np.linspace(low, high, 17)) for low, high, curve in graphs])
    wide, tall = breaks[-1] - breaks[0], np.ptp(heights)
    rules = []
    for a, b in pairwise(breaks):
        middle, half = (a + b) / 2, (b - a) / 2
        across = [curve for low, high, curve in graphs if low < middle < high]
        across.sort(key=lambda curve: curve(np.array([middle]))[0])
        ends = np.array([curve(np.array([middle]))[0] for curve in across])
        between = np.stack([np.full(len(ends) - 1, middle), (ends[1:] + ends[:-1]) / 2], 1) if len(ends) else np.zeros((0, 2))
        inside = contains(torch.as_tensor(between)).cpu().numpy() & (np.diff(ends) > NEAR * tall)
        angles, weights = gauss(0, pi, share(count, b - a, wide))
        x, weights = middle - half * torch.cos(angles), half * weights * torch.sin(angles[:, 0])
        for first, last in _runs(inside):
            low, high = (torch.as_tensor(across[k](x.cpu().numpy())) for k in (first, last))
            s, shares = gauss(0, 1, share(count, (high - low).max().item(), tall))
            y = (low + (high - low) * s.T)[..., None]
            rules.append(
                (
                    torch.cat([x[:, None].expand_as(y), y], 2).flatten(0, 1),
                    (weights[:, None] * (high - low) * shares).flatten(),
                )
            )
    return together(rules)


def _runs(inside: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last curve of each run of gaps between neighbours that lie inside."""
    steps = np.diff(np.concatenate([[0], inside.astype(int), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


def _breaks(graphs: Sequence[Graph]) -> Numbers:
    """The abscissas where curves begin, end or cross."""
    found = [np.array([low, high]) for low, high, _ in graphs]
    tall = max(np.abs(curve(np.linspace(low, high, 17))).max() for low, high, curve in graphs)
    for (a, b, one), (c, d, other) in combinations(graphs, 2):
        low, high = max(a, c), min(b, d)
        if low < high:
            x = (low + high) / 2 - (high - low) / 2 * np.cos(np.linspace(0, pi, 257))
            gap = one(x) - other(x)
            x, gap = x[np.abs(gap) > NEAR * tall], gap[np.abs(gap) > NEAR * tall]
            crossed = np.flatnonzero(np.diff(np.sign(gap)))
            found.append(crossings(lambda s, one=one, other=other: one(s) > other(s), x[crossed], x[crossed + 1]))
    breaks = np.unique(np.concatenate(found))
    return breaks[np.concatenate([[True], np.diff(breaks) > NEAR * np.ptp(breaks)])]


def crossings(holds: Callable[[Numbers], NDArray[np.bool_]], low: Numbers, high: Numbers) -> Numbers:
    """Where a truth value changes between each low and high, by bisection."""
    at_low = holds(low) if len(low) else np.zeros(0, dtype=bool)
    for _ in range(60 if len(low) else 0):
        middle = (low + high) / 2
        same = holds(middle) == at_low
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return (low + high) / 2
