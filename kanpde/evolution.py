"""Evolution on an interval or a ring, slab of time by slab of time.

On a slab u = G + Σⱼ φⱼ(x) ψⱼ(t) (see `slabs`) at the Gauss points of spans and slab, linear in its coefficients, and each
spline meets only its neighbours: a Gauss–Newton step costs as much as there are spans, and takes the derivatives of the
splines themselves instead of a graph. Spans are drawn together where the solution bends, slabs where it changes fast.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite, sqrt
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from kanpde.bands import NormalBand
from kanpde.conditions import Periodic
from kanpde.derivatives import Column, MultiIndex, Probe, diff
from kanpde.domains import TIME, Domain, Part, is_end
from kanpde.field import Field, zero
from kanpde.functions import columns
from kanpde.lines import Coefficients, Line
from kanpde.networks import KAN
from kanpde.slabs import slab_network, time_values

PER_SPAN = 2  # Gauss points
OUTER, MORE = 3, 6  # spans at either end of a line that have more of them
STEPS = 8  # of Gauss–Newton, at most
ROUNDING = 1e-6  # below which a step that is not much smaller than the one before is noise


class Strip:
    """What all slabs of a problem share: its ansatz, and which conditions are weighted."""

    def __init__(self, field: Field, weights: Mapping[str, float]) -> None:
        self.field, self.problem, self.weights = field, field.problem, weights
        box = self.problem.domain
        (self.space,) = box.spatial
        self.space_axis, self.time_axis = box.names.index(self.space), box.names.index(TIME)
        self.low, self.high = box.axes[self.space]
        self.start, self.end = box.axes[TIME]
        self.ring = any(isinstance(c, Periodic) for c in self.problem.conditions.values())
        self.soft = [name for name in self.problem.conditions if name not in field.hard]
        built_in = field.ansatz.items()
        self.started = {u: len(a.axes[TIME][0]) if TIME in a.axes else 0 for u, a in built_in}
        built_in_space = {u: a.axes.get(self.space, ([], [], None)) for u, a in built_in}
        self.ends = {u: (len(low), len(high)) for u, (low, high, _) in built_in_space.items()}
        self.orders = {u: by_axis[TIME] for u, by_axis in self.problem.orders.items()}

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2

    def factor(self, name: str, usual: float) -> float:
        """On the rows of an equation or a weighted condition; see `residuals`."""
        return self.weights.get(name, usual) / (self.problem.sizes[name] * self.field.scale)

    def index(self, in_space: int, in_time: int) -> MultiIndex:
        return (in_space, in_time) if self.time_axis else (in_time, in_space)


@dataclass
class State:
    """What a slab ends with: for each unknown the φ of its value and time derivatives there, on a line."""

    time: float
    line: Line
    derivatives: dict[str, Coefficients]  # one column for each order below that of the equation

    def on(self, line: Line, ends: Mapping[str, tuple[int, int]]) -> "State":
        derivatives = {u: line.fitted(c, self.line, ends[u]) for u, c in self.derivatives.items()}
        return replace(self, line=line, derivatives=derivatives)


@dataclass(frozen=True)
class Frame:
    """Where and when a slab is, and how many of each unknown's φ it begins with."""

    strip: Strip
    line: Line
    start: float
    duration: float
    carried: Mapping[str, int]

    def trained(self, unknown: str) -> int:
        """How many more φ it has."""
        return self.line.degree + 1 - self.carried[unknown]


