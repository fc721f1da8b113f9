"""`Slabs`: a KAN for each slab of time, which together are one function; or one for a patch, which is all of a box.

On a slab it is a sum of products φⱼ(x) ψⱼ(t) of splines φⱼ, which are trained, and polynomials ψⱼ, which are not: as many as
there are up to the splines' degree, so that with the coefficients of the φⱼ all of the tensor product is there and the network
is linear in them. Where there is time alone, the φⱼ are numbers. The first ψⱼ are powers of the time since the slab's start,
whose φⱼ are what the slab before ends with.
"""

from collections.abc import Sequence
from functools import cache
from typing import Annotated

import numpy as np
import torch
from numpy.polynomial import Chebyshev
from torch import Tensor, nn

from kanpde.devices import CPU, at
from kanpde.layers import Inputs, Layer, Product
from kanpde.lines import Line
from kanpde.networks import KAN
from kanpde.rules import gauss_on_spans, product
from kanpde.splines import LocalBasis, uniform_knots

IN_SPACE, IN_TIME = 4, 6  # Gauss points that errors are measured at, on a span and in a slab of time


@cache
def time_functions(carried: int, degree: int) -> list[Chebyshev]:
    """A basis of polynomials on [-1, 1]: σ⁰, …, σᵐ⁻¹, then σᵐ times Chebyshev's, with σ = (τ + 1)/2 and m = `carried`."""
    since = Chebyshev([0.5, 0.5])
    return [since**j for j in range(carried)] + [since**carried * Chebyshev.basis(j) for j in range(degree + 1 - carried)]


def time_values(carried: int, degree: int, order: int, tau: Annotated[Tensor, "times"]) -> Annotated[Tensor, "functions times"]:
    """Derivatives of the time functions."""
    at = tau.cpu().numpy()
    return torch.stack([torch.as_tensor((f.deriv(order) if order else f)(at)) for f in time_functions(carried, degree)])


@cache
@at(CPU)
def time_splines(carried: int, degree: int) -> Annotated[Tensor, "degree+1 functions"]:
    """The time functions as splines of one span: their coefficients."""
    tau = torch.cos(torch.pi * (torch.arange(degree + 1, dtype=torch.float64) + 0.5) / (degree + 1))
    design = LocalBasis(tau[:, None], _one_span(degree), degree).derivative(0)[:, :, 0].T
    return torch.linalg.solve(design, time_values(carried, degree, 0, tau).T)


@cache
@at(CPU)
def halves(whole: int, part: int, degree: int) -> Annotated[Tensor, "2 functions functions"]:
    """The time functions of a slab by those of its first and of its second half, of which `part` are carried.

    They are exact, as all numbers are dyadic fractions: rounding in the velocities at the middle would go on to the end.
    """
    own = _chebyshev(time_functions(part, degree))
    placed = [[f(Chebyshev([middle, 0.5])) for f in time_functions(whole, degree)] for middle in (-0.5, 0.5)]
    return torch.stack([torch.linalg.solve_triangular(own, _chebyshev(fs), upper=False, left=False) for fs in placed])


def _chebyshev(functions: Sequence[Chebyshev]) -> Annotated[Tensor, "functions degree+1"]:
    """Coefficients, below as many functions of lower degrees."""
    return torch.tensor([np.pad(f.coef, (0, len(functions) - len(f.coef))).tolist() for f in functions], dtype=torch.float64)


def _one_span(degree: int) -> Annotated[Tensor, "1 knots"]:
    low = torch.tensor([-1.0], dtype=torch.float64)
    return uniform_knots(low, -low, 1, degree)


def slab_network(
    line: Line, coefficients: Sequence[Annotated[Tensor, "functions degree+1"]], carried: Sequence[int], time_axis: int
) -> KAN:
    """The KAN of one slab, on x and τ in [-1, 1], from the coefficients of each output's φⱼ."""
    degree = coefficients[0].shape[1] - 1
    functions = [torch.as_tensor(time_splines(m, degree)) for m in carried]
    if line.is_point:
        sums = [own @ c.T for own, c in zip(functions, coefficients, strict=True)]
        return KAN.from_layers([_edges(_one_span(degree), degree, len(sums), False, torch.cat(sums, 1))])
    nodes = Product(len(coefficients), rank=degree + 1)
    space = _edges(line.knots, degree, nodes, line.ring, torch.cat(list(coefficients), 1))
    time = _edges(_one_span(degree), degree, nodes, False, torch.cat(functions, 1))
    return KAN.from_layers([Layer.joined([space, time] if time_axis == 1 else [time, space])])


def _edges(knots: Annotated[Tensor, "1 knots"], degree: int, nodes: Product | int, periodic: bool, splines: Tensor) -> Layer:
    """The edges of one input; those that are not periodic have activations too, of weight zero."""
    table = splines if periodic else torch.cat([splines, splines.new_zeros(1, splines.shape[1])])
    return Layer(knots, degree, nodes, torch.tensor([periodic]), table)


