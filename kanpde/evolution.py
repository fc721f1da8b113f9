"""Evolution on an interval or a ring, or of numbers alone, slab of time by slab of time.

On a slab u = G + Σⱼ φⱼ(x) ψⱼ(t) (see `slabs`) at the Gauss points of spans and slab, linear in its coefficients, and each
spline meets only its neighbours: a Gauss–Newton step costs as much as there are spans, and takes the derivatives of the
splines themselves instead of a graph. Spans are drawn together where the solution bends, slabs where it changes fast.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite, sqrt
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from kanpde.bands import NormalBand
from kanpde.domains import TIME, Part, is_end
from kanpde.field import Field
from kanpde.lines import Coefficients, Line
from kanpde.networks import KAN
from kanpde.slabs import Slabs, slab_network, time_values
from kanpde.tensors import Frame, Functions, Group, Plane, Sites, condition_columns, equation_columns

PER_SPAN = 2  # Gauss points
OUTER, MORE = 3, 6  # spans at either end of a line that have more of them
STEPS = 8  # of Gauss–Newton, at most
ROUNDING = 1e-6  # below which a step that is not much smaller than the one before is noise


class Strip(Plane):
    """What all slabs of a problem share."""

    def __init__(self, field: Field, weights: Mapping[str, float]) -> None:
        names = field.problem.domain.names
        time = names.index(TIME)
        super().__init__(field, weights, (None if len(names) == 1 else 1 - time, time))
        assert isinstance(field.network, Slabs)
        self.network = field.network
        self.degree = self.network.degree  # of the polynomials in time
        self.start, self.end = self.interval(1)
        self.started = {u: low for u, (low, _) in self.ends(1).items()}
        self.orders = {u: by_axis[TIME] for u, by_axis in self.problem.orders.items()}

    def carried(self, slab: int) -> dict[str, int]:
        """How many polynomials of a slab are given: the first one's by what is built in, those of others by the one before."""
        return self.orders if slab else self.started


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
class Trace:
    """What is kept of a slab that is solved, without all of its points."""

    start: float
    line: Line
    coefficients: dict[str, Coefficients]
    carried: dict[str, int]

    def network(self, time_axis: int) -> KAN:
        return slab_network(self.line, [*self.coefficients.values()], [*self.carried.values()], time_axis)


@dataclass(frozen=True)
class Moments:
    """The polynomials in time of a slab, of which the first ones of each unknown are given by what it begins with."""

    interval: tuple[float, float]
    degree: int
    carried: Mapping[str, int]

    def values(self, unknown: str, order: int, tau: Annotated[Tensor, "Y"]) -> Annotated[Tensor, "functions Y"]:
        return time_values(self.carried[unknown], self.degree, order, tau)

    def trained(self, unknown: str, order: int, tau: Annotated[Tensor, "Y"]) -> Annotated[Tensor, "Y alive"]:
        return self.values(unknown, order, tau)[self.carried[unknown] :].T


