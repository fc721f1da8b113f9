"""B-splines of any degree on any knots, for many inputs at once: pure functions of tensors.

Knots are clamped: a spline of degree p on the breakpoints a = b₀ < … < b_G = b repeats both ends p + 1 times and has
G + p coefficients if inner knots are simple. At a point only p + 1 functions differ from zero, so a *local* basis
(those functions, and the number of the first) is all that is ever evaluated. Outside [a, b] the polynomials of the
first and of the last span continue: every derivative is continuous across the ends.

Source of the recurrences: C. de Boor, A Practical Guide to Splines (2001), chapters IX to XI; of the polar forms:
L. Ramshaw, Blossoms are polar forms, CAGD 6 (1989).
"""

from math import ceil
from typing import Annotated

import torch
from torch import Tensor

Knots = Annotated[Tensor, "inputs knots"]  # one non-decreasing row for each input
Local = Annotated[Tensor, "degree+1 points inputs"]
Spans = Annotated[Tensor, "points inputs"]
Coefficients = Annotated[Tensor, "inputs count outputs"]
Row = Annotated[Tensor, "knots"]  # of a single input, as its coefficients
Own = Annotated[Tensor, "count outputs"]


def uniform_knots(low: Annotated[Tensor, "inputs"], high: Annotated[Tensor, "inputs"], grid: int, degree: int) -> Knots:
    """Clamped knots with `grid` equal spans on [low, high] for each input."""
    steps = torch.linspace(0, 1, grid + 1, dtype=low.dtype, device=low.device)
    inner = low[:, None] + (high - low)[:, None] * steps
    inner[:, -1] = high
    return torch.cat([low[:, None].expand(-1, degree), inner, high[:, None].expand(-1, degree)], 1)


def find_spans(x: Annotated[Tensor, "points inputs"], knots: Knots, degree: int) -> Spans:
    """Number k of the span with knots[k] ≤ x < knots[k + 1]; the first or last span outside, the last at the end."""
    inner = knots[:, degree : knots.shape[1] - degree].contiguous()
    spans = torch.searchsorted(inner, x.detach().T.contiguous(), right=True).T - 1
    # the last span that is not empty: the end knots may be repeated more than degree + 1 times
    last = (inner < inner[:, -1:]).sum(1) - 1
    return torch.minimum(spans.clamp_min(0), last) + degree


class LocalBasis:
    """The degree + 1 basis functions alive at each point, with derivatives of every order on demand.

    Parameters: points (points, inputs), knots (inputs, knots). Function m of `values` belongs to coefficient
    `first + m` of its input.
    """

    def __init__(self, x: Annotated[Tensor, "points inputs"], knots: Knots, degree: int) -> None:
        self.degree = degree
        spans = find_spans(x, knots, degree)
        self.first = spans - degree
        # window[a] = knot number span - degree + 1 + a, the 2·degree knots that the local functions know
        numbers = spans + torch.arange(1 - degree, degree + 1, device=x.device)[:, None, None]
        rows = torch.arange(x.shape[1], device=x.device)
        window = knots[rows, numbers]
        degrees = range(1, degree + 1)
        left, right = x - window[:degree], window[degree:] - x
        # _rates[q - 1]: one over the lengths of the supports of the functions of degree q - 1
        self._rates = [(window[degree : degree + q] - window[degree - q : degree]).reciprocal_() for q in degrees]
        # _table[q] holds the q + 1 local functions of degree q (Cox–de Boor)
        self._table = [torch.ones_like(x)[None]]
        for q in degrees:
            share = self._table[-1] * self._rates[q - 1]
            values = x.new_empty(q + 1, *x.shape)
            torch.mul(right[:q], share, out=values[:-1])
            values[-1] = 0.0
            values[1:].addcmul_(left[degree - q :], share)
            self._table.append(values)
        self._derivatives = {0: self._table[-1]}

    def derivative(self, order: int) -> Local:
        """Derivatives of the local functions; zero above the degree."""
        if order not in self._derivatives:
            start = self.degree - order
            values = self._table[start] if start >= 0 else torch.zeros_like(self._table[0])
            for q in range(max(start, 0) + 1, self.degree + 1):
                share = values.mul(self._rates[q - 1]).mul_(q)
                values = share.new_empty(q + 1, *share.shape[1:])
                torch.neg(share, out=values[:-1])
                values[-1] = 0.0
                values[1:] += share
            self._derivatives[order] = values
        return self._derivatives[order]


