"""What conditions determine: every face that an equation asks for has enough of them, and they agree where they meet."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Annotated

import torch
from torch import Tensor

from kanpde.conditions import AnyCondition, BoundaryCondition, Condition, Dirichlet, Interface, Periodic, given
from kanpde.domains import TIME, AnyPart, Domain, Face, Part, Point, is_end
from kanpde.functions import Points, columns
from kanpde.inverse import Unknown, taken_by
from kanpde.quadrature import Quadrature

TRIALS = 64  # points of a face at which conditions are looked for


@dataclass(frozen=True)
class Coverage:
    """Conditions of unknowns on parts of a domain's boundary, looked at in random points."""

    domain: Domain
    unknowns: tuple[str, ...]
    conditions: Mapping[str, AnyCondition]
    parts: Mapping[str, AnyPart | Quadrature]
    random: torch.Generator

    def check_seams(self, free: list[str]) -> None:
        """Faces that a periodic condition joins carry no other, but for the value at a point of a ring that may float."""
        seams: dict[str, str] = {}
        for name, condition in self.conditions.items():
            if isinstance(condition, Periodic) and (first := seams.setdefault(condition.axis, name)) != name:
                raise ValueError(f"conditions {first!r} and {name!r} both make {condition.axis} periodic; drop one of them")
        for axis, seam in seams.items():
            ends = [self._on_face((axis, side)) for side in (0, 1)]
            for name, condition in self.conditions.items():
                part = self.parts[name]
                if isinstance(condition, Periodic | Interface | Condition) or not isinstance(part, Part):
                    continue
                sides = [side for side in (0, 1) if part.contains(ends[side]).any()]
                anchor = self.domain.dimension == len(sides) == 1 and isinstance(condition, Dirichlet) and condition.of in free
                if sides and not anchor:
                    raise ValueError(
                        f"condition {name!r} holds at {axis}={self.domain.axes[axis][sides[0]]:g}, which {seam!r} joins to the "
                        f"opposite face; drop one of the conditions, or keep {name!r} off the faces across {axis}"
                    )

    def check_cover(self, orders: Mapping[str, Mapping[str, int]]) -> None:
        """Every face that the order of the equation asks for has its conditions."""
        periodic = {c.axis for c in self.conditions.values() if isinstance(c, Periodic)}
        for unknown, by_axis in orders.items():
            self._check_walls(unknown, by_axis)
            for axis, order in by_axis.items():
                if order == 0 or axis in periodic or axis not in self.domain.intervals:
                    continue
                low, high = self.domain.axes[axis]
                counts = [self._conditions_on(unknown, (axis, side)) for side in (0, 1)]
                pins = self._pins(unknown)
                if axis == TIME:
                    if counts[0] + pins < order:
                        kinds = "an initial value" if order == 1 else f"{order} initial conditions (value, velocity, …)"
                        raise ValueError(
                            f"the equation has a derivative of order {order} of {unknown} by t, so it needs {kinds}, "
                            f"but {counts[0]} found; add Dirichlet(…, on=box.at(t={low:g}))"
                            + (f" and Condition(lambda …: diff({unknown}, t), on=box.at(t={low:g}))" if order > 1 else "")
                        )
                    continue
                bare = [(low, high)[side] for side in (0, 1) if counts[side] == 0]
                if self.domain.dimension == 1 and sum(counts) + pins >= order:
                    continue  # an ordinary differential equation may have all of its data at one end, or inside
                if (order >= 2 and bare) or (len(bare) == 2 and len(self.unknowns) == 1):
                    raise ValueError(
                        f"nothing determines {unknown} at {axis}={bare[0]:g}: the equation has derivatives of order {order} "
                        f"in {axis}; add a Dirichlet, Neumann or Robin condition on box.at({axis}={bare[0]:g}), "
                        f"or Periodic({axis!r})" + (f"; if {axis} is time, name the axis {TIME}" if counts[0] >= order else "")
                    )
                if sum(counts) < order and len(self.unknowns) == 1:
                    raise ValueError(
                        f"the equation has order {order} in {axis}, but the faces across {axis} carry {sum(counts)} "
                        f"conditions; it needs {order}, such as Dirichlet and Neumann on both"
                    )

    def yielding(self, parameters: Mapping[str, Unknown]) -> frozenset[str]:
        """Dirichlet conditions of one unknown agree at points and across seams; which ones give way at edges if not."""
        held = [(n, c, self.parts[n]) for n, c in self.conditions.items() if isinstance(c, Dirichlet)]
        values = [(n, c, part) for n, c, part in held if isinstance(part, AnyPart) and not taken_by(c, parameters)]
        seams = [(n, c.axis) for n, c in self.conditions.items() if isinstance(c, Periodic)]
        pairs = [(one, other, ("", None)) for one, other in combinations(values, 2)] + list(product(values, values, seams))
        yielding = set()
        for (first, one, part), (second, other, beside), (seam, axis) in pairs:
            if one.of != other.of:
                continue
            here, there, shared = _meeting(part, beside, axis, self.random)
            if not len(here):
                continue
            a, b = (given(c.value, columns(at, self.domain.names)) for c, at in ((one, here), (other, there)))
            gap = (a - b).abs()[:, 0]
            wrong = ~(gap <= 1e-8 * (1 + a.abs().max()))
            if not wrong.any():
                continue
            contradict = (wrong & shared).any()
            worst = (gap * shared if contradict else gap).argmax()
            where = f"{first!r} and {second!r} meet at {self.domain.place(here[worst])}"
            if axis is not None:
                where += f", joined by {seam!r} to {self.domain.place(there[worst])}"
            where += f", where one says {a[worst].item():g} and the other {b[worst].item():g}"
            if axis is not None or contradict:
                raise ValueError(f"conditions {where}; make the values agree there")
            if first in yielding:  # it has given way to another already, so that this one need not
                kept, weighted, why = second, first, f"as {first!r} is weighted anyway"
            else:
                kept, weighted, why = first, second, "listed first"
            yielding.add(weighted)
            warnings.warn(
                f"conditions {where}: {kept!r}, {why}, is built in exactly where an ansatz allows it, {weighted!r} is "
                "weighted, in full up to that place; the solution jumps and its slopes are unbounded there, which limits "
                f"accuracy, most of all nearby. List {weighted!r} first to keep that, or let the values agree, as 4x(1 − x) "
                "does with zero at both ends",
                stacklevel=5,
            )
        return frozenset(yielding)

    def _check_walls(self, unknown: str, orders: Mapping[str, int]) -> None:
        """Every point of a wall that is not across an interval has a condition, and two where the order is above two."""
        order = max((k for axis, k in orders.items() if axis not in self.domain.intervals), default=0)
        for face in self.domain.faces:
            if is_end(face) or order < 2:
                continue
            points = self._on_face(face)
            cover = self._cover(unknown, points)
            if len(points) and (least := int(cover.min())) < (needed := (order + 1) // 2):
                raise ValueError(
                    f"the equation has derivatives of order {order} of {unknown}, so that it needs {needed} "
                    f"condition{'s'[: needed > 1]} all along {Part(self.domain, (face,))}, but {least} found at "
                    f"{self.domain.place(points[cover.argmin()])}; "
                    "add a Dirichlet, Neumann or Robin condition on=domain.boundary(), or on the part of it that is bare"
                )

    def _conditions_on(self, unknown: str, face: Face) -> int:
        """How many conditions of an unknown hold at every point of a face."""
        return int(self._cover(unknown, self._on_face(face)).min())

    def _cover(self, unknown: str, points: Points) -> Annotated[Tensor, "points"]:
        """How many conditions of an unknown hold at each point."""
        cover = torch.zeros(len(points))
        for name, condition in self.conditions.items():
            part = self.parts[name]
            held = isinstance(condition, BoundaryCondition) and getattr(condition, "of", unknown) == unknown
            if held and isinstance(part, Part):
                cover += part.contains(points)
        return cover

    def _pins(self, unknown: str) -> int:
        """How many conditions at points an ordinary differential equation has; elsewhere a point covers nothing."""
        names = [n for n, c in self.conditions.items() if getattr(c, "of", unknown) == unknown]
        return sum(isinstance(self.parts[name], Point) for name in names) if self.domain.dimension == 1 else 0

    def _on_face(self, face: Face) -> Points:
        """Random points of a face, as long as some of it belongs to the boundary."""
        part = Part(self.domain, (face,))
        return part.sample(torch.rand(4 * TRIALS, part.dimension, generator=self.random, dtype=torch.float64))[0][:TRIALS]


def _meeting(
    one: AnyPart, other: AnyPart, seam: str | None, random: torch.Generator
) -> tuple[Points, Points, Annotated[Tensor, "points"]]:
    """Random points of two parts that are the same place: on edges of both, or on either side of the seam of an axis.

    Last, which of them are more than an edge: a whole area of a face, or a point that one of the two is.
    """
    domain = one.domain
    unit = torch.rand(16, domain.dimension, generator=random, dtype=torch.float64)
    if isinstance(point := one, Point) or isinstance(point := other, Point):
        tried = [(point.sample(unit)[0], True)] if seam is None or seam not in point.fixed else []
    else:
        pairs = [(f, g) for f, g in product(one.faces, other.faces) if not any(is_end(e) and e[0] == seam for e in (f, g))]
        tried = [(domain.on_face(f, unit[:, 1:])[0] if f == g else domain.meetings(f, g, unit), f == g) for f, g in pairs]
    here, there = ([torch.empty(0, domain.dimension, dtype=torch.float64)] for _ in range(2))
    shared = [torch.empty(0, dtype=torch.bool)]
    for points, same in tried:
        twins = points.clone()
        if seam is not None:
            points[:, domain.names.index(seam)], twins[:, domain.names.index(seam)] = domain.axes[seam]
        both = one.contains(points) & other.contains(twins)
        here.append(points[both])
        there.append(twins[both])
        shared.append(torch.full((int(both.sum()),), same))
    return torch.cat(here), torch.cat(there), torch.cat(shared)
