"""Pieces of the Jacobian: rows of some points, and what optimizers make of them: dense rows, JᵀJ, products with vectors.

A point touches degree + 1 splines of each edge, whatever their number, and on points of the same span of an input the same
ones are alive; of a global basis all are, as on a single span. So JᵀJ takes one small product for each span in place of one
that is mostly of zeros, and J itself is never needed: with T⁽ᵏ⁾ the alive functions' derivatives, its rows are
Σ_k T⁽ᵏ⁾ ⊗ ∂r/∂S_k, and S_k the edges' derivatives.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import Annotated, Protocol

import torch
from torch import Tensor

from kanpde.grams import Columns, Gram, Splines, add_products, add_square, pays
from kanpde.layers import EdgeFunctions

Vector = Annotated[Tensor, "coefficients"]
Residual = Annotated[Tensor, "rows"]
Rows = Annotated[Tensor, "rows coefficients+1"]  # of the Jacobian and, last, the residual

EdgeGrams = Annotated[Tensor, "edges size size"]  # JᵀJ of each edge alone


@dataclass(frozen=True)
class Block:
    """Coefficients of the edges of one input: `size` rows of a table, the activation's last, one column for each edge."""

    start: int
    size: int
    edges: int

    @property
    def columns(self) -> slice:
        return slice(self.start, self.start + self.size * self.edges)


class Operator(Protocol):
    """Some rows of J, as a linear map in little memory."""

    @property
    def count(self) -> int: ...
    @property
    def size(self) -> int: ...
    def blocks(self) -> set[Block]:
        """Of the edges that these rows depend on, where that is known."""
        ...

    def times(self, move: Vector) -> Residual: ...
    def transposed_times(self, weights: Residual) -> Vector: ...
    def add_gram(self, block: Block, gram: EdgeGrams) -> None:
        """Add JᵀJ of each edge alone; rows that evaluate an edge twice count as two."""
        ...


class Piece(Protocol):
    """Some rows of J and r."""

    @property
    def size(self) -> int: ...
    @property
    def residual(self) -> Residual: ...
    def dense(self) -> Rows: ...
    def add_to(self, gram: Gram) -> None: ...
    def operator(self) -> Operator: ...


@dataclass(frozen=True)
class Dense:
    """Rows of which nothing is known."""

    rows: Rows

    @property
    def size(self) -> int:
        return self.rows.shape[1] - 1

    @property
    def residual(self) -> Residual:
        return self.rows[:, -1]

    def dense(self) -> Rows:
        return self.rows

    def operator(self) -> Operator:
        return self

    @property
    def count(self) -> int:
        return len(self.rows)

    def blocks(self) -> set[Block]:
        return set()

    def add_to(self, gram: Gram) -> None:
        add_square(gram, self.rows)

    def times(self, move: Vector) -> Residual:
        return self.rows[:, :-1] @ move

    def transposed_times(self, weights: Residual) -> Vector:
        return self.rows[:, :-1].T @ weights

    def add_gram(self, block: Block, gram: EdgeGrams) -> None:
        own = self.rows[:, block.columns].unflatten(1, (block.size, block.edges)).permute(2, 0, 1)
        gram.baddbmm_(own.mT, own)


@dataclass(frozen=True)
class Edges:
    """Rows of one evaluation of a layer, whose coefficients begin at column `start`: ∂r/∂S_k for the orders k it took."""

    functions: EdgeFunctions
    gradients: Mapping[int, Annotated[Tensor, "points inputs edges"]]
    start: int

    def alive(self, inputs: slice = slice(None)) -> Annotated[Tensor, "points inputs local edges"]:
        """∂r/∂c = Σ_k T⁽ᵏ⁾ ∂r/∂S_k, of the coefficients that a point touches, of all inputs or some."""
        found: Tensor | None = None
        for order, gradient in self.gradients.items():
            terms, gradient = self.functions.terms(order)[:, inputs, :, None], gradient[:, inputs, None]
            found = terms * gradient if found is None else found.addcmul_(terms, gradient)
        assert found is not None
        return found

    def scatter(self, alive: Tensor, rows: Rows) -> None:
        """Add what is alive to the columns of the layer."""
        table = self.functions.layer.table
        own = rows[:, self.start : self.start + table.numel()].unflatten(1, table.shape)
        at = self.functions.rows.flatten(1)[..., None].expand(-1, -1, table.shape[1])
        own.scatter_add_(1, at, alive.flatten(1, 2))

    def columns(self, alive: Annotated[Tensor, "points inputs local edges"], inputs: slice) -> Columns:
        """Those of some neighbouring inputs."""
        layer = self.functions.layer
        starts = [*layer.first_row.tolist(), len(layer.table)]
        first, last = starts[inputs.start], starts[inputs.stop]
        start, edges = self.start + first * layer.table.shape[1], layer.table.shape[1]
        at = self.functions.rows[:, inputs].flatten(1) - first
        return Columns(start, last - first, edges, at, alive[:, inputs].flatten(1, 2))

    def input(self, number: int) -> "Input":
        layer, functions = self.functions.layer, self.functions
        count, row, edges = int(layer.counts[number]), int(layer.first_row[number]), layer.table.shape[1]
        first = functions.rows[:, number, 0] - row
        terms = torch.stack([functions.terms(order)[:, number] for order in self.gradients], 1)
        gradients = torch.stack([gradient[:, number] for gradient in self.gradients.values()], 1)
        order = None if (first.diff() >= 0).all() else first.argsort()
        if order is not None:
            terms, gradients = terms[order], gradients[order]
        ends = torch.bincount(first, minlength=count).cumsum(0).tolist()
        block = Block(self.start + row * edges, count + int(not layer.periodic[number]), edges)
        return Input(block, count, terms, gradients, order, ends)