def blossom(
    coefficients: Annotated[Tensor, "inputs count outputs"],
    knots: Knots,
    degree: int,
    spans: Annotated[Tensor, "inputs functions"],
    arguments: Annotated[Tensor, "degree inputs functions"],
) -> Annotated[Tensor, "inputs functions outputs"]:
    """Polar form of the polynomial of each given span, at `degree` arguments: de Boor's triangle with one of them a row.

    It is symmetric and affine in each argument, equals the polynomial where all agree, and the coefficient of a
    spline is its value at the knots inside the support: refinement is evaluation of polar forms.
    """
    rows = torch.arange(len(knots), device=knots.device)[:, None]
    points = torch.stack([coefficients[rows, spans - degree + j] for j in range(degree + 1)])
    for level in range(1, degree + 1):
        u = arguments[level - 1]
        left = torch.stack([knots[rows, spans - degree + level + j] for j in range(degree - level + 1)])
        right = torch.stack([knots[rows, spans + 1 + j] for j in range(degree - level + 1)])
        weight = ((u - left) / (right - left))[..., None]
        points = (1 - weight) * points[:-1] + weight * points[1:]
    return points[0]


def insert_knots(coefficients: Coefficients, knots: Knots, degree: int, finer: Knots) -> Coefficients:
    """Coefficients of the same splines on finer knots, which must contain the old ones (Oslo algorithm).

    Raises ValueError if `finer` lacks one of the old knots.
    """
    _check_nested(knots, finer)
    count = finer.shape[1] - degree - 1
    # The span that holds the first knot of the new function's support keeps every combination convex or nearly so.
    spans = find_spans(finer[:, :count].T, knots, degree).T
    arguments = torch.stack([finer[:, 1 + j : 1 + j + count] for j in range(degree)])
    return blossom(coefficients, knots, degree, spans, arguments)


def insert_knot(coefficients: Own, knots: Row, degree: int, knot: Tensor) -> tuple[Own, Row]:
    """Coefficients and knots of the same splines of one input with one knot more: convex combinations of neighbours.

    Stable wherever it lies, where those of `insert_knots` need finer knots that are spaced much as the old ones
    (W. Boehm, Inserting new knots into B-spline curves, Computer-Aided Design 12, 1980).
    """
    span = int(find_spans(knot[None, None], knots[None], degree))
    near = torch.arange(span - degree + 1, span + 1, device=knots.device)
    share = ((knot - knots[near]) / (knots[near + degree] - knots[near]))[:, None]
    between = torch.lerp(coefficients[near - 1], coefficients[near], share)
    finer = torch.cat([coefficients[: span - degree + 1], between, coefficients[span:]])
    return finer, torch.cat([knots[: span + 1], knot[None], knots[span + 1 :]])


def insert_ring_knot(coefficients: Own, knots: Row, degree: int, knot: Tensor) -> tuple[Own, Row]:
    """The same for a periodic spline of G spans, whose knots continue for `degree` of them beyond either end.

    The ring is unrolled as far as its functions reach, and the knot inserted in each turn.
    """
    count = len(knots) - 2 * degree - 1
    period = knots[degree + count] - knots[degree]
    reach = ceil(degree / count)
    number = torch.arange(-2 * reach * count, (2 * reach + 1) * count + 1, device=knots.device)
    unrolled = knots[degree + number % count] + period * (number // count)
    own = coefficients[(number[: len(number) - degree - 1] + degree) % count]
    for turn in range(-reach, reach + 1):
        own, unrolled = insert_knot(own, unrolled, degree, knot + turn * period)
    first = (2 * count + 1) * reach - degree
    return own[first : first + count + 1], unrolled[first : first + count + 2 * degree + 2]


def elevate_degree(coefficients: Coefficients, knots: Knots, degree: int) -> tuple[Coefficients, Knots]:
    """The same splines as splines of one degree more, each distinct knot repeated once more.

    Inner knots keep the smoothness that they had, which costs coefficients: elevate while grids are coarse.
    """
    distinct = [torch.unique_consecutive(row, return_counts=True) for row in knots]
    raised = torch.stack([torch.repeat_interleave(values, counts + 1) for values, counts in distinct])
    count = raised.shape[1] - degree - 2
    inside = [raised[:, 1 + j : 1 + j + count] for j in range(degree + 1)]
    spans = find_spans(raised[:, :count].T, knots, degree).T
    # F_{p+1}(u₁, …, u_{p+1}) is the mean of F_p over the arguments with one left out.
    polars = [blossom(coefficients, knots, degree, spans, torch.stack(inside[:j] + inside[j + 1 :])) for j in range(degree + 1)]
    return torch.stack(polars).mean(0), raised


def _check_nested(knots: Knots, finer: Knots) -> None:
    for old, new in zip(knots, finer, strict=True):
        for value, count in zip(*torch.unique_consecutive(old, return_counts=True), strict=True):
            if (new == value).sum() < count:
                raise ValueError(
                    f"the finer knots hold {value:g} {int((new == value).sum())} times, the old ones {int(count)} times; "
                    "exact refinement needs every old knot, so take a multiple of the old grid"
                )
