"""One layer of a KAN: edges that are sums of a basis, and nodes that sum them or products of them.

A layer evaluates its edges through `EdgeFunctions`: one object for each set of points, whose derivatives autograd
follows to any order. It is also where coefficients enter.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import sqrt
from operator import mul
from typing import Annotated

import torch
from torch import Tensor, nn

from kanpde.bases import Basis, Piecewise, Splines
from kanpde.devices import normal

MARGIN = 0.05  # of a hidden range, on each side: training moves it

Inputs = Annotated[Tensor, "points inputs"]
EdgeValues = Annotated[Tensor, "points inputs edges"]


@dataclass(frozen=True)
class Product:
    """`count` nodes, each a sum of `rank` products of one edge from every input.

    z_j = Σ_r Π_i φ_ijr(x_i): the multiplication nodes of KAN 2.0 (arXiv 2408.10205) for rank 1; on the coordinates
    themselves the separable KAN of arXiv 2411.06286.
    """

    count: int
    rank: int = 1


def silu_derivative(x: Tensor, sigma: Tensor, order: int) -> Tensor:
    """The derivative of x σ(x) of any order: x σ⁽ᵏ⁾ + k σ⁽ᵏ⁻¹⁾, with σ⁽ᵏ⁾ a polynomial in σ as σ' = σ − σ²."""
    polynomial, previous = [0, 1], [0]
    for _ in range(order):
        slope = [power * c for power, c in enumerate(polynomial)][1:]
        previous, raised = polynomial, [0] * (len(slope) + 2)
        for power, c in enumerate(slope):
            raised[power + 1] += c
            raised[power + 2] -= c
        polynomial = raised

    def horner(coefficients: list[int]) -> Tensor:
        return reduce(lambda value, c: value * sigma + c, reversed(coefficients), torch.zeros_like(sigma))

    return x * horner(polynomial) + order * horner(previous)


class EdgeFunctions:
    """All edge functions of one layer at given points: S_k = T⁽ᵏ⁾(x) c, for every order k that is asked for.

    T is sparse: at a point each input has the functions of its basis that are alive, degree + 1 of splines, and its residual
    activation. Each order is computed once; the derivative of S_k by x is S_{k+1}, so nested autograd stays exact and shares
    its parts.
    """

    def __init__(self, layer: "Layer", x: Inputs) -> None:
        self.layer, self.x = layer, x
        self._basis = layer.basis.at(x.detach(), layer.knots, layer.periodic)
        self._sigmoid = torch.sigmoid(x.detach())
        alive = len(self._basis.derivative(0))
        local = self._basis.first[..., None] + torch.arange(alive, device=x.device)
        if layer.periodic.any() or (layer.counts < alive).any():  # around a ring, or zeros beyond the last function
            local = local % layer.counts[:, None]
        rows = torch.cat([local + layer.first_row[:, None], layer.activation_row[:, None].expand(len(x), -1, 1)], 2)
        self.rows: Annotated[Tensor, "points inputs local"] = rows
        self._columns = rows.flatten().int()
        self.values: dict[int, EdgeValues] = {}
        self._constants: dict[int, EdgeValues] = {}
        self._terms: dict[int, Tensor] = {}

    def terms(self, order: int) -> Annotated[Tensor, "points inputs local"]:
        """Derivatives of the functions alive and, last, of the activation, which periodic inputs lack."""
        if order not in self._terms:
            activation = silu_derivative(self.x.detach(), self._sigmoid, order) * ~self.layer.periodic
            self._terms[order] = torch.cat([self._basis.derivative(order), activation[None]]).permute(1, 2, 0).contiguous()
        return self._terms[order]

    def product(self, order: int, table: Tensor) -> Annotated[Tensor, "points*inputs edges"]:
        """T⁽ᵏ⁾ c, without a graph."""
        return self._matrix(order, torch.sparse_csr, (self.x.numel(), len(table))) @ table

    def transposed_product(self, order: int, weights: Annotated[Tensor, "points*inputs edges"]) -> Tensor:
        """T⁽ᵏ⁾ᵀ w, as long as the table, without a graph."""
        return self._matrix(order, torch.sparse_csc, (len(self.layer.table), self.x.numel())) @ weights

    def _matrix(self, order: int, layout: torch.layout, shape: tuple[int, int]) -> Tensor:
        """T⁽ᵏ⁾ by rows or, of the same numbers, T⁽ᵏ⁾ᵀ by columns."""
        values, local = self.terms(order).flatten(), self.rows.shape[2]
        starts = torch.arange(0, len(values) + 1, local, dtype=torch.int32, device=values.device)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CS[RC] tensor support is in beta")
            return torch.sparse_compressed_tensor(starts, self._columns, values, shape, layout=layout, check_invariants=False)

    def value(self, order: int) -> EdgeValues:
        if order in self.values:
            return self.values[order]
        # the last backward pass, of a Jacobian, needs one order more, but not as a part of the graph
        cache = self.values if torch.is_grad_enabled() else self._constants
        if order not in cache:
            cache[order] = _Edges.apply(self.x, self, order).unflatten(0, self.x.shape)
        return cache[order]


