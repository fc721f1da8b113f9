"""Networks: KANs of spline edges (any depth, sum and product nodes) and the MLP that they are compared with.

A KAN evaluates its edges through `EdgeFunctions`: one object for each layer and set of points, whose derivatives
autograd follows to any order. It is also where coefficients enter, so the record of these objects (a `Tape`) is all
that an exact per-point Jacobian needs.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, pairwise
from math import sqrt
from operator import mul
from typing import Annotated, Protocol

import torch
from scipy.stats import qmc
from torch import Tensor, nn

from kanpde.derivatives import Column
from kanpde.splines import LocalBasis, elevate_degree, insert_knots, uniform_knots

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

    T is sparse: at a point each input has degree + 1 local splines and its residual activation. Each order is computed
    once; the derivative of S_k by x is S_{k+1}, so nested autograd stays exact and shares its parts.
    """

    def __init__(self, layer: "Layer", x: Inputs) -> None:
        self.layer, self.x = layer, x
        self._basis = LocalBasis(x.detach(), layer.knots, layer.degree)
        self._sigmoid = torch.sigmoid(x.detach())
        local = self._basis.first[..., None] + torch.arange(layer.degree + 1, device=x.device)
        if layer.periodic.any():
            local = torch.where(layer.periodic[:, None], local % layer.counts[:, None], local)
        rows = torch.cat([local + layer.first_row[:, None], layer.activation_row[:, None].expand(len(x), -1, 1)], 2)
        self.rows: Annotated[Tensor, "points inputs local"] = rows
        self._columns = rows.flatten().int()
        self.values: dict[int, EdgeValues] = {}
        self._constants: dict[int, EdgeValues] = {}
        self._terms: dict[int, Tensor] = {}

    def terms(self, order: int) -> Annotated[Tensor, "points inputs local"]:
        """Derivatives of the local splines and, last, of the activation, which periodic inputs lack."""
        if order not in self._terms:
            activation = silu_derivative(self.x.detach(), self._sigmoid, order) * ~self.layer.periodic
            self._terms[order] = torch.cat([self._basis.derivative(order), activation[None]]).permute(1, 2, 0).contiguous()
        return self._terms[order]

    def product(self, order: int, table: Tensor) -> Annotated[Tensor, "points*inputs edges"]:
        """T⁽ᵏ⁾ c, without a graph."""
        values, local = self.terms(order).flatten(), self.rows.shape[2]
        starts = torch.arange(0, len(values) + 1, local, dtype=torch.int32)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
            matrix = torch.sparse_csr_tensor(
                starts, self._columns, values, (self.x.numel(), len(table)), check_invariants=False
            )
        return matrix @ table

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


class Tape:
    """The edge functions that an evaluation used: what an exact Jacobian by the coefficients is made of.

    Coefficients enter a KAN through S_k = Σ_m T_m⁽ᵏ⁾ c_m alone. Points are independent, so one backward pass of Σ_i r_i
    gives ∂r_i/∂S_k for every point i, and row i of the Jacobian is its product with T⁽ᵏ⁾ at point i.
    """

    def __init__(self, network: "KAN") -> None:
        self.network, self.layers = network, tuple(network.layers)
        self.record: list[tuple[int, EdgeFunctions]] = []

    def evaluate(self, inputs: Inputs) -> Annotated[Tensor, "points outputs"]:
        return self.network(inputs, self)

    def linearized(self, residual: Column) -> Annotated[Tensor, "points coefficients+1"]:
        """(∂r_i/∂c, r_i) for one residual column; its graph is kept for the next."""
        used = [(number, f, order) for number, f in self.record for order in f.values if f.layer.table.requires_grad]
        gradients = torch.autograd.grad(
            residual.sum(), [f.value(order) for _, f, order in used], retain_graph=True, allow_unused=True
        )
        points = len(residual)
        sizes = [layer.table.numel() if layer.table.requires_grad else 0 for layer in self.layers]
        starts = [0, *accumulate(sizes)]
        result = residual.new_zeros(points, starts[-1] + 1)  # the residual in its last column spares a copy later on
        result[:, -1:] = residual.detach()
        local: dict[int, Tensor] = {}
        for (_, f, order), gradient in zip(used, gradients, strict=True):
            if gradient is not None:
                terms, gradient = f.terms(order)[..., None], gradient[:, :, None]
                local[id(f)] = local[id(f)].addcmul_(terms, gradient) if id(f) in local else terms * gradient
        for number, f in self.record:
            if id(f) in local:
                edges = self.layers[number].table.shape[1]
                rows = f.rows.flatten(1)[..., None].expand(-1, -1, edges)
                block = result[:, starts[number] : starts[number + 1]].unflatten(1, (-1, edges))
                block.scatter_add_(1, rows, local[id(f)].flatten(1, 2))
        return result

    def clear(self) -> None:
        """Free the graphs: edge functions and the tensors that they cache refer to each other."""
        for _, f in self.record:
            f.values.clear()
        self.record.clear()