class Slab:
    """One slab, from a state at its start; `solve` finds its coefficients."""

    def __init__(self, strip: Strip, state: State, duration: float, is_first: bool) -> None:
        self.strip, self.line, self.start, self.duration = strip, state.line, state.time, duration
        self.carried = {u: c.shape[1] for u, c in state.derivatives.items()}
        across = Moments((self.start, self.start + duration), strip.degree, self.carried)
        self.frame = Frame(strip, self.line, across)
        self.coefficients = {u: torch.zeros(self.line.count, strip.degree + 1, dtype=torch.float64) for u in state.derivatives}
        for u, c in state.derivatives.items():
            factor = 1.0
            for j in range(self.carried[u]):
                self.coefficients[u][:, j] = factor * c[:, j]
                factor *= duration / (j + 1)
        self.groups = [*self._groups(is_first)]

    def _groups(self, is_first: bool) -> Iterator[Group]:
        problem = self.strip.problem  # no group refers to the slab, which would keep both alive
        x, x_weights = self.line.gauss(PER_SPAN)
        nodes, weights = np.polynomial.legendre.leggauss(self.strip.degree + 2)
        tau, t_weights = torch.as_tensor(nodes), torch.as_tensor(weights)
        every = torch.arange(self.line.spans)

        sites = Sites(self.frame, x, tau)
        yield Group(sites, equation_columns(sites), every, (x_weights[:, None] * t_weights / 4).sqrt())
        if not (self.line.ring or self.line.is_point):  # where more splines than spans end
            outer = torch.cat([every[:OUTER], every[-OUTER:]])
            places, shares = (t.unflatten(0, (self.line.spans, -1))[outer].flatten() for t in self.line.gauss(MORE))
            more = Sites(self.frame, places, tau)
            yield Group(more, equation_columns(more), outer, (shares[:, None] * t_weights / 4).sqrt())
        for name in self.strip.soft:
            part = problem.parts[name]
            assert isinstance(part, Part)
            for face in filter(is_end, part.faces):
                axis, side = face
                end = torch.tensor([2.0 * side - 1.0], dtype=torch.float64)
                if axis == TIME and is_first:
                    on = Sites(self.frame, x, end)
                    yield Group(on, condition_columns(name, on, face), every, (x_weights[:, None] / 2).sqrt())
                elif axis != TIME:
                    on, own = Sites(self.frame, end, tau), every[-1:] if side else every[:1]
                    yield Group(on, condition_columns(name, on, face), own, (t_weights[None] / 2).sqrt())

    def correct(self, base: Functions) -> tuple[float, float] | None:
        """Take the slab for a change of other coefficients, and make it that of a step from there.

        Returns ‖r‖² before it and, if it were linear, after it; None if there is no such step.
        """
        change = self.coefficients
        self.coefficients = {u: base[u] + c for u, c in change.items()}
        normal = self._linearized()
        step = _step(normal)
        if step is None:
            return None
        self.coefficients = change
        self._move(step)
        return normal.squares, normal.squares + (step * normal.right).sum().item()

    def solve(self, goal: float) -> bool:
        """Gauss–Newton steps until they move the solution by much less than `goal` or than spans miss; whether they do."""
        before = inf
        for _ in range(STEPS):
            normal = self._linearized()
            self.residual = sqrt(normal.squares)
            step = _step(normal)
            if step is None:
                return False
            self.moved = self._move(step)
            if self.moved < 1e-2 * max(goal, self.missed) or ROUNDING > self.moved > 0.3 * before:
                return True
            if self.moved > before and before < 0.1:
                return False
            before = self.moved
        return False

    def _linearized(self) -> NormalBand:
        block = sum(self.strip.degree + 1 - m for m in self.carried.values())
        normal = NormalBand(self.line.degree + 1, block, self.line.count, self.line.ring)
        for group in self.groups:
            for rows, residual in group.rows(self.coefficients):
                count = len(group.spans)
                normal.add(group.spans, rows.flatten(2).reshape(count, -1, rows[0, 0].numel()), residual.reshape(count, -1))
        return normal

    def _move(self, step: Coefficients) -> float:
        """Root mean square of the change that a step makes, relative to the field's scale."""
        moved, inside = 0.0, self.groups[0]
        trained = [self.strip.degree + 1 - m for m in self.carried.values()]
        for u, part in zip(self.carried, step.split(trained, 1), strict=True):
            change = torch.cat([part.new_zeros(len(part), self.carried[u]), part], 1)
            self.coefficients[u] = self.coefficients[u] + change
            size = inside.sites.network(u, change, (0, 0))
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
            edges = torch.einsum("xl,xlj->xj", sites.along(u, 0), c[sites.own]) / self.strip.field.scale
            weights = self.groups[0].weights.square().sum(1, keepdim=True)
            last, other = (weights * edges.square()).sum(0).sqrt()[[-1, -2]].tolist()
            largest = max(largest, last, 0.1 * other)
        return largest

    def bends(self) -> Annotated[Tensor, "spans"]:
        """On each span, at the start, the middle and the end; there also those of what the next slab begins with."""
        tau = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
        each = [c @ time_values(self.carried[u], self.strip.degree, 0, tau) for u, c in self.coefficients.items()]
        for derivatives in self.end().derivatives.values():
            each += [c[:, None] * self.duration**k for k, c in enumerate(derivatives.T) if k]
        return self.line.bends(torch.cat(each, 1))

    def end(self) -> State:
        tau = torch.ones(1, dtype=torch.float64)
        found = {}
        for u, c in self.coefficients.items():
            orders = range(self.strip.orders[u])
            at_end = [c @ time_values(self.carried[u], self.strip.degree, k, tau) * (2 / self.duration) ** k for k in orders]
            found[u] = torch.cat(at_end, 1) if at_end else c.new_zeros(self.line.count, 0)
        return State(self.start + self.duration, self.line, found)

    def trace(self) -> Trace:
        return Trace(self.start, self.line, self.coefficients, self.carried)

    def network(self) -> KAN:
        return self.trace().network(self.strip.network.axis)


def _step(normal: NormalBand) -> Coefficients | None:
    """None if there is none, or one of no numbers."""
    step = normal.step() if isfinite(normal.squares) else None
    return step if step is not None and torch.isfinite(step).all() else None