class _Edges(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, functions, order):  # noqa: ARG004
        ctx.functions, ctx.order = functions, order
        return functions.product(order, functions.layer.table.detach())

    @staticmethod
    def backward(ctx, gradient):
        slope = ctx.functions.value(ctx.order + 1)
        return (gradient.view_as(slope) * slope).sum(-1), None, None


class Layer(nn.Module):
    """Edges from every input to every node: a sum of a basis + weight · silu, coefficients in one `table` (rows, edges).

    The rows of input i are the coefficients of its basis (a periodic spline has one for each span) and, unless it is
    periodic, the weight of its activation. Inputs may have different numbers of spans: the last knot of shorter rows is
    repeated to the length of the longest. In place of `basis` the degree of splines may be given.
    """

    knots: Tensor
    periodic: Tensor
    counts: Tensor
    first_row: Tensor
    activation_row: Tensor

    def __init__(self, knots: Tensor, basis: Basis | int, nodes: Product | int, periodic: Tensor, table: Tensor) -> None:
        super().__init__()
        self.basis, self.nodes = Splines(basis) if isinstance(basis, int) else basis, nodes
        counts = self.basis.counts(knots, periodic)
        size = counts + (~periodic).long()
        first_row = size.cumsum(0) - size
        for name, tensor in {
            "knots": knots,
            "periodic": periodic,
            "counts": counts,
            "first_row": first_row,
            "activation_row": torch.where(periodic, first_row, first_row + counts),
        }.items():
            self.register_buffer(name, tensor)
        self.table = nn.Parameter(table)

    @staticmethod
    def initial(
        low: Tensor, high: Tensor, nodes: Product | int, grid: int, basis: Basis, periodic: Tensor, random: torch.Generator
    ) -> "Layer":
        """Knots on [low, high] and coefficients whose outputs have variance one (after arXiv 2509.03417)."""
        inputs = len(low)
        knots = basis.knots(low, high, grid, periodic)
        edges = nodes.count * nodes.rank if isinstance(nodes, Product) else nodes
        layer = Layer(knots, basis, nodes, periodic, torch.zeros(0, edges, dtype=torch.float64))
        rows = int((layer.counts + (~periodic).long()).sum())
        table = normal(rows, edges, random=random)
        # Σ_m s_m² B_m² on average: what independent coefficients of variance s_m² give the sum's variance
        sites = low + (high - low) * torch.linspace(0, 1, 201, dtype=torch.float64)[:, None]
        values = basis.at(sites, knots, periodic).derivative(0)
        variance = (basis.spread(len(values))[:, None, None] * values).square().sum(0).mean()
        # a product has the variance of its factors' product, a sum the sum of theirs
        scale = nodes.rank ** (-0.5 / inputs) if isinstance(nodes, Product) else 1 / sqrt(inputs)
        table *= scale / variance.sqrt()
        for first, count in zip(layer.first_row.tolist(), layer.counts.tolist(), strict=True):
            table[first : first + count] *= basis.spread(count)[:, None]
        table[layer.activation_row[~periodic]] *= 0.1
        return Layer(knots, basis, nodes, periodic, table)

    @property
    def degree(self) -> int | None:
        """Of splines."""
        return self.basis.degree

    @property
    def held(self) -> int:
        """About how many bytes an equation of second order holds for each point: of each input the triangle of its splines,

        the functions alive with their derivatives, and its edges with theirs, each with its part of a graph.
        """
        inputs, edges = len(self.counts), self.table.shape[1]
        pieces = self.basis.pieces + 1 if isinstance(self.basis, Piecewise) else 0
        # measured on networks of one to three layers and 15 to 1700 edges
        return 8 * inputs * (pieces**2 + 8 * (pieces or int(self.counts.max())) + 24 * edges)

    @property
    def count(self) -> int:
        """Number of nodes."""
        return self.nodes.count if isinstance(self.nodes, Product) else self.nodes

    @property
    def spans(self) -> tuple[int, ...]:
        """Number of spans of each input."""
        return tuple(len(own) - 1 for own in self.breaks)

    @property
    def breaks(self) -> list[Annotated[Tensor, "spans+1"]]:
        """The ends of the spans of each input, in order."""
        ends = zip(self.knots, *self.ends, strict=True)
        return [row[(row >= low) & (row <= high)].unique() for row, low, high in ends]

    @property
    def ends(self) -> tuple[Annotated[Tensor, "inputs"], Annotated[Tensor, "inputs"]]:
        """Where the spans of each input begin and end."""
        return self.basis.ends(self.knots, self.periodic)

    def by_input(self) -> list["Layer"]:
        """A layer for each input alone."""
        sizes = (self.counts + (~self.periodic).long()).tolist()
        own = self.basis.lengths(self.knots, self.periodic).tolist()
        tables = self.table.detach().split(sizes)
        return [
            Layer(self.knots[i : i + 1, :n], self.basis, self.nodes, self.periodic[i : i + 1], tables[i])
            for i, n in enumerate(own)
        ]

    @staticmethod
    def joined(parts: Sequence["Layer"]) -> "Layer":
        """The layer of which `by_input` would give these."""
        longest = max(part.knots.shape[1] for part in parts)
        rows = [torch.cat([p.knots, p.knots[:, -1:].expand(-1, longest - p.knots.shape[1])], 1) for p in parts]
        periodic, table = torch.cat([p.periodic for p in parts]), torch.cat([p.table.detach() for p in parts])
        return Layer(torch.cat(rows), parts[0].basis, parts[0].nodes, periodic, table)

    def forward(self, x: Inputs, record: "Record | None" = None) -> Annotated[Tensor, "points nodes"]:
        functions = EdgeFunctions(self, x)
        if record is not None:
            record.append((self, functions))
            edges = functions.value(0)
        else:
            edges = _sums(functions, 0, self.table)
        if isinstance(self.nodes, Product):
            products = reduce(mul, edges.unbind(1))
            return products.unflatten(1, (self.nodes.count, self.nodes.rank)).sum(2)
        return edges.sum(1)

    def refined(self, spans: Sequence[int], basis: Basis) -> "Layer":
        """The same functions on so many spans for each input and of a finer basis of the same kind; see `KAN.refined`."""
        return Layer.joined([one._refined(count, basis) for one, count in zip(self.by_input(), spans, strict=True)])

    def _refined(self, count: int, basis: Basis) -> "Layer":
        """Of a single input."""
        if ((count,), basis) == (self.spans, self.basis):
            return self
        own, activation = self.table.detach().tensor_split(self.counts.tolist())
        if (found := self.basis.embedded(own, self.knots, self.periodic, basis, count)) is None:
            return self.refitted(basis.knots(*self.ends, count, self.periodic), basis)
        finer, knots = found
        return Layer(knots, basis, self.nodes, self.periodic, torch.cat([finer, activation]))

    def split(self, inserted: Sequence[Annotated[Tensor, "breaks"]]) -> "Layer":
        """The same functions on spans with these breaks besides, for each input; of splines and of hats."""
        return Layer.joined([one._split(own) for one, own in zip(self.by_input(), inserted, strict=True)])

    def _split(self, inserted: Annotated[Tensor, "breaks"]) -> "Layer":
        """Of a single input."""
        if len(inserted) == 0:
            return self
        assert isinstance(self.basis, Piecewise)
        own, activation = self.table.detach().tensor_split(self.counts)
        finer, knots = self.basis.split(own, self.knots, self.periodic, inserted)
        return Layer(knots, self.basis, self.nodes, self.periodic, torch.cat([finer, activation]))

    def widened(self, extra: "Layer") -> "Layer":
        """The sums of products of both layers, of which the new ones begin as zero: the same functions."""
        assert isinstance(self.nodes, Product)
        assert isinstance(extra.nodes, Product)
        nodes = Product(self.nodes.count, self.nodes.rank + extra.nodes.rank)
        extra = extra.refitted(self.knots, self.basis)
        new = extra.table.detach().clone()
        new[: extra.first_row[1] if len(extra.first_row) > 1 else None] = 0.0  # one factor of each product
        tables = [t.unflatten(1, (self.nodes.count, -1)) for t in (self.table.detach(), new)]
        return Layer(self.knots, self.basis, nodes, self.periodic, torch.cat(tables, 2).flatten(1))

    def stretched(self, x: Inputs) -> "Layer":
        """The same functions on knots that fit the ranges of the given inputs."""
        low, high = self.knots[:, 0], self.knots[:, -1]
        tight, wanted, loose = (value_range(x, margin) for margin in (0.0, MARGIN, 5 * MARGIN))
        fits = (loose[0] <= low) & (low <= tight[0]) & (tight[1] <= high) & (high <= loose[1])
        if fits.all():
            return self
        start, end = torch.where(fits, low, wanted[0]), torch.where(fits, high, wanted[1])
        share = (self.knots - low[:, None]) / (high - low)[:, None]
        knots = torch.lerp(start[:, None], end[:, None], share)  # repeated knots stay so
        return self.refitted(knots, self.basis)

    def refitted(self, knots: Tensor, basis: Basis) -> "Layer":
        """The nearest functions, in least squares, on other knots."""
        blank = Layer(knots, basis, self.nodes, self.periodic, self.table.detach()[:0])
        count = 4 * knots.shape[1]
        nodes = (1 - torch.cos(torch.pi * (torch.arange(count, dtype=knots.dtype) + 0.5) / count)) / 2
        evenly = [torch.linspace(0, 1, len(own), dtype=nodes.dtype) for own in blank.breaks]
        sites = torch.stack([along(nodes, *pair)[0] for pair in zip(evenly, blank.breaks, strict=True)], 1)
        old, new = EdgeFunctions(self, sites), EdgeFunctions(blank, sites)
        values = old.product(0, self.table.detach()).unflatten(0, sites.shape)
        values = values - old.terms(0)[..., -1:] * self.table.detach()[self.activation_row]
        parts = []
        for i in range(knots.shape[0]):  # inputs may differ in their number of coefficients
            design = sites.new_zeros(count, int(blank.counts[i]))
            design.scatter_add_(1, new.rows[:, i, :-1] - blank.first_row[i], new.terms(0)[:, i, :-1])
            parts.append(torch.linalg.lstsq(design.cpu(), values[:, i].cpu(), driver="gelsd").solution.to(design.device))
            if not self.periodic[i]:
                parts.append(self.table.detach()[self.activation_row[i], None])
        return Layer(knots, basis, self.nodes, self.periodic, torch.cat(parts))


