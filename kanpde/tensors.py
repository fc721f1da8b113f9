"""Sums of products u = G + Σᵢⱼ cᵢⱼ φᵢ(x) ψⱼ(y) on a box with at most two axes: values, residuals, Jacobian on grids of points.

φᵢ are splines on a `Line`, ψⱼ other functions of the second axis: polynomials of a slab of time, or splines too. The sum is
linear in its coefficients, and vanishes where conditions are built in: of the φᵢ and ψⱼ those are left out that do not. Its
derivatives are taken from the functions themselves, by `Probe`, without a graph. Where there is one axis, the only function of
the other one is a constant.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Protocol

import torch
from torch import Tensor

from kanpde.conditions import Periodic
from kanpde.derivatives import Column, MultiIndex, Probe, diff
from kanpde.domains import Domain
from kanpde.field import Field
from kanpde.functions import columns
from kanpde.lines import Coefficients, Line
from kanpde.prescribed import zero

Table = Annotated[Tensor, "X Y"]  # one number for each point of a grid
Functions = Mapping[str, Coefficients]  # by unknown: a row for each φᵢ, a column for each ψⱼ


class Plane:
    """What all grids on a box share: the ansatz, the weights of conditions, and the `numbers` of the first axis and the second,

    None for one that is not there.
    """

    def __init__(self, field: Field, weights: Mapping[str, float], numbers: tuple[int | None, int | None]) -> None:
        self.field, self.problem, self.weights = field, field.problem, weights
        self.numbers = numbers
        self.names = tuple(None if number is None else self.problem.domain.names[number] for number in numbers)
        self.soft = [name for name in self.problem.conditions if name not in field.hard]
        periodic = {c.axis for c in self.problem.conditions.values() if isinstance(c, Periodic)}
        self.rings = tuple(name in periodic for name in self.names)

    def interval(self, which: int) -> tuple[float, float]:
        name = self.names[which]
        return (-1.0, 1.0) if name is None else self.problem.domain.axes[name]

    def split(self, index: MultiIndex) -> tuple[int, int]:
        """The orders of a derivative along the first axis and along the second."""
        i, j = (0 if number is None else index[number] for number in self.numbers)
        return i, j

    def ends(self, which: int) -> dict[str, tuple[int, int]]:
        """How many derivatives of each unknown's sum vanish at the ends of an axis."""
        built_in = {u: a.axes.get(self.names[which] or "", ([], [], None)) for u, a in self.field.ansatz.items()}
        return {u: (len(low), len(high)) for u, (low, high, _) in built_in.items()}

    def factor(self, name: str) -> float:
        """On the rows of an equation or a weighted condition; see `residuals`."""
        usual = 10.0 if name in self.problem.conditions else 1.0
        return self.weights.get(name, usual) / (self.problem.sizes[name] * self.field.scale)


class Across(Protocol):
    """The functions ψⱼ of the second axis, on [-1, 1], which stands for an interval of it."""

    @property
    def interval(self) -> tuple[float, float]: ...

    def values(self, unknown: str, order: int, tau: Annotated[Tensor, "Y"]) -> Annotated[Tensor, "functions Y"]:
        """Derivatives by τ, of all of them."""
        ...

    def trained(self, unknown: str, order: int, tau: Annotated[Tensor, "Y"]) -> Annotated[Tensor, "Y alive"]:
        """Derivatives by τ, of those that are trained and do not vanish on the span of τ."""
        ...


@dataclass(frozen=True)
class Frame:
    """The functions of both axes."""

    plane: Plane
    line: Line
    across: Across

    def halves(self) -> tuple[float, float]:
        """Half the lengths of both intervals."""
        (low, high), (start, end) = self.plane.interval(0), self.across.interval
        return (high - low) / 2, (end - start) / 2