class Layer(nn.Module):
    """Edges from every input to every node: spline + weight · silu, coefficients in one `table` (rows, edges).

    The rows of input i are its spline coefficients (a periodic input has one for each span) and, unless it is
    periodic, the weight of its activation.
    """

    knots: Tensor
    periodic: Tensor
    counts: Tensor
    first_row: Tensor
    activation_row: Tensor

    def __init__(self, knots: Tensor, degree: int, nodes: Product | int, periodic: Tensor, table: Tensor) -> None:
        super().__init__()
        self.degree, self.nodes = degree, nodes
        counts = knots.shape[1] - degree - 1 - degree * periodic.long()
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
        low: Tensor, high: Tensor, nodes: Product | int, grid: int, degree: int, periodic: Tensor, random: torch.Generator
    ) -> "Layer":
        """Knots on [low, high] and coefficients whose outputs have variance one (after arXiv 2509.03417)."""
        inputs = len(low)
        knots = _layer_knots(low, high, grid, degree, periodic)
        edges = nodes.count * nodes.rank if isinstance(nodes, Product) else nodes
        layer = Layer(knots, degree, nodes, periodic, torch.zeros(0, edges, dtype=torch.float64))
        rows = int((layer.counts + (~periodic).long()).sum())
        table = torch.randn(rows, edges, generator=random, dtype=torch.float64)
        # Σ_m B_m² on average: what independent coefficients of variance one give the spline's variance
        sites = low + (high - low) * torch.linspace(0, 1, 201, dtype=torch.float64)[:, None]
        variance = LocalBasis(sites, knots, degree).derivative(0).square().sum(0).mean()
        # a product has the variance of its factors' product, a sum the sum of theirs
        scale = nodes.rank ** (-0.5 / inputs) if isinstance(nodes, Product) else 1 / sqrt(inputs)
        table *= scale / variance.sqrt()
        table[layer.activation_row[~periodic]] *= 0.1
        return Layer(knots, degree, nodes, periodic, table)

    @property
    def grid(self) -> int:
        """Number of spans, the same for each input."""
        inner = self.knots[0, self.degree : self.knots.shape[1] - self.degree]
        return len(inner.unique()) - 1

    def forward(self, x: Inputs, tape: "Tape | None" = None) -> Annotated[Tensor, "points nodes"]:
        functions = EdgeFunctions(self, x)
        if tape is not None:
            tape.record.append((tape.layers.index(self), functions))
            edges = functions.value(0)
        else:
            edges = torch.einsum("pil,pile->pie", _Terms.apply(x, functions, 0), self.table[functions.rows])
        if isinstance(self.nodes, Product):
            products = reduce(mul, edges.unbind(1))
            return products.unflatten(1, (self.nodes.count, self.nodes.rank)).sum(2)
        return edges.sum(1)

    def refined(self, grid: int, degree: int) -> "Layer":
        """The same functions on `grid` spans and of the given degree; see `KAN.refined`."""
        if self.periodic.any() or grid % self.grid:
            low, high = self.knots[:, self.degree], self.knots[:, -1 - self.degree]
            return self.refitted(_layer_knots(low, high, grid, degree, self.periodic), degree)
        splines = torch.stack([self.table.detach()[f : f + n] for f, n in zip(self.first_row, self.counts, strict=True)])
        knots = self.knots
        for p in range(self.degree, degree):
            splines, knots = elevate_degree(splines, knots, p)
        finer = torch.stack([_subdivided(row, grid // self.grid) for row in knots])
        splines = insert_knots(splines, knots, degree, finer)
        activation = self.table.detach()[self.activation_row][:, None]
        table = torch.cat([splines, activation], 1).flatten(0, 1)
        return Layer(finer, degree, self.nodes, self.periodic, table)

    def widened(self, extra: "Layer") -> "Layer":
        """The sums of products of both layers, of which the new ones begin as zero: the same functions."""
        assert isinstance(self.nodes, Product)
        assert isinstance(extra.nodes, Product)
        nodes = Product(self.nodes.count, self.nodes.rank + extra.nodes.rank)
        extra = extra.refitted(self.knots, self.degree)
        new = extra.table.detach().clone()
        new[: extra.first_row[1] if len(extra.first_row) > 1 else None] = 0.0  # one factor of each product
        tables = [t.unflatten(1, (self.nodes.count, -1)) for t in (self.table.detach(), new)]
        return Layer(self.knots, self.degree, nodes, self.periodic, torch.cat(tables, 2).flatten(1))

    def stretched(self, x: Inputs) -> "Layer":
        """The same functions on knots that fit the ranges of the given inputs."""
        low, high = self.knots[:, 0], self.knots[:, -1]
        tight, wanted, loose = (_range(x, margin) for margin in (0.0, MARGIN, 5 * MARGIN))
        fits = (loose[0] <= low) & (low <= tight[0]) & (tight[1] <= high) & (high <= loose[1])
        if fits.all():
            return self
        start, end = torch.where(fits, low, wanted[0]), torch.where(fits, high, wanted[1])
        share = (self.knots - low[:, None]) / (high - low)[:, None]
        knots = torch.lerp(start[:, None], end[:, None], share)  # repeated knots stay so
        return self.refitted(knots, self.degree)

    def refitted(self, knots: Tensor, degree: int) -> "Layer":
        """The nearest functions, in least squares, on other knots."""
        blank = Layer(knots, degree, self.nodes, self.periodic, self.table.detach()[:0])
        count = 4 * knots.shape[1]
        nodes = (1 - torch.cos(torch.pi * (torch.arange(count, dtype=knots.dtype) + 0.5) / count)) / 2
        low, high = knots[:, degree], knots[:, -1 - degree]
        sites = low + (high - low) * nodes[:, None]
        old, new = EdgeFunctions(self, sites), EdgeFunctions(blank, sites)
        values = old.product(0, self.table.detach()).unflatten(0, sites.shape)
        values = values - old.terms(0)[..., -1:] * self.table.detach()[self.activation_row]
        parts = []
        for i in range(knots.shape[0]):  # inputs may differ in their number of coefficients
            design = sites.new_zeros(count, int(blank.counts[i]))
            design.scatter_add_(1, new.rows[:, i, :-1] - blank.first_row[i], new.terms(0)[:, i, :-1])
            parts.append(torch.linalg.lstsq(design, values[:, i], driver="gelsd").solution)
            if not self.periodic[i]:
                parts.append(self.table.detach()[self.activation_row[i], None])
        return Layer(knots, degree, self.nodes, self.periodic, torch.cat(parts))


def _layer_knots(low: Tensor, high: Tensor, grid: int, degree: int, periodic: Tensor) -> Tensor:
    """Clamped knots; for periodic inputs the uniform ones that continue beyond both ends."""
    steps = torch.arange(-degree, grid + degree + 1, dtype=low.dtype) / grid
    continued = low[:, None] + (high - low)[:, None] * steps
    return torch.where(periodic[:, None], continued, uniform_knots(low, high, grid, degree))


def _subdivided(knots: Annotated[Tensor, "knots"], parts: int) -> Annotated[Tensor, "more"]:
    """Knots with every span cut into equal parts."""
    distinct = knots.unique()
    cuts = distinct[:-1, None] + distinct.diff()[:, None] * torch.arange(1, parts, dtype=knots.dtype) / parts
    return torch.cat([knots, cuts.flatten()]).sort().values


class _Terms(torch.autograd.Function):
    """Basis values as a function of x alone, for plain autograd by x and by the coefficients, in any order."""

    @staticmethod
    def forward(ctx, x, functions, order):
        ctx.functions, ctx.order = functions, order
        ctx.save_for_backward(x)
        return functions.terms(order).clone()  # the cached ones must not become part of a graph

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return (gradient * _Terms.apply(x, ctx.functions, ctx.order + 1)).sum(2), None, None


class KAN(nn.Module):
    """A Kolmogorov–Arnold network (arXiv 2404.19756) from (points, inputs) to (points, outputs), in float64.

    `nodes` lists the inputs and then, for each layer, how many sums of edges (an int) or sums of products of edges
    (a `Product`) it forms: `KAN([2, 5, 1])`, `KAN([2, Product(1, rank=8)])`. Knots lie on [-1, 1]; hidden ones follow
    their inputs' ranges (`adapted`). `periodic` names the inputs, by number, that have period 2.

    Raises ValueError if the shape, grid or degree is impossible.
    """

    layers: Sequence[Layer]  # an nn.ModuleList, of which the type checker does not know the elements

    def __init__(
        self,
        nodes: Sequence[int | Product],
        grid: int = 4,
        degree: int = 5,
        seed: int = 0,
        periodic: Sequence[int] = (),
    ) -> None:
        _check_shape(nodes, grid, degree)
        random = torch.Generator().manual_seed(seed)
        first, *others = nodes
        assert isinstance(first, int)
        if not set(periodic) <= set(range(first)):
            raise ValueError(f"periodic={periodic!r}; list inputs by number, from 0 to {first - 1}")
        x, layers = dense_points(first), []
        for number, outputs in enumerate(others):
            wraps = torch.tensor([number == 0 and i in periodic for i in range(x.shape[1])])
            low, high = _range(x, MARGIN) if number else (x.min(0).values, x.max(0).values)
            layers.append(Layer.initial(low, high, outputs, grid, degree, wraps, random))
            with torch.no_grad():
                x = layers[-1](x)
        self._keep(layers)

    @classmethod
    def from_layers(cls, layers: Sequence[Layer]) -> "KAN":
        kan = cls.__new__(cls)
        kan._keep(layers)
        return kan

    def _keep(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)  # pyright: ignore[reportAttributeAccessIssue]

    def __repr__(self) -> str:
        return f"KAN({self.shape}, grid={self.grid}, degree={self.degree}, {self.size} coefficients)"

    @property
    def shape(self) -> list[int | Product]:
        return [len(self.layers[0].knots), *(layer.nodes for layer in self.layers)]

    @property
    def grid(self) -> int:
        return self.layers[0].grid

    @property
    def degree(self) -> int:
        return self.layers[0].degree

    @property
    def periodic(self) -> tuple[int, ...]:
        return tuple(torch.nonzero(self.layers[0].periodic)[:, 0].tolist())

    @property
    def size(self) -> int:
        """Number of trainable coefficients."""
        return sum(layer.table.numel() for layer in self.layers)

    def forward(self, x: Inputs, tape: Tape | None = None) -> Annotated[Tensor, "points outputs"]:
        for layer in self.layers:
            x = layer(x, tape)
        return x

    def refined(self, grid: int | None = None, degree: int | None = None) -> "KAN":
        """A new, finer KAN: the same function where `grid` is a multiple of the present one.

        Raising the degree keeps the smoothness that inner knots had, by repeating them: do it while grids are coarse.
        Other grids, and periodic inputs, are fitted by least squares: the same function to the spline's accuracy.
        Raises ValueError for a lower degree.
        """
        grid, degree = self.grid if grid is None else grid, self.degree if degree is None else degree
        _check_shape(self.shape, grid, degree)
        if degree < self.degree:
            raise ValueError(f"refined(degree={degree}) would lose accuracy: the network has degree {self.degree}")
        return KAN.from_layers([layer.refined(grid, degree) for layer in self.layers])

    def widened(self, rank: int, seed: int = 0) -> "KAN":
        """A new KAN, the same function, in whose products of edges every node sums at least `rank` of them.

        Nodes that are no products stay as they are.
        """
        layers, random = [], torch.Generator().manual_seed(seed)
        for layer in self.layers:
            nodes = layer.nodes
            if isinstance(nodes, Product) and nodes.rank < rank:
                # smooth on the whole range, as the first products were: few spans
                low, high = layer.knots[:, layer.degree], layer.knots[:, -1 - layer.degree]
                more = Product(nodes.count, rank - nodes.rank)
                layer = layer.widened(Layer.initial(low, high, more, 2, layer.degree, layer.periodic, random))
            layers.append(layer)
        return KAN.from_layers(layers)

    @property
    def rank(self) -> int | None:
        """The largest number of products that a node sums; None without products."""
        return max((layer.nodes.rank for layer in self.layers if isinstance(layer.nodes, Product)), default=None)

    def adapted(self) -> "KAN":
        """A new KAN whose hidden knots span the ranges of their inputs on a dense set of points, and a margin.

        A layer whose knots fit stays as it is; others are fitted by least squares on knots stretched to the range.
        """
        layers, x = [], dense_points(len(self.layers[0].knots))
        with torch.no_grad():
            for number, layer in enumerate(self.layers):
                following = layer(x, Tape(self))
                layers.append(layer.stretched(x) if number else layer)
                x = following
        return KAN.from_layers(layers)


def dense_points(inputs: int, count: int = 4096) -> Inputs:
    """A fixed set that fills [-1, 1]^inputs, a uniform grid with its ends up to five inputs: hidden ranges are taken there,

    as random points miss extremes.
    """
    if inputs > 5:  # where a grid would have more than that
        return 2 * torch.from_numpy(qmc.Sobol(inputs, scramble=False).random(count)) - 1
    axis = torch.linspace(-1, 1, max(5, round(count ** (1 / inputs))), dtype=torch.float64)
    return torch.cartesian_prod(*[axis] * inputs).reshape(-1, inputs)


def _range(x: Inputs, margin: float) -> tuple[Tensor, Tensor]:
    """Ends of each column's range, and a share of its length beyond them."""
    low, high = x.min(0).values, x.max(0).values
    border = margin * (high - low).clamp_min(1e-3 * (1 + high.abs()))
    return low - border, high + border


def _check_shape(nodes: Sequence[int | Product], grid: int, degree: int) -> None:
    sizes = [n for node in nodes for n in ((node.count, node.rank) if isinstance(node, Product) else (node,))]
    if len(nodes) < 2 or isinstance(nodes[0], Product) or not all(isinstance(n, int) and n > 0 for n in sizes):
        raise ValueError(f"nodes={nodes!r} is no network; list the inputs and at least one layer, as in [2, 5, 1]")
    if not all(isinstance(n, int) and n > 0 for n in (grid, degree)):
        raise ValueError(f"grid={grid!r}, degree={degree!r}; both are whole numbers, at least one span and degree one")


class MLP(nn.Module):
    """A tanh network of the given widths, in float64: the baseline that KANs are compared with."""

    def __init__(self, widths: Sequence[int], seed: int = 0) -> None:
        super().__init__()
        if len(widths) < 2 or not all(isinstance(n, int) and n > 0 for n in widths):
            raise ValueError(f"widths={widths!r} are no network; list inputs, hidden layers and outputs, as in [2, 32, 32, 1]")
        self.widths = tuple(widths)
        random = torch.Generator().manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            linear = nn.Linear(inputs, outputs, dtype=torch.float64, device="meta").to_empty(device="cpu")
            nn.init.xavier_normal_(linear.weight, generator=random)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.Tanh()]
        self.stack = nn.Sequential(*layers[:-1])

    @property
    def size(self) -> int:
        """Number of trainable coefficients."""
        return sum(p.numel() for p in self.parameters())

    def forward(self, x: Inputs) -> Annotated[Tensor, "points outputs"]:
        return self.stack(x)


class Recorder(Protocol):
    """Evaluates a network at points and afterwards gives columns made of it with their Jacobians."""

    def evaluate(self, inputs: Tensor) -> Tensor: ...
    def linearized(self, residual: Column) -> Annotated[Tensor, "points coefficients+1"]: ...
    def clear(self) -> None: ...


class Copies:
    """A recorder for any module: each point has its own copy of the parameters.

    Points are independent, so the gradient of Σ r_i with respect to point i's copy is row i of the Jacobian.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.copies: list[dict[str, Tensor]] = []

    def evaluate(self, inputs: Tensor) -> Tensor:
        copies = {
            name: p.detach().expand(len(inputs), *p.shape).requires_grad_()
            for name, p in self.network.named_parameters()
            if p.requires_grad
        }
        self.copies.append(copies)

        def one(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
            return torch.func.functional_call(self.network, parameters, (x[None],))[0]

        return torch.func.vmap(one)(copies, inputs)

    def linearized(self, residual: Column) -> Annotated[Tensor, "points coefficients+1"]:
        total: Tensor | None = None
        for copies in self.copies:
            gradients = torch.autograd.grad(
                residual.sum(), list(copies.values()), retain_graph=True, allow_unused=True, materialize_grads=True
            )
            rows = torch.cat([g.flatten(1) for g in gradients], 1)
            total = rows if total is None else total + rows
        assert total is not None
        return torch.cat([total, residual.detach()], 1)

    def clear(self) -> None:
        self.copies.clear()


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen (`requires_grad_(False)`)."""
    return [p for p in network.parameters() if p.requires_grad]


def recorder(network: nn.Module) -> Recorder:
    return Tape(network) if isinstance(network, KAN) else Copies(network)