Record = list[tuple[Layer, EdgeFunctions]]  # what an evaluation used, for a Jacobian


def _sums(functions: EdgeFunctions, order: int, table: Tensor) -> EdgeValues:
    """T⁽ᵏ⁾(x) c for plain autograd by x and by the coefficients c, in any order.

    A node for each, as a backward pass visits those that it differentiates by: Tᵀ g, by c, costs many times what T c does.
    """
    return _AlongInputs.apply(functions.x, functions, order, [table]) + _AlongTable.apply(table, functions, order)


class _AlongInputs(torch.autograd.Function):
    """T⁽ᵏ⁾(x) c as a function of x alone."""

    @staticmethod
    def forward(ctx, x, functions, order, held):
        ctx.functions, ctx.order, ctx.held = functions, order, held  # in a list autograd does not see the table
        return functions.product(order, held[0].detach()).unflatten(0, x.shape)

    @staticmethod
    def backward(ctx, gradient):
        slope = _sums(ctx.functions, ctx.order + 1, *ctx.held)
        return (gradient * slope).sum(2), None, None, None


class _AlongTable(torch.autograd.Function):
    """Zero, whose derivative by c is T⁽ᵏ⁾(x)."""

    @staticmethod
    def forward(ctx, table, functions, order):
        ctx.functions, ctx.order = functions, order
        return table.new_zeros(()).expand(*functions.x.shape, table.shape[1])

    @staticmethod
    def backward(ctx, gradient):
        return _Transposed.apply(ctx.functions.x, gradient, ctx.functions, ctx.order), None, None


