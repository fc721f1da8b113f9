"""JᵀJ of rows that are mostly zeros, from what is alive in them.

A point touches degree + 1 splines of each edge, whatever their number, and on points of a few neighbouring spans of an input
the same few are alive. So the products of an input's columns with each other and with all others take a small matrix product
for these spans, in place of one that is mostly of zeros. The others' rows become dense there and then, few enough at a time to
stay in the caches, as memory would cost more than arithmetic.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

Gram = Annotated[Tensor, "coefficients+1 coefficients+1"]  # (J, r)ᵀ(J, r) on and above the diagonal
DenseRows = Annotated[Tensor, "rows columns"]
RowNumbers = Annotated[Tensor, "rows"]

TILE = 200  # columns at a time of a product with itself, of which what is below the diagonal is left out
CACHED = 2**21  # bytes of dense rows at a time
LEAST = 60  # points of spans that are taken together: of fewer, adding products takes longer than making them
# what a product with few rows, the spans of an input, each of them and moving a number cost, in rows and multiplications
FEW, SPANS_COST, MOVING_COST = 16, 1.5e6, 150


def add_square(gram: Annotated[Tensor, "columns columns"], rows: DenseRows) -> None:
    count = rows.shape[1]
    tiles = max(1, count // TILE)
    bounds = [count * k // tiles for k in range(tiles + 1)]
    for low, high in pairwise(bounds):
        gram[low:high, low:].addmm_(rows[:, low:high].T, rows[:, low:])


def pays(points: int, local: int, count: int, edges: int, after: int) -> bool:
    """Whether products for few spans of an input at a time are cheaper than with all of its splines, of which so many are

    alive, with as many columns after them.
    """
    own, several = (count + 1) * edges, -(-LEAST * count // max(1, points))
    rows = max(FEW, edges * (local + several))
    dense = points * own * (own / 2 + after)
    sparse = points * rows * (rows + after) + SPANS_COST * (count / several)
    moved = points * local * after / count  # once more than with the rest, as if others were alike
    return dense > sparse + MOVING_COST * moved


@dataclass(frozen=True)
class Columns:
    """Neighbouring columns of all rows: a table of `size` times `edges`, of which row i has what `at[i]` says, else zeros."""

    start: int
    size: int
    edges: int
    at: Annotated[Tensor, "rows alive"]
    values: Annotated[Tensor, "rows alive edges"]

    @property
    def stop(self) -> int:
        return self.start + self.size * self.edges

    def add_to(self, dense: DenseRows, rows: RowNumbers) -> None:
        at = self.at.index_select(0, rows)[..., None].expand(-1, -1, self.edges)
        dense.unflatten(1, (self.size, self.edges)).scatter_add_(1, at, self.values.index_select(0, rows))


@dataclass(frozen=True)
class Splines:
    """Columns of one input: `count` splines, of which those alive follow each other, around a ring of them if it is one, and

    but for rings the activation.
    """

    columns: Columns
    count: int

    def add_to(self, gram: Gram, others: Sequence[Columns]) -> None:
        """Products with themselves and with other columns."""
        order = self.columns.at[:, 0].argsort()
        own, beside = self.columns, _Beside(others)
        edges, alive = own.edges, own.at.shape[1] - 1
        activation = slice(own.start + self.count * edges, own.stop)  # empty of a ring
        for chunk in _chunks(self._together(own.at[order, 0]), CACHED // (8 * beside.width)):
            low = chunk[0].points.start
            rows = order[low : chunk[-1].points.stop]
            dense, at, values = beside.dense(rows), own.at.index_select(0, rows), own.values.index_select(0, rows)
            weights = values[:, -1, : activation.stop - activation.start]
            add_square(gram[activation, activation], weights)
            beside.add_products(gram, activation, weights, dense)
            for first, spans, points in chunk:
                here = slice(points.start - low, points.stop - low)
                several = min(spans + alive - 1, self.count)
                splines = dense.new_zeros(points.stop - points.start, several, edges)
                among = (at[here, :-1, None] - first) % self.count
                splines.scatter_add_(1, among.expand(-1, -1, edges), values[here, :-1])
                parts = [
                    (splines[:, some].flatten(1), slice(own.start + edges * where.start, own.start + edges * where.stop))
                    for some, where in self._places(first, several)
                ]
                for left, where in parts:
                    for right, there in parts:
                        gram[where, there].addmm_(left.T, right)
                    gram[where, activation].addmm_(left.T, weights[here])
                    beside.add_products(gram, where, left, dense[here])

    def _together(self, first: Annotated[Tensor, "points"]) -> Iterator["_Spans"]:
        """Neighbouring spans with enough points, which are in the order of their first spline."""
        ends = torch.bincount(first, minlength=self.count).cumsum(0).tolist()
        start, low = 0, 0
        for span, high in enumerate(ends):
            if high - low >= LEAST or (span + 1 == self.count and high > low):
                yield _Spans(start, span + 1 - start, slice(low, high))
                start, low = span + 1, high
            elif high == low:
                start = span + 1

    def _places(self, first: int, several: int) -> Iterator[tuple[slice, slice]]:
        """So many splines from the first on, among themselves and among all; in two parts across the seam of a ring."""
        before = min(several, self.count - first)
        yield slice(0, before), slice(first, first + before)
        if before < several:
            yield slice(before, several), slice(0, several - before)


class _Spans(NamedTuple):
    """Neighbouring spans of an input, and the points in them."""

    first: int
    count: int
    points: slice


def _chunks(spans: Iterable[_Spans], most: int) -> Iterator[list[_Spans]]:
    """As many spans as have so many points together, or one that has more."""
    waiting: list[_Spans] = []
    for several in spans:
        if waiting and several.points.stop - waiting[0].points.start > most:
            yield waiting
            waiting = []
        waiting.append(several)
    if waiting:
        yield waiting


class _Beside:
    """Columns side by side as dense rows, without those that are between them in J."""

    def __init__(self, columns: Sequence[Columns]) -> None:
        self.columns = columns
        self.places: dict[int, slice] = {}  # among the dense ones, by where they start in J
        self.runs: list[tuple[slice, slice]] = []  # of neighbours, among the dense ones and in J
        self.width = 0
        self.memory = columns[0].values.new_empty(0)  # of the dense rows: taken anew each time, it would take longer than they
        for start, stop in sorted({(own.start, own.stop) for own in columns}):
            here = slice(self.width, self.width + stop - start)
            self.places[start], self.width = here, here.stop
            if self.runs and self.runs[-1][1].stop == start:
                before, there = self.runs.pop()
                self.runs.append((slice(before.start, here.stop), slice(there.start, stop)))
            else:
                self.runs.append((here, slice(start, stop)))

    def dense(self, rows: RowNumbers) -> DenseRows:
        count = len(rows) * self.width
        if count > len(self.memory):
            self.memory = self.columns[0].values.new_empty(count)
        found = self.memory[:count].view(len(rows), self.width).zero_()
        for own in self.columns:
            own.add_to(found[:, self.places[own.start]], rows)
        return found

    def add_products(self, gram: Gram, columns: slice, rows: DenseRows, dense: DenseRows) -> None:
        """Of rows of columns that are not among these."""
        for here, there in self.runs:
            if columns.start < there.start:
                gram[columns, there].addmm_(rows.T, dense[:, here])
            else:
                gram[there, columns].addmm_(dense[:, here].T, rows)

    def add_square(self, gram: Gram, dense: DenseRows) -> None:
        for number, (here, there) in enumerate(self.runs):
            add_square(gram[there, there], dense[:, here])
            for other, where in self.runs[number + 1 :]:
                gram[there, where].addmm_(dense[:, here].T, dense[:, other])


def add_products(gram: Gram, inputs: Sequence[Splines], rest: Sequence[Columns]) -> None:
    """Those of all columns with all: of these inputs by their spans, of the rest as they are."""
    for number, own in enumerate(inputs):
        own.add_to(gram, [*(other.columns for other in inputs[number + 1 :]), *rest])
    beside, count = _Beside(rest), len(rest[0].at)
    each = max(CACHED // (8 * beside.width), beside.width)  # of fewer rows, adding products takes longer than making them
    for rows in torch.arange(count).split(each):
        beside.add_square(gram, beside.dense(rows))
