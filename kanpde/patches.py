"""`Patch`: all products of splines in x and in y on a box, solved by least squares on breaks that stay as they are.

On an element, a span by a span, only few products are alive: JᵀJ is made of one small product of matrices for each element,
and is a band of blocks, one block for each spline in x. A patch is what isogeometric analysis calls so.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import inf, isfinite, sqrt
from typing import Annotated, Any

import torch
from torch import Tensor

from kanpde.bands import NormalBand
from kanpde.domains import Part, Point, is_end
from kanpde.lines import Line
from kanpde.slabs import Slabs, patch_network
from kanpde.tensors import Frame, Functions, Group, Plane, Sites, condition_columns, equation_columns

PER_SPAN = 3  # Gauss points
OUTER, MORE = 3, 6  # spans at either end of a line that have more of them
STEPS = 12  # of Gauss–Newton, at most
HALVINGS = 6  # of a step that does not help
ROUNDING = 1e-6  # below which a step that is not much smaller than the one before is noise
TOGETHER = 8  # spans of the second axis


@dataclass(frozen=True)
class Splines:
    """All splines of a line as the functions of the second axis."""

    interval: tuple[float, float]
    line: Line
    ends: Mapping[str, tuple[int, int]]

    def values(self, unknown: str, order: int, tau: Annotated[Tensor, "Y"]) -> Annotated[Tensor, "functions Y"]:
        found = torch.zeros(len(tau), self.line.count, dtype=torch.float64)
        found.scatter_add_(1, self.line.alive(self.line.basis(tau)), self.trained(unknown, order, tau))
        return found.T

    def trained(self, unknown: str, order: int, tau: Annotated[Tensor, "Y"]) -> Annotated[Tensor, "Y alive"]:
        basis = self.line.basis(tau)
        return basis.derivative(order)[:, :, 0].T * self.line.free(self.ends[unknown])[self.line.alive(basis)]


@dataclass(frozen=True)
class Places:
    """Points on neighbouring spans of a line from `first` on, equally many on each; the weights' sum is the spans' length."""

    first: int
    count: int
    points: Annotated[Tensor, "points"]
    weights: Annotated[Tensor, "points"]

    @staticmethod
    def of(line: Line, finer: int = 1) -> list["Places"]:
        """On all spans; and more on the outer ones, where more splines than spans end."""
        found = [Places(0, line.spans, *line.gauss(PER_SPAN * finer))]
        if not (line.ring or line.is_point):
            more = [t.unflatten(0, (line.spans, -1)) for t in line.gauss(MORE * finer)]
            for first in (0, line.spans - OUTER):
                found.append(Places(first, OUTER, *(t[first : first + OUTER].flatten() for t in more)))
        return found

    @staticmethod
    def at(line: Line, x: float) -> "Places":
        """A single one, in the span that it belongs to, of weight 2, as all of the line."""
        point = torch.tensor([x], dtype=torch.float64)
        return Places(int(line.basis(point).first[0, 0]), 1, point, torch.full((1,), 2.0, dtype=torch.float64))


class Patch:
    """Coefficients of all products of the splines of two lines; `solve` finds them."""

    def __init__(self, plane: Plane, lines: tuple[Line, Line], coefficients: Functions | None = None) -> None:
        self.plane, self.lines = plane, lines
        self.frame = Frame(plane, lines[0], Splines(plane.interval(1), lines[1], plane.ends(1)))
        blank = torch.zeros(lines[0].count, lines[1].count, dtype=torch.float64)
        self.coefficients = dict(coefficients or dict.fromkeys(plane.problem.unknowns, blank))
        self.groups = [*self._groups()]
        self.steps = 0  # of Gauss–Newton
        self.moved, self.is_solved = inf, False  # how far the last one went, and whether no more are needed

    def state(self) -> dict[str, Any]:
        return {"coefficients": self.coefficients, "steps": self.steps, "moved": self.moved, "is_solved": self.is_solved}

    def resume(self, state: Mapping[str, Any]) -> None:
        self.coefficients, self.steps = dict(state["coefficients"]), state["steps"]
        self.moved, self.is_solved = state["moved"], state["is_solved"]

    def on(self, lines: tuple[Line, Line]) -> "Patch":
        """The nearest one on other lines."""
        moved = {}
        for u, c in self.coefficients.items():
            along = lines[0].fitted(c, self.lines[0], self.plane.ends(0)[u])
            moved[u] = lines[1].fitted(along.T, self.lines[1], self.plane.ends(1)[u]).T
        return Patch(self.plane, lines, moved)

    def _groups(self) -> Iterator[tuple[Group, Places, Places]]:
        problem, names = self.plane.problem, self.plane.names
        along, across = map(Places.of, self.lines)
        for one, other in [*product(along, across[:1]), *product(along[:1], across[1:])]:
            yield self._group(one, other, equation_columns)
        for name in self.plane.soft:
            part = problem.parts[name]
            if isinstance(part, Point):
                places = [self._at(which, part.fixed[n]) if n in part.fixed else None for which, n in enumerate(names)]
                one, other = (at or all_[0] for at, all_ in zip(places, (along, across), strict=True))
                yield self._group(one, other, lambda sites, name=name: condition_columns(name, sites, None))
                continue
            assert isinstance(part, Part)
            for face in filter(is_end, part.faces):
                yield from self._on_face(name, part, face)

    def _on_face(self, name: str, part: Part, face: tuple[str, int]) -> list[tuple[Group, Places, Places]]:
        """A predicate that drops most points is met with more."""
        which = self.plane.names.index(face[0])
        end = Places.at(self.lines[which], 2.0 * face[1] - 1.0)
        for finer in (1, 8, 64):
            places = Places.of(self.lines[1 - which], finer)
            pairs = [(end, other) for other in places] if which == 0 else [(one, end) for one in places]
            groups = [self._group(*pair, lambda sites: condition_columns(name, sites, face), part) for pair in pairs]
            inside = [int(group.weights.count_nonzero()) for group, *_ in groups]
            if part.predicate is None or sum(inside) > self.lines[0].degree:
                break
        return [found for found, count in zip(groups, inside, strict=True) if count]

    def _at(self, which: int, value: float) -> Places:
        low, high = self.plane.interval(which)
        return Places.at(self.lines[which], 2 * (value - low) / (high - low) - 1)

    def _group(
        self, one: Places, other: Places, columns: Callable[[Sites], Callable], part: Part | None = None
    ) -> tuple[Group, Places, Places]:
        sites = Sites(self.frame, one.points, other.points)
        weights = (one.weights[:, None] * other.weights / 4).sqrt()
        if part is not None and part.predicate is not None:
            weights = weights * part.predicate(**sites.columns).view(weights.shape)
        spans = torch.arange(one.first, one.first + one.count)
        return Group(sites, columns(sites), spans, weights), one, other

    # --- least squares ----------------------------------------------------------------------------------------------

    def solve(self, goal: float, watch: Callable[["Patch"], None]) -> bool:
        """Gauss–Newton steps until they move the solution by much less than `goal` or than splines miss; whether they do.

        A step that does not lower the residual is halved. `watch` is called in each, before the coefficients change.
        """
        while self.steps < STEPS:
            normal = self.linearized()
            self.residual = sqrt(normal.squares)
            watch(self)
            self.steps += 1
            step = normal.step() if isfinite(normal.squares) else None
            if step is None or not torch.isfinite(step).all():
                return False
            start, change = self.coefficients, self._functions(step)
            moved = self.size(change)
            for _ in range(HALVINGS):
                self.coefficients = {u: c + change[u] for u, c in start.items()}
                if moved < ROUNDING or self.squares() < normal.squares:
                    break
                change, moved = {u: c / 2 for u, c in change.items()}, moved / 2
            else:
                self.coefficients = start
                return False
            before, self.moved = self.moved, moved
            self.is_solved = moved < 1e-2 * max(goal, self.missed) or ROUNDING > moved > 0.3 * before
            if self.is_solved:
                return True
        return False

    def linearized(self) -> NormalBand:
        along, across = self.lines
        width, unknowns = along.degree + 1, len(self.coefficients)
        functions = across.spans + across.degree  # a ring is cut open, and closed in the end
        normal = NormalBand(width, unknowns * functions, along.count, along.ring, unknowns)
        for group, one, other in self.groups:
            for jacobian, residual in group.rows(self.coefficients):
                own = jacobian.unflatten(3, (unknowns, -1)).unflatten(1, (other.count, -1)).unflatten(0, (one.count, -1))
                missed = residual.unflatten(1, (other.count, -1)).unflatten(0, (one.count, -1))
                # several elements at a time, as neighbours have most functions in common
                for low in range(0, other.count, TOGETHER):
                    rows = _aligned(own[:, :, low : low + TOGETHER])
                    start = other.first + low
                    window = slice(start, start + rows.shape[-1])
                    normal.add(
                        group.spans, rows.flatten(3).flatten(1, 2), missed[:, :, low : low + TOGETHER].flatten(1), window
                    )
        return normal.folded(across.degree) if across.ring else normal

    def squares(self) -> float:
        """‖r‖²."""
        total = 0.0
        for group, *_ in self.groups:
            for r in group.columns(group.evaluation(self.coefficients)):
                total += group.weighted(r.detach().view(group.weights.shape)).square().sum().item()
        return total if isfinite(total) else inf

    def _functions(self, step: Annotated[Tensor, "functions block"]) -> Functions:
        return dict(zip(self.coefficients, step.split(self.lines[1].count, 1), strict=True))

    def size(self, change: Functions) -> float:
        """Root mean square of a change, relative to the field's scale."""
        inside = self.groups[0][0]
        sizes = [(inside.weights * inside.sites.network(u, c, (0, 0))).norm().item() for u, c in change.items()]
        return max(sizes) / self.plane.field.scale

    # --- how well it is resolved ------------------------------------------------------------------------------------

    @property
    def missed(self) -> float:
        """Bound for the error of the best splines on these breaks."""
        return max(line.missed(bends).max().item() for line, bends in zip(self.lines, self.bends(), strict=True))

    def bends(self) -> tuple[Annotated[Tensor, "spans"], Annotated[Tensor, "spans"]]:
        """On the spans of both lines, the largest along the other."""
        return _bends(self.lines[0], self.lines[1], [*self.coefficients.values()]), _bends(
            self.lines[1], self.lines[0], [c.T for c in self.coefficients.values()]
        )

    def graded(self, error: float, size: int) -> tuple[Line, Line]:
        """Lines on which splines err by so much, or more where that takes more than so many coefficients."""
        bends = self.bends()
        while True:
            finer = self.lines[0].graded(bends[0], error), self.lines[1].graded(bends[1], error)
            if count(finer, self.plane) <= size or error == inf:
                return finer
            error *= 2

    def network(self) -> Slabs:
        """The same function as a network."""
        first = self.plane.numbers[0]
        assert first is not None
        return patch_network(self.lines, [*self.coefficients.values()], first, self.missed)


def _aligned(
    rows: Annotated[Tensor, "X a Y b alive unknowns alive"],
) -> Annotated[Tensor, "X a Y*b alive unknowns several"]:
    """Rows on Y spans that follow each other, as rows of the functions of all of them."""
    spans, alive = rows.shape[2], rows.shape[-1]
    found = rows.new_zeros(*rows.shape[:-1], alive + spans - 1)
    for span in range(spans):
        found[:, :, span, ..., span : span + alive] = rows[:, :, span]
    return found.flatten(2, 3)


def count(lines: tuple[Line, Line], plane: Plane) -> int:
    """Coefficients of all unknowns on two lines."""
    return len(plane.problem.unknowns) * lines[0].count * lines[1].count


def _bends(line: Line, other: Line, coefficients: list[Tensor]) -> Annotated[Tensor, "spans"]:
    places = torch.cat([other.breaks, (other.breaks[:-1] + other.breaks[1:]) / 2])
    return line.bends(torch.cat([other.values(c.T, places).T for c in coefficients], 1))