class _Transposed(torch.autograd.Function):
    """T⁽ᵏ⁾(x)ᵀ g as a function of x and g."""

    @staticmethod
    def forward(ctx, x, weights, functions, order):  # noqa: ARG004
        ctx.functions, ctx.order = functions, order
        ctx.save_for_backward(weights)
        return functions.transposed_product(order, weights.flatten(0, 1))

    @staticmethod
    def backward(ctx, gradient):
        (weights,) = ctx.saved_tensors
        same, slope = (_sums(ctx.functions, order, gradient) for order in (ctx.order, ctx.order + 1))
        return (weights * slope).sum(2), same, None, None


def along(
    x: Annotated[Tensor, "points"], ends: Annotated[Tensor, "spans+1"], images: Annotated[Tensor, "spans+1"]
) -> tuple[Annotated[Tensor, "points"], Annotated[Tensor, "points"]]:
    """The piecewise linear function that maps ends to images, and its slope."""
    span = (torch.searchsorted(ends, x.contiguous(), right=True) - 1).clamp(0, len(ends) - 2)
    slope = (images.diff() / ends.diff())[span]
    return images[span] + (x - ends[span]) * slope, slope


def value_range(x: Inputs, margin: float) -> tuple[Tensor, Tensor]:
    """Ends of each column's range, and a share of its length beyond them."""
    low, high = x.min(0).values, x.max(0).values
    border = margin * (high - low).clamp_min(1e-3 * (1 + high.abs()))
    return low - border, high + border