class Sites:
    """A grid of points, with the functions there."""

    def __init__(self, frame: Frame, x: Annotated[Tensor, "X"], tau: Annotated[Tensor, "Y"]) -> None:
        self.frame, self.x, self.tau = frame, x, tau
        plane = frame.plane
        self.basis = frame.line.basis(x)
        self.own = frame.line.alive(self.basis)
        points = torch.empty(len(x), len(tau), plane.problem.domain.dimension, dtype=torch.float64)
        placed = _placed(x, plane.interval(0))[:, None], _placed(tau, frame.across.interval)
        for number, places in zip(plane.numbers, placed, strict=True):
            if number is not None:
                points[..., number] = places
        self.points = points.flatten(0, 1)
        self.columns = columns(self.points, plane.problem.domain.names)
        self._along: dict[tuple[str, int], Tensor] = {}
        self._across: dict[tuple[str, int], Tensor] = {}
        self._trained: dict[tuple[str, int], Tensor] = {}
        self._lifts: dict[tuple[str, MultiIndex], Column] = {}

    def along(self, unknown: str, order: int) -> Annotated[Tensor, "X alive"]:
        """Derivatives of the φᵢ, in the units of the field; zero for those that are left out."""
        if (unknown, order) not in self._along:
            plane, line = self.frame.plane, self.frame.line
            values = self.basis.derivative(order)[:, :, 0].T * (plane.field.scale / self.frame.halves()[0] ** order)
            self._along[unknown, order] = values * line.free(plane.ends(0)[unknown])[self.own]
        return self._along[unknown, order]

    def across(self, unknown: str, order: int) -> Annotated[Tensor, "functions Y"]:
        if (unknown, order) not in self._across:
            values = self.frame.across.values(unknown, order, self.tau)
            self._across[unknown, order] = values / self.frame.halves()[1] ** order
        return self._across[unknown, order]

    def trained(self, unknown: str, order: int) -> Annotated[Tensor, "Y alive"]:
        if (unknown, order) not in self._trained:
            values = self.frame.across.trained(unknown, order, self.tau)
            self._trained[unknown, order] = values / self.frame.halves()[1] ** order
        return self._trained[unknown, order]

    def lift(self, unknown: str, index: MultiIndex) -> Column:
        """A derivative of G, with its graph, by which the next ones are made."""
        if (unknown, index) not in self._lifts:
            axis = next((i for i, k in enumerate(index) if k), None)
            if axis is None:
                found = self.frame.plane.field.ansatz[unknown].lifted(self.columns, zero(self.columns))
            else:
                before = self.lift(unknown, tuple(k - (i == axis) for i, k in enumerate(index)))
                x = list(self.columns.values())[axis]
                found = diff(before, x) if before.requires_grad else torch.zeros_like(x)
            self._lifts[unknown, index] = found
        return self._lifts[unknown, index]

    def network(self, unknown: str, coefficients: Coefficients, index: MultiIndex) -> Table:
        """A derivative of Σᵢⱼ cᵢⱼ φᵢ ψⱼ."""
        i, j = self.frame.plane.split(index)
        edges = torch.einsum("xl,xlj->xj", self.along(unknown, i), coefficients[self.own])
        return edges @ self.across(unknown, j)

    def value(self, unknown: str, coefficients: Coefficients, index: MultiIndex) -> Column:
        return self.lift(unknown, index).detach() + self.network(unknown, coefficients, index).reshape(-1, 1)

    def probes(self, coefficients: Functions) -> dict[str, Probe]:
        x = list(self.columns.values())
        return {u: Probe(x, partial(self.value, u, c)) for u, c in coefficients.items()}

    def jacobian(self, probes: Mapping[str, Probe], r: Column) -> Annotated[Tensor, "X Y alive block"]:
        """∂r by the coefficients alive at a point: of each φᵢ those of the first unknown, then those of the next."""
        found = []
        shape = (len(self.x), len(self.tau))
        for unknown, probe in probes.items():
            by_order: dict[int, Tensor] = {}
            for index, c in probe.coefficients(r).items():
                i, j = self.frame.plane.split(index)
                term = c.view(*shape, 1) * self.trained(unknown, j)
                by_order[i] = by_order[i] + term if i in by_order else term
            own = torch.zeros(*shape, self.own.shape[1], self.trained(unknown, 0).shape[1], dtype=torch.float64)
            for i, term in by_order.items():
                own += term[:, :, None, :] * self.along(unknown, i)[:, None, :, None]
            found.append(own)
        return torch.cat(found, 3)


def _placed(x: Annotated[Tensor, "points"], interval: tuple[float, float]) -> Annotated[Tensor, "points"]:
    """Places in an interval, whose end is met exactly: predicates may ask for it."""
    low, high = interval
    return torch.where(x == 1, high, low + (high - low) / 2 * (x + 1))


class Evaluation:
    """The unknowns at sites, as free columns that know their derivatives."""

    def __init__(self, box: Domain, sites: Sites, coefficients: Functions) -> None:
        self.box, self.sites = box, sites
        self.probes = sites.probes(coefficients)

    def __call__(self, points: Tensor) -> tuple[dict[str, Column], dict[str, Column]]:  # noqa: ARG002, those of the sites
        return {u: probe.unknown() for u, probe in self.probes.items()}, self.sites.columns


@dataclass(frozen=True)
class Group:
    """Rows of one kind: what makes columns at sites, the spans of these, and the square roots of their weights."""

    sites: Sites
    columns: Callable[[Evaluation], list[Column]]
    spans: Annotated[Tensor, "several"]  # of the line
    weights: Table

    def evaluation(self, coefficients: Functions) -> Evaluation:
        return Evaluation(self.sites.frame.plane.problem.domain, self.sites, coefficients)

    def rows(self, coefficients: Functions) -> Iterator[tuple[Annotated[Tensor, "X Y alive block"], Table]]:
        """For each column of residuals its weighted Jacobian, and itself."""
        evaluate = self.evaluation(coefficients)
        for r in self.columns(evaluate):
            jacobian = self.weighted(self.sites.jacobian(evaluate.probes, r))
            yield jacobian, self.weighted(r.detach().view(self.weights.shape))

    def weighted(self, of: Annotated[Tensor, "X Y ..."]) -> Annotated[Tensor, "X Y ..."]:
        """Zero where rows do not count, even where they are not finite."""
        weights = self.weights.view(*self.weights.shape, *[1] * (of.dim() - 2))
        return torch.where(weights > 0, weights * of, 0.0)


def equation_columns(sites: Sites) -> Callable[[Evaluation], list[Column]]:
    plane = sites.frame.plane

    def found(evaluate: Evaluation) -> list[Column]:
        unknowns, at = evaluate(sites.points)
        return [plane.factor(n) * r for n, r in plane.problem.equations(unknowns, at).items()]

    return found


def condition_columns(name: str, sites: Sites, face: tuple[str, int] | None) -> Callable[[Evaluation], list[Column]]:
    """Of a condition at sites on a face, or at a point."""
    plane = sites.frame.plane
    condition, factor = plane.problem.conditions[name], plane.factor(name)
    normals = torch.zeros_like(sites.points)
    if face is not None:
        axis, side = face
        normals[:, plane.problem.domain.names.index(axis)] = 2.0 * side - 1.0
    return lambda evaluate: [factor * r for r in condition.rows(evaluate, sites.points, normals).split(1, 1)]