@dataclass(frozen=True)
class Input:
    """Rows of one evaluation of the edges of one input, in the order of its spans.

    `count` splines, of which those that are alive follow each other, around the ring of a periodic input; `terms` has the
    activation last; `order` are the points in the order of their rows in the piece, None if it is the same; `ends[k]` is how
    many points' first spline is number k or less.
    """

    block: Block
    count: int
    terms: Annotated[Tensor, "points orders local"]
    gradients: Annotated[Tensor, "points orders edges"]
    order: Annotated[Tensor, "points"] | None
    ends: Sequence[int]

    @property
    def is_periodic(self) -> bool:
        return self.block.size == self.count

    def sorted(self, rows: Tensor) -> Tensor:
        """Rows of the piece, in the order of this input."""
        return rows if self.order is None else rows.index_select(0, self.order)

    def spans(self) -> Iterator[tuple[int, slice]]:
        """First alive spline and points of each span that has any."""
        for first, (low, high) in enumerate(pairwise([0, *self.ends])):
            if low < high:
                yield first, slice(low, high)

    def places(self, first: int) -> Iterator[tuple[slice, slice]]:
        """Alive splines from the given one on, among themselves and among all; in parts across the seam of a ring, which may be

        shorter than they are many.
        """
        done, alive = 0, self.terms.shape[2] - 1
        while done < alive:
            several = min(alive - done, self.count - first)
            yield slice(done, done + several), slice(first, first + several)
            done, first = done + several, 0

    def times(self, move: Vector) -> Residual:
        table = move[self.block.columns].view(self.block.size, self.block.edges)
        found = table.new_empty(len(self.terms))
        for first, points in self.spans():  # what belongs to one span stays in the caches
            terms, gradients = self.terms[points].flatten(0, 1), self.gradients[points].flatten(0, 1)
            edges = torch.zeros_like(gradients) if self.is_periodic else terms[:, -1:] * table[-1]
            for some, at in self.places(first):
                edges.addmm_(terms[:, some], table[at])
            torch.sum(edges.mul_(gradients).view(points.stop - points.start, -1), 1, out=found[points])
        return found if self.order is None else torch.empty_like(found).index_copy_(0, self.order, found)

    def transposed_times(self, weights: Residual) -> Annotated[Tensor, "size edges"]:
        weights = self.sorted(weights)
        found = weights.new_zeros(self.block.size, self.block.edges)
        for first, points in self.spans():
            terms = self.terms[points].flatten(0, 1)
            weighted = (self.gradients[points] * weights[points, None, None]).flatten(0, 1)
            for some, at in self.places(first):
                found[at].addmm_(terms[:, some].T, weighted)
            if not self.is_periodic:
                found[-1].addmv_(weighted.T, terms[:, -1])
        return found

    def add_gram(self, gram: EdgeGrams) -> None:
        activation = [] if self.is_periodic else [(slice(-1, None), slice(-1, None))]
        for first, points in self.spans():
            alive = torch.einsum("pkl,pke->epl", self.terms[points], self.gradients[points])
            product = alive.mT @ alive
            places = [*self.places(first), *activation]
            for some, at in places:
                for more, there in places:
                    gram[:, at, there] += product[:, some, more]

    def joined(self, others: Sequence["Input"]) -> "Input":
        """Its rows and those of others with the same block, one after the other."""
        every = [self, *others]
        starts = [0, *accumulate(len(own.terms) for own in every)]
        firsts = torch.cat([torch.arange(len(own.ends)).repeat_interleave(_counts(own.ends)) for own in every])
        rows = [torch.arange(len(own.terms)) if own.order is None else own.order for own in every]
        at = torch.cat([start + own for start, own in zip(starts, rows, strict=False)])
        order = firsts.argsort(stable=True)
        terms, gradients = (torch.cat(parts)[order] for parts in zip(*((o.terms, o.gradients) for o in every), strict=True))
        ends = _counts(self.ends) + sum(_counts(own.ends) for own in others)
        return Input(self.block, self.count, terms, gradients, at[order], ends.cumsum(0).tolist())