class Slabs(nn.Module):
    """KANs of one slab each, from `times[k]` to `times[k + 1]`, as one network on [-1, 1] or its square; time is input `axis`.

    It vanishes where the conditions that are built in hold, with as many derivatives: a `Field` adds only their lift.
    `tolerance` is what each slab may add to the error, relative to the size of the solution. A single one with splines in
    both axes is a patch: what `patch_network` makes.
    """

    times: Tensor

    def __init__(self, times: Annotated[Tensor, "slabs+1"], kans: Sequence[KAN], axis: int, tolerance: float) -> None:
        super().__init__()
        self.register_buffer("times", times)
        self.kans = nn.ModuleList(kans)
        self.axis, self.tolerance = axis, tolerance

    def __repr__(self) -> str:
        if self.is_patch:
            return (
                f"Patch of {' × '.join(map(str, self.parts[0].spans))} spans, KAN({self.parts[0].shape}, degree={self.degree})"
            )
        spans = [max(kan.spans) for kan in self.parts]
        few, many = min(spans), max(spans)
        spread = "" if many == 1 else f", {few} … {many} spans" if few < many else f", {few} spans"
        return f"Slabs of {len(self.parts)} KAN({self.parts[0].shape}, degree={self.degree}{spread})"

    @property
    def is_patch(self) -> bool:
        """Whether there are splines in time too, or in what stands for it: on a single span they are polynomials."""
        return len(self.parts) == 1 and min(self.parts[0].spans) > 1

    @property
    def _is_alone(self) -> bool:
        """Whether there is no other input."""
        return len(self.parts[0].spans) == 1

    @property
    def parts(self) -> list[KAN]:
        return list(self.kans)  # pyright: ignore[reportReturnType]

    def line(self, number: int) -> Line:
        """The splines of a slab."""
        kan, space = self.parts[number], 1 - self.axis
        if self._is_alone:
            return Line.point()
        return Line(kan.layers[0].breaks[space], self.degree, space in kan.periodic)

    def coefficients(self, number: int, carried: Sequence[int]) -> list[Annotated[Tensor, "functions degree+1"]]:
        """Of the φⱼ of each output of a slab, as they and `carried` were given to `slab_network`."""
        layer, space = self.parts[number].layers[0], 1 - self.axis
        if self._is_alone:
            sums = layer.table.detach()[: self.degree + 1].split(1, 1)
            functions = [torch.as_tensor(time_splines(m, self.degree)) for m in carried]
            return [torch.linalg.solve(own, c).T for own, c in zip(functions, sums, strict=True)]
        first, count = int(layer.first_row[space]), int(layer.counts[space])
        return list(layer.table.detach()[first : first + count].split(self.degree + 1, 1))

    @property
    def grid(self) -> int:
        """The largest number of spans of an input; slabs are those of time, where there is nothing else."""
        return max(*(kan.grid for kan in self.parts), len(self.parts) if self._is_alone else 1)

    @property
    def degree(self) -> int:
        degree = self.parts[0].degree
        assert degree is not None  # of splines
        return degree

    @property
    def periodic(self) -> tuple[int, ...]:
        return self.parts[0].periodic

    @property
    def size(self) -> int:
        """Number of coefficients of all slabs."""
        return sum(kan.size for kan in self.parts)

    @property
    def held(self) -> int:
        """Bytes for each point, which meets one of the KANs; see `Layer.held`."""
        return max(kan.held for kan in self.parts)

    def quadrature(self) -> tuple[Annotated[Tensor, "points inputs"], Annotated[Tensor, "points"]]:
        """Points of the unit cube and weights of sum one, fine where splines are: Gauss points that no slab is solved at."""
        points, weights = [], []
        for number, kan in enumerate(self.parts):
            start, end = self.times[number], self.times[number + 1]
            pair = []
            for axis, breaks in enumerate(kan.layers[0].breaks):
                each = IN_TIME if len(breaks) == 2 else IN_SPACE
                placed = torch.lerp(start, end, (breaks + 1) / 2) if axis == self.axis else breaks
                pair.append(gauss_on_spans(placed, each))
            places, shares = product([((at[:, None] + 1) / 2, share / 2) for at, share in pair])
            points.append(places)
            weights.append(shares)
        return torch.cat(points), torch.cat(weights)

    def forward(self, x: Inputs) -> Annotated[Tensor, "points outputs"]:
        number = torch.searchsorted(self.times[1:-1].contiguous(), x.detach()[:, self.axis].contiguous())
        found, places = [], []
        for slab in number.unique().tolist():
            at = torch.nonzero(number == slab)[:, 0]
            low, high = self.times[slab], self.times[slab + 1]
            own = list(x[at].split(1, 1))
            own[self.axis] = 2 * (own[self.axis] - low) / (high - low) - 1
            found.append(self.parts[slab](torch.cat(own, 1)))
            places.append(at)
        return torch.cat(found)[torch.cat(places).argsort()]


def patch_network(
    lines: Sequence[Line], coefficients: Sequence[Annotated[Tensor, "functions others"]], first_axis: int, tolerance: float
) -> Slabs:
    """One KAN for all of a box: each output is Σⱼ φⱼ ψⱼ with all splines ψⱼ of the second line, and φⱼ by coefficients."""
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    if lines[1].is_point:
        (line, _), splines = lines, torch.cat(list(coefficients), 1)
        kan = KAN.from_layers([_edges(line.knots, line.degree, len(coefficients), line.ring, splines)])
        return Slabs(ends, [kan], 0, tolerance)
    others = lines[1].count
    nodes = Product(len(coefficients), rank=others)
    every = torch.eye(others, dtype=torch.float64).repeat(1, len(coefficients))
    tables = torch.cat(list(coefficients), 1), every
    parts = [_edges(line.knots, line.degree, nodes, line.ring, table) for line, table in zip(lines, tables, strict=True)]
    kan = KAN.from_layers([Layer.joined(parts if first_axis == 0 else parts[::-1])])
    return Slabs(ends, [kan], 1 - first_axis, tolerance)