class Sites:
    """A grid of places and times in a slab, with the basis there."""

    def __init__(self, frame: Frame, x: Annotated[Tensor, "X"], tau: Annotated[Tensor, "T"]) -> None:
        self.frame, self.tau = frame, tau
        strip = frame.strip
        self.basis = frame.line.basis(x)
        self.first = self.basis.first[:, 0]
        self.own = frame.line.alive(self.basis)
        place = strip.low + strip.half * (x + 1)
        time = frame.start + frame.duration * (tau + 1) / 2
        points = torch.empty(len(x), len(tau), 2, dtype=torch.float64)
        points[..., strip.space_axis], points[..., strip.time_axis] = place[:, None], time
        self.points = points.flatten(0, 1)
        self.columns = columns(self.points, strip.problem.domain.names)
        self._space: dict[tuple[str, int], Tensor] = {}
        self._time: dict[tuple[str, int], Tensor] = {}
        self._lifts: dict[tuple[str, MultiIndex], Column] = {}

    def space(self, unknown: str, order: int) -> Annotated[Tensor, "X functions"]:
        """Derivatives of the basis functions; zero for those that do not vanish where the network has to."""
        if (unknown, order) not in self._space:
            strip = self.frame.strip
            values = self.basis.derivative(order)[:, :, 0].T * (strip.field.scale / strip.half**order)
            self._space[unknown, order] = values * self.frame.line.free(strip.ends[unknown])[self.own]
        return self._space[unknown, order]

    def time(self, unknown: str, order: int) -> Annotated[Tensor, "functions T"]:
        if (unknown, order) not in self._time:
            values = time_values(self.frame.carried[unknown], self.frame.line.degree, order, self.tau)
            self._time[unknown, order] = values * (2 / self.frame.duration) ** order
        return self._time[unknown, order]

    def lift(self, unknown: str, index: MultiIndex) -> Column:
        """A derivative of G, with its graph, by which the next ones are made."""
        if (unknown, index) not in self._lifts:
            axis = next((i for i, k in enumerate(index) if k), None)
            if axis is None:
                found = self.frame.strip.field.ansatz[unknown].lifted(self.columns, zero(self.columns))
            else:
                before = self.lift(unknown, tuple(k - (i == axis) for i, k in enumerate(index)))
                x = list(self.columns.values())[axis]
                found = diff(before, x) if before.requires_grad else torch.zeros_like(x)
            self._lifts[unknown, index] = found
        return self._lifts[unknown, index]

    def network(self, unknown: str, coefficients: Coefficients, index: MultiIndex) -> Column:
        """A derivative of Σ φⱼ ψⱼ."""
        i, j = index[self.frame.strip.space_axis], index[self.frame.strip.time_axis]
        edges = torch.einsum("xl,xlj->xj", self.space(unknown, i), coefficients[self.own])
        return (edges @ self.time(unknown, j)).reshape(-1, 1)

    def value(self, unknown: str, coefficients: Coefficients, index: MultiIndex) -> Column:
        return self.lift(unknown, index).detach() + self.network(unknown, coefficients, index)

    def probes(self, coefficients: Mapping[str, Coefficients]) -> dict[str, Probe]:
        x = list(self.columns.values())
        return {u: Probe(x, partial(self.value, u, c)) for u, c in coefficients.items()}

    def jacobian(self, probes: Mapping[str, Probe], r: Column) -> Annotated[Tensor, "X T functions*block"]:
        """∂r by the trained coefficients: those of each unknown's φⱼ, j ≥ carried, for one function after the other."""
        strip, found = self.frame.strip, []
        shape = (len(self.first), len(self.tau))
        for unknown, probe in probes.items():
            by_order: dict[int, Tensor] = {}
            for index, c in probe.coefficients(r).items():
                i, j = index[strip.space_axis], index[strip.time_axis]
                term = c.view(*shape, 1) * self.time(unknown, j)[self.frame.carried[unknown] :].T
                by_order[i] = by_order[i] + term if i in by_order else term
            own = torch.zeros(
                *shape,
                self.frame.line.degree + 1,
                self.frame.trained(unknown),
                dtype=torch.float64,
            )
            for i, term in by_order.items():
                own += term[:, :, None, :] * self.space(unknown, i)[:, None, :, None]
            found.append(own)
        return torch.cat(found, 3).flatten(2)