def _counts(ends: Sequence[int]) -> Annotated[Tensor, "spans"]:
    return torch.tensor(ends).diff(prepend=torch.tensor([0]))


@dataclass(frozen=True)
class Local:
    """Rows of a KAN: what each layer's evaluations add up to."""

    parts: Sequence[Edges]
    column: Annotated[Tensor, "rows 1"]
    size: int

    @property
    def residual(self) -> Residual:
        return self.column[:, 0]

    def dense(self) -> Rows:
        rows = self.column.new_zeros(len(self.column), self.size + 1)
        rows[:, -1:] = self.column
        for part in self.parts:
            part.scatter(part.alive(), rows)
        return rows

    def of_first_axis(self) -> Rows:
        """Dense rows of the splines of the first input, of a KAN of one layer."""
        layer = self.parts[0].functions.layer
        count, edges = int(layer.counts[0]), layer.table.shape[1]
        rows = self.column.new_zeros(len(self.column), count * edges + 1)
        rows[:, -1:] = self.column
        own = rows[:, :-1].unflatten(1, (count, edges))
        for part in self.parts:
            at = part.functions.rows[:, 0, :-1, None].expand(-1, -1, edges)
            own.scatter_add_(1, at, part.alive(slice(1))[:, 0, :-1])
        return rows

    def operator(self) -> Operator:
        inputs = [part.input(number) for part in self.parts for number in range(part.functions.rows.shape[1])]
        return Inputs(inputs, len(self.column), self.size)

    def add_to(self, gram: Gram) -> None:
        by_span: list[Splines] = []
        rest = [Columns(self.size, 1, 1, torch.zeros_like(self.column, dtype=torch.long), self.column[..., None])]
        starts = [part.start for part in self.parts]
        for part in self.parts:
            layer, alive = part.functions.layer, part.alive()
            counts, edges = layer.counts.tolist(), layer.table.shape[1]
            # of a layer that rows evaluate twice, they have two sets of alive splines
            once, left = starts.count(part.start) == 1, self.size + 1 - part.start - edges * layer.first_row
            paid = [
                once and pays(len(alive), alive.shape[2], count, edges, after - (count + 1) * edges)
                for count, after in zip(counts, left.tolist(), strict=True)
            ]
            for is_paid, neighbours in groupby(range(len(counts)), paid.__getitem__):
                numbers = [*neighbours]
                if is_paid:
                    by_span += [Splines(part.columns(alive, slice(n, n + 1)), counts[n]) for n in numbers]
                else:
                    rest.append(part.columns(alive, slice(numbers[0], numbers[-1] + 1)))
        add_products(gram, by_span, rest)


@dataclass(frozen=True)
class Inputs:
    """Rows of a KAN by the inputs of its layers."""

    inputs: Sequence[Input]
    count: int  # of rows
    size: int

    def blocks(self) -> set[Block]:
        return {own.block for own in self.inputs}

    def times(self, move: Vector) -> Residual:
        found = move.new_zeros(self.count)
        for own in self.inputs:
            found += own.times(move)
        return found

    def transposed_times(self, weights: Residual) -> Vector:
        found = weights.new_zeros(self.size)
        for own in self.inputs:
            found[own.block.columns] += own.transposed_times(weights).flatten()
        return found

    def add_gram(self, block: Block, gram: EdgeGrams) -> None:
        for own in self.inputs:
            if own.block == block:
                own.add_gram(gram)

    @property
    def bytes(self) -> int:
        return sum(own.terms.nbytes + own.gradients.nbytes for own in self.inputs)

    def continues(self, before: "Inputs") -> bool:
        """Whether its rows are made of the same edges and as many of their derivatives, so that both can be one."""
        kinds = [[(own.block, own.terms.shape[1]) for own in rows.inputs] for rows in (self, before)]
        return kinds[0] == kinds[1]


def joined(operators: Iterable[Operator], most: int) -> Iterator[Operator]:
    """Those of a KAN joined until they take so many bytes: the more points of a span, the faster are its products."""
    waiting: list[Inputs] = []
    for operator in operators:
        fits = isinstance(operator, Inputs) and (not waiting or operator.continues(waiting[0]))
        if waiting and not (fits and sum(own.bytes for own in waiting) < most):
            yield _joined(waiting)
            waiting = []
        if isinstance(operator, Inputs):
            waiting.append(operator)
        else:
            yield operator
    if waiting:
        yield _joined(waiting)


def _joined(parts: Sequence[Inputs]) -> Inputs:
    if len(parts) == 1:
        return parts[0]
    inputs = [first.joined(others) for first, *others in zip(*(part.inputs for part in parts), strict=True)]
    return Inputs(inputs, sum(part.count for part in parts), parts[0].size)
