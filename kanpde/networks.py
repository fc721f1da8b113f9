"""Networks: KANs of any depth, and the MLP that they are compared with."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor, nn

from kanpde.bases import Basis, Splines
from kanpde.devices import CPU, at_its_device, here
from kanpde.diagram import Edge, Level, plot_edge, plot_network
from kanpde.layers import MARGIN, EdgeFunctions, Inputs, Layer, Product, Record, value_range
from kanpde.quasirandom import sobol
from kanpde.strengths import Strengths, strengths

CURVE = 121  # points that an edge is drawn through where it is small


class KAN(nn.Module):
    """A Kolmogorov–Arnold network (arXiv 2404.19756) from (points, inputs) to (points, outputs), in float64.

    `nodes` lists the inputs and then, for each layer, how many sums of edges (an int) or sums of products of edges
    (a `Product`) it forms: `KAN([2, 5, 1])`, `KAN([2, Product(1, rank=8)])`. Knots lie on [-1, 1]; hidden ones follow
    their inputs' ranges (`adapted`). `periodic` names the inputs, by number, that have period 2.

    Edges are splines of a degree, 5 if none is given, or of another `basis`: `KAN([2, 5, 1], grid=8, basis=Chebyshev())`.
    `grid` is what refines it: spans of splines and of bumps, the highest mode of Chebyshev and Fourier series.

    Raises ValueError if the shape, grid, degree or basis is impossible.
    """

    layers: Sequence[Layer]  # an nn.ModuleList, of which the type checker does not know the elements

    def __init__(
        self,
        nodes: Sequence[int | Product],
        grid: int = 4,
        degree: int | None = None,
        seed: int = 0,
        periodic: Sequence[int] = (),
        basis: Basis | None = None,
    ) -> None:
        _check_shape(nodes, grid)
        own = _basis_of(degree, basis)
        random = torch.Generator().manual_seed(seed)
        first, *others = nodes
        assert isinstance(first, int)
        if not set(periodic) <= set(range(first)):
            raise ValueError(f"periodic={periodic!r}; list inputs by number, from 0 to {first - 1}")
        x, layers = dense_points(first), []
        for number, outputs in enumerate(others):
            wraps = torch.tensor([number == 0 and i in periodic for i in range(x.shape[1])])
            low, high = value_range(x, MARGIN) if number else (x.min(0).values, x.max(0).values)
            layers.append(Layer.initial(low, high, outputs, grid, own, wraps, random))
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
        grid = self.grid if len(set(self.spans)) == 1 else self.spans
        basis = f"basis={self.basis!r}" if self.degree is None else f"degree={self.degree}"
        return f"KAN({self.shape}, grid={grid}, {basis}, {self.size} coefficients)"

    @property
    def shape(self) -> list[int | Product]:
        return [len(self.layers[0].knots), *(layer.nodes for layer in self.layers)]

    @property
    def grid(self) -> int:
        """The largest number of spans of an input."""
        return max(self.spans)

    @property
    def spans(self) -> tuple[int, ...]:
        """Number of spans of each input."""
        return self.layers[0].spans

    @property
    def basis(self) -> Basis:
        return self.layers[0].basis

    @property
    def degree(self) -> int | None:
        """Of splines."""
        return self.basis.degree

    @property
    def periodic(self) -> tuple[int, ...]:
        return tuple(torch.nonzero(self.layers[0].periodic)[:, 0].tolist())

    @property
    def size(self) -> int:
        """Number of trainable coefficients."""
        return sum(layer.table.numel() for layer in self.layers)

    @property
    def held(self) -> int:
        """Bytes for each point; see `Layer.held`."""
        return sum(layer.held for layer in self.layers)

    def forward(self, x: Inputs, record: Record | None = None) -> Annotated[Tensor, "points outputs"]:
        for layer in self.layers:
            x = layer(x, record)
        return x

    @at_its_device
    def refined(self, grid: int | Sequence[int] | None = None, degree: int | None = None) -> "KAN":
        """A new, finer KAN: the same function where `grid` is a multiple of the present one.

        `grid` is the number of spans of every edge, or one for each input, and then hidden edges keep theirs. Raising the
        degree keeps the smoothness that inner knots had, by repeating them: do it while grids are coarse. Chebyshev and
        Fourier series are the same function on every finer grid, Mexican hats on one that is twice, four times, … as fine.
        Other grids, periodic splines and Gaussians are fitted by least squares: the same function to the basis' accuracy.
        Raises ValueError for a lower degree, a degree of a basis that has none, or a grid that does not suit the inputs.
        """
        spans = [(grid,) * len(layer.spans) if isinstance(grid, int) else layer.spans for layer in self.layers]
        if grid is not None and not isinstance(grid, int):
            if not isinstance(grid, Sequence) or len(grid) != len(spans[0]):
                raise ValueError(f"refined(grid={grid!r}); give a number of spans, or one for each of {len(spans[0])} inputs")
            spans[0] = tuple(grid)
        for count in {n for own in spans for n in own}:
            _check_shape(self.shape, count)
        bases = [layer.basis if degree is None else layer.basis.raised(degree) for layer in self.layers]
        finer = zip(self.layers, spans, bases, strict=True)
        return KAN.from_layers([layer.refined(own, basis) for layer, own, basis in finer])

    @at_its_device
    def split(self, inserted: Sequence[Sequence[Annotated[Tensor, "breaks"]]]) -> "KAN":
        """A new KAN, the same function to rounding: splines with more breaks, by layer and by its input.

        Unlike those of `refined`, spans may then differ in length; periodic splines stay what they are, too.
        """
        return KAN.from_layers([layer.split(own) for layer, own in zip(self.layers, inserted, strict=True)])

    @at_its_device
    def widened(self, rank: int, seed: int = 0) -> "KAN":
        """A new KAN, the same function, in whose products of edges every node sums at least `rank` of them.

        Nodes that are no products stay as they are.
        """
        layers, random = [], torch.Generator().manual_seed(seed)
        for layer in self.layers:
            nodes = layer.nodes
            if isinstance(nodes, Product) and nodes.rank < rank:
                # smooth on the whole range, as the first products were: few spans
                low, high = layer.ends
                more = Product(nodes.count, rank - nodes.rank)
                layer = layer.widened(Layer.initial(low, high, more, 2, layer.basis, layer.periodic, random))
            layers.append(layer)
        return KAN.from_layers(layers)

    @property
    def rank(self) -> int | None:
        """The largest number of products that a node sums; None without products."""
        return max((layer.nodes.rank for layer in self.layers if isinstance(layer.nodes, Product)), default=None)

    @at_its_device
    def adapted(self) -> "KAN":
        """A new KAN whose hidden knots span the ranges of their inputs on a dense set of points, and a margin.

        A layer whose knots fit stays as it is; others are fitted by least squares on knots stretched to the range.
        """
        layers, x = [], dense_points(len(self.layers[0].knots))
        with torch.no_grad():
            for number, layer in enumerate(self.layers):
                following = layer(x, [])
                layers.append(layer.stretched(x) if number else layer)
                x = following
        return KAN.from_layers(layers)

    # --- pictures -------------------------------------------------------------------------------------------------

    @at_its_device
    @torch.no_grad()
    def strengths(self) -> list[Strengths]:
        """How much of the outputs depends on each edge, layer by layer, from 0 to 1; see `kanpde.strengths`."""
        return strengths(self._record())

    @at_its_device
    @torch.no_grad()
    def plot(self, path: str | Path, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> None:
        """Draw the network: each edge's function over the range that its input reaches, as opaque as the edge is strong.

        `inputs` and `outputs` name them. Products of edges are nodes × below the node that sums them. Layers of more than 64
        edges are drawn as lines alone.
        """
        record = self._record()
        names = _names("inputs", inputs, len(self.layers[0].knots)), _names("outputs", outputs, self.layers[-1].count)
        levels = [_level(*used, own) for used, own in zip(record, strengths(record), strict=True)]
        plot_network(path, levels, *names, self.periodic)

    @at_its_device
    @torch.no_grad()
    def plot_edge(self, path: str | Path, layer: int, input: int, output: int) -> None:
        """Draw one edge and its derivative on its grid, with its knots and the range that its input reaches.

        Numbers are those that `plot` shows: `output` is a node or, where nodes sum products, a product.
        """
        one = self.layers[_checked("layer", layer, len(self.layers))]
        number, column = _checked("input", input, len(one.knots)), _checked("output", output, one.table.shape[1])
        reached = self._record()[layer][1].x[:, number]
        target = f"product {column}" if isinstance(one.nodes, Product) else f"node {column}"
        plot_edge(path, _edge(one.by_input()[number], column, reached), f"layer {layer}: input {number} → {target}")

    def _record(self) -> Record:
        """An evaluation on a dense set of points."""
        record: Record = []
        found = self(dense_points(len(self.layers[0].knots)), record)
        if not torch.isfinite(found).all():
            raise ValueError(f"{self!r} has values that are not finite, and so no strengths and no picture; train it anew")
        return record


def _names(what: str, given: Sequence[str], count: int) -> Sequence[str]:
    if given and len(given) != count:
        raise ValueError(f"{what}={given!r} names {len(given)}, but the network has {count} {what}; name each, or none")
    return given or [""] * count


def _checked(what: str, given: int, count: int) -> int:
    if not isinstance(given, int) or not 0 <= given < count:
        raise ValueError(f"{what}={given!r} does not exist; it is a number from 0 to {count - 1}, as plot(…) shows them")
    return given


def _level(layer: Layer, functions: EdgeFunctions, own: Strengths) -> Level:
    """A layer for a diagram, from an evaluation on a dense set of points."""
    low, high = functions.x.min(0).values, functions.x.max(0).values
    x = torch.lerp(low, high, torch.linspace(0, 1, CURVE, dtype=torch.float64)[:, None])
    values = EdgeFunctions(layer, x).value(0)
    return Level(x.cpu().numpy(), values.cpu().numpy(), own.cpu().numpy(), layer.count, isinstance(layer.nodes, Product))


def _edge(layer: Layer, number: int, inputs: Annotated[Tensor, "points"]) -> Edge:
    """An edge for a picture, of a layer of one input, on its grid and on what its inputs reach beyond."""
    (low,), (high,) = layer.ends
    knots = layer.knots.unique()
    knots = knots[(knots >= low) & (knots <= high)]  # periodic ones continue
    reached = inputs.min(), inputs.max()
    start, end = torch.minimum(low, reached[0]), torch.maximum(high, reached[1])
    x = torch.lerp(start, end, torch.linspace(0, 1, max(4 * CURVE, 20 * len(knots)), dtype=torch.float64))
    functions = EdgeFunctions(layer, x[:, None])
    values, slopes = (functions.value(order)[:, 0, number].cpu().numpy() for order in (0, 1))
    return Edge(x.cpu().numpy(), values, slopes, knots.cpu().numpy(), (reached[0].item(), reached[1].item()))


def dense_points(inputs: int, count: int = 4096) -> Inputs:
    """A fixed set that fills [-1, 1]^inputs, a uniform grid with its ends up to five inputs: hidden ranges are taken there,

    as random points miss extremes.
    """
    if inputs > 5:  # where a grid would have more than that
        return 2 * sobol(count, inputs, scrambled=False) - 1
    axis = torch.linspace(-1, 1, max(5, round(count ** (1 / inputs))), dtype=torch.float64)
    return torch.cartesian_prod(*[axis] * inputs).reshape(-1, inputs)


def _check_shape(nodes: Sequence[int | Product], grid: int) -> None:
    sizes = [n for node in nodes for n in ((node.count, node.rank) if isinstance(node, Product) else (node,))]
    if len(nodes) < 2 or isinstance(nodes[0], Product) or not all(isinstance(n, int) and n > 0 for n in sizes):
        raise ValueError(f"nodes={nodes!r} is no network; list the inputs and at least one layer, as in [2, 5, 1]")
    if not isinstance(grid, int) or grid < 1:
        raise ValueError(f"grid={grid!r}; give whole numbers, at least one span")


def _basis_of(degree: int | None, basis: Basis | None) -> Basis:
    if basis is None:
        return Splines() if degree is None else Splines(degree)
    if not isinstance(basis, Basis):
        raise TypeError(f"basis={basis!r}; give an object such as Splines(7), Chebyshev() or Fourier()")
    if degree is not None:
        raise ValueError(f"degree={degree!r} and basis={basis!r} both say what edges are made of; leave one of them out")
    return basis


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
            linear = nn.Linear(inputs, outputs, dtype=torch.float64, device="meta").to_empty(device=CPU)
            nn.init.xavier_normal_(linear.weight, generator=random)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.Tanh()]
        self.stack = nn.Sequential(*layers[:-1]).to(here())

    @property
    def size(self) -> int:
        """Number of trainable coefficients."""
        return sum(p.numel() for p in self.parameters())

    def forward(self, x: Inputs) -> Annotated[Tensor, "points outputs"]:
        return self.stack(x)


class Constant(nn.Module):
    """A number, as a network of no inputs that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Inputs) -> Annotated[Tensor, "points 1"]:
        return self.value.expand(len(x), 1)


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen (`requires_grad_(False)`)."""
    return [p for p in network.parameters() if p.requires_grad]