class _Evaluation:
    """Probes where a condition expects a network at the points of a grid."""

    def __init__(self, box: Domain, sites: Sites, coefficients: Mapping[str, Coefficients]) -> None:
        self.box, self.sites = box, sites
        self.probes = sites.probes(coefficients)

    def __call__(self, points: Tensor) -> tuple[dict[str, Column], dict[str, Column]]:  # noqa: ARG002, those of the sites
        return {u: probe.unknown() for u, probe in self.probes.items()}, self.sites.columns


@dataclass(frozen=True)
class Group:
    """Rows of one kind: what makes columns at sites, the spans of these, and the square roots of their weights."""

    sites: Sites
    columns: Callable[[_Evaluation], list[Column]]
    spans: Annotated[Tensor, "spans"]
    weights: Annotated[Tensor, "X T"]

    def evaluation(self, coefficients: Mapping[str, Coefficients]) -> _Evaluation:
        return _Evaluation(self.sites.frame.strip.problem.domain, self.sites, coefficients)


class Slab:
    """One slab, from a state at its start; `solve` finds its coefficients."""

    def __init__(self, strip: Strip, state: State, duration: float, is_first: bool) -> None:
        self.strip, self.line, self.start, self.duration = strip, state.line, state.time, duration
        self.carried = {u: c.shape[1] for u, c in state.derivatives.items()}
        self.frame = Frame(strip, self.line, self.start, duration, self.carried)
        self.coefficients = {
            u: torch.zeros(self.line.count, self.line.degree + 1, dtype=torch.float64) for u in state.derivatives
        }
        for u, c in state.derivatives.items():
            factor = 1.0
            for j in range(self.carried[u]):
                self.coefficients[u][:, j] = factor * c[:, j]
                factor *= duration / (j + 1)
        self.groups = [*self._groups(is_first)]

    def _groups(self, is_first: bool) -> Iterator[Group]:
        strip, problem = self.strip, self.strip.problem  # no group refers to the slab, which would keep both alive
        x, x_weights = self.line.gauss(PER_SPAN)
        nodes, weights = np.polynomial.legendre.leggauss(self.line.degree + 2)
        tau, t_weights = torch.from_numpy(nodes), torch.from_numpy(weights)
        every = torch.arange(self.line.spans)

        def equations(sites: Sites, evaluate: _Evaluation) -> list[Column]:
            unknowns, at = evaluate(sites.points)
            return [strip.factor(n, 1.0) * r for n, r in problem.equations(unknowns, at).items()]

        sites = Sites(self.frame, x, tau)
        yield Group(sites, partial(equations, sites), every, (x_weights[:, None] * t_weights / 4).sqrt())
        if not self.line.ring:  # where more splines than spans end
            outer = torch.cat([every[:OUTER], every[-OUTER:]])
            places, shares = (t.unflatten(0, (self.line.spans, -1))[outer].flatten() for t in self.line.gauss(MORE))
            more = Sites(self.frame, places, tau)
            yield Group(more, partial(equations, more), outer, (shares[:, None] * t_weights / 4).sqrt())
        for name in self.strip.soft:
            part = problem.parts[name]
            assert isinstance(part, Part)
            for axis, side in filter(is_end, part.faces):
                end = torch.tensor([2.0 * side - 1.0], dtype=torch.float64)
                if axis == TIME:
                    if not is_first:
                        continue
                    on = Sites(self.frame, x, end)
                    yield Group(on, self._condition(name, on, side), every, (x_weights[:, None] / 2).sqrt())
                else:
                    on, own = Sites(self.frame, end, tau), every[-1:] if side else every[:1]
                    yield Group(on, self._condition(name, on, side), own, (t_weights[None] / 2).sqrt())

    def _condition(self, name: str, sites: Sites, side: int) -> Callable[[_Evaluation], list[Column]]:
        condition, factor = self.strip.problem.conditions[name], self.strip.factor(name, 10.0)
        normals = torch.zeros_like(sites.points)
        axis = self.strip.time_axis if len(sites.tau) == 1 else self.strip.space_axis
        normals[:, axis] = 2.0 * side - 1.0
        return lambda evaluate: [factor * condition.rows(evaluate, sites.points, normals)]

    def solve(self, goal: float) -> bool:
        """Gauss–Newton steps until they move the solution by much less than `goal` or than spans miss; whether they do."""
        before = inf
        for _ in range(STEPS):
            normal = self._linearized()
            self.residual = sqrt(normal.squares)
            step = normal.step() if isfinite(normal.squares) else None
            if step is None or not torch.isfinite(step).all():
                return False
            self.moved = self._move(step)
            if self.moved < 1e-2 * max(goal, self.missed) or ROUNDING > self.moved > 0.3 * before:
                return True
            if self.moved > before and before < 0.1:
                return False
            before = self.moved
        return False

    def _linearized(self) -> NormalBand:
        block = sum(self.frame.trained(u) for u in self.carried)
        normal = NormalBand(torch.arange(self.line.spans), self.line.degree + 1, block, self.line.count, self.line.ring)
        for group in self.groups:
            evaluate = group.evaluation(self.coefficients)
            for r in group.columns(evaluate):
                rows = group.weights[..., None] * group.sites.jacobian(evaluate.probes, r)
                residual = group.weights * r.detach().view(group.weights.shape)
                normal.add(group.spans, *(t.reshape(len(group.spans), -1, *t.shape[2:]) for t in (rows, residual)))
        return normal

    def _move(self, step: Coefficients) -> float:
        """Root mean square of the change that a step makes, relative to the field's scale."""
        moved, inside = 0.0, self.groups[0]
        for u, part in zip(self.carried, step.split([self.frame.trained(u) for u in self.carried], 1), strict=True):
            change = torch.cat([part.new_zeros(len(part), self.carried[u]), part], 1)
            self.coefficients[u] = self.coefficients[u] + change
            size = inside.sites.network(u, change, self.strip.index(0, 0)).view(inside.weights.shape)
            moved = max(moved, (inside.weights * size).norm().item() / self.strip.field.scale)
        return moved

    # --- how well it is resolved ------------------------------------------------------------------------------------

    @property
    def missed(self) -> float:
        """Bound for the error of the best splines on these breaks."""
        return self.line.missed(self.bends()).max().item()

    @property
    def tail(self) -> float:
        """Share of the highest polynomials in time."""
        sites, largest = self.groups[0].sites, 0.0
        for u, c in self.coefficients.items():
            edges = torch.einsum("xl,xlj->xj", sites.space(u, 0), c[sites.own]) / self.strip.field.scale
            weights = self.groups[0].weights.square().sum(1, keepdim=True)
            last, other = (weights * edges.square()).sum(0).sqrt()[[-1, -2]].tolist()
            largest = max(largest, last, 0.1 * other)
        return largest

    def bends(self) -> Annotated[Tensor, "spans"]:
        """On each span, at the start, the middle and the end; there also those of what the next slab begins with."""
        tau = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
        each = [c @ time_values(self.carried[u], self.line.degree, 0, tau) for u, c in self.coefficients.items()]
        for derivatives in self.end().derivatives.values():
            each += [c[:, None] * self.duration**k for k, c in enumerate(derivatives.T) if k]
        return self.line.bends(torch.cat(each, 1))

    def end(self) -> State:
        tau = torch.ones(1, dtype=torch.float64)
        found = {}
        for u, c in self.coefficients.items():
            orders = range(self.strip.orders[u])
            at_end = [c @ time_values(self.carried[u], self.line.degree, k, tau) * (2 / self.duration) ** k for k in orders]
            found[u] = torch.cat(at_end, 1) if at_end else c.new_zeros(self.line.count, 0)
        return State(self.start + self.duration, self.line, found)

    def network(self) -> KAN:
        return slab_network(
            self.line.knots, self.line.degree, self.line.ring, [*self.coefficients.values()], [*self.carried.values()],
            self.strip.time_axis,
        )  # fmt: skip
