"""Polygonal outlines: functions that vanish on them, by their convex hulls, and corners at which solutions are singular.

An edge of the convex hull has the distance from its line, which is smooth. Where an outline turns away from its hull, in
pockets and holes, an edge has the distance from a segment as V. L. Rvachev's R-functions make it: of first order on the
segment, positive elsewhere and smooth but at the ends (N. Sukumar, A. Srivastava, Comput. Methods Appl. Mech. Eng. 389,
2022, eqs. 9 to 16).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from math import atan2, cos, hypot, pi, sin

import shapely
import torch

from kanpde.derivatives import Column

TINY = 1e-280  # under roots, whose slopes at zero are then numbers
NEAR = 1e-9  # relative to the size of the outline, what lies on a line


def either(one: Column, other: Column) -> Column:
    """Positive where one of two is, zero to first order where that changes, smooth but where both are zero."""
    return one + other + torch.sqrt(one * one + other * other + TINY)


def both(one: Column, other: Column) -> Column:
    return -either(-one, -other)


@dataclass(frozen=True)
class Edge:
    """An edge with the inside on its left; `free` ends have nothing of the inside beyond them."""

    start: tuple[float, float]
    end: tuple[float, float]
    free_start: bool
    free_end: bool

    @property
    def length(self) -> float:
        return hypot(self.end[0] - self.start[0], self.end[1] - self.start[1])

    @property
    def ends(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return self.start, self.end

    @property
    def direction(self) -> tuple[float, float]:
        return (self.end[0] - self.start[0]) / self.length, (self.end[1] - self.start[1]) / self.length

    @property
    def is_on_hull(self) -> bool:
        return self.free_start and self.free_end

    def along(self, place: tuple[float, float]) -> float:
        """How far ahead of the start a place is."""
        return self.direction[0] * (place[0] - self.start[0]) + self.direction[1] * (place[1] - self.start[1])

    def offset(self, place: tuple[float, float]) -> float:
        """How far to the left of the edge's line a place is."""
        return self.direction[0] * (place[1] - self.start[1]) - self.direction[1] * (place[0] - self.start[0])

    def vanishing(self, x: Column, y: Column, scale: float) -> Column:
        along = self.direction
        dx, dy = x - self.start[0], y - self.start[1]
        line = (along[0] * dy - along[1] * dx) / scale
        if self.is_on_hull:
            return line
        # the trimming function: positive beside the edge, zero at the ends to first order
        at = (along[0] * dx + along[1] * dy) / scale
        length = self.length / scale
        if self.free_end:
            trim = at
        elif self.free_start:
            trim = length - at
        else:
            trim = (length**2 / 4 - (at - length / 2) ** 2 - line**2) / length
        beyond = (torch.sqrt(trim**2 + line**2 + TINY) - trim) / 2
        found = torch.sqrt(line**2 + beyond**2 + TINY)
        # the same with a sign on the edge itself, where a root has no slope
        return torch.where((trim > 0) & (line.abs() < NEAR), line, found)


@dataclass(frozen=True)
class Corner:
    """A corner in the plane of two axes, between edges in the directions `first` and, against the clock, `last`.

    `reach` is the distance to the nearest edge that does not end here.
    """

    names: tuple[str, str]
    place: tuple[float, float]
    first: tuple[float, float]
    last: tuple[float, float]
    reach: float

    @property
    def start(self) -> float:
        return atan2(self.first[1], self.first[0])

    @property
    def opening(self) -> float:
        """The angle inside."""
        return (atan2(self.last[1], self.last[0]) - self.start) % (2 * pi) or 2 * pi

    def polar(self, x: dict[str, Column]) -> tuple[Column, Column]:
        """Distance and angle from the first edge, continuous inside: it jumps on the ray opposite to the bisector."""
        middle = self.start + self.opening / 2
        dx, dy = (x[name] - at for name, at in zip(self.names, self.place, strict=True))
        ahead, aside = cos(middle) * dx + sin(middle) * dy, cos(middle) * dy - sin(middle) * dx
        distance = torch.sqrt(ahead * ahead + aside * aside + TINY)
        return distance, torch.atan2(aside, ahead) + self.opening / 2

    def on_edges(self, distance: float) -> list[dict[str, float]]:
        """A point on each of the two edges."""
        return [
            {n: p + distance * d for n, p, d in zip(self.names, self.place, direction, strict=True)}
            for direction in (self.first, self.last)
        ]


class Outline:
    """The rings of a polygon: `edges` follow the outer ring, then the holes."""

    def __init__(self, shape: shapely.Polygon) -> None:
        self.shape = shape
        low_x, low_y, high_x, high_y = shape.bounds
        self.scale = max(high_x - low_x, high_y - low_y)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Edge k runs between corner k and the next of its ring, in the order in which they were given."""
        hull, found = self.shape.convex_hull.boundary, []
        for number, ring in enumerate((self.shape.exterior, *self.shape.interiors)):
            places = [(x, y) for x, y, *_ in ring.coords]
            free = shapely.dwithin(hull, shapely.points(places), NEAR * self.scale).tolist()
            ends = pairwise(zip(places, free, strict=True))
            if ring.is_ccw == (number == 0):
                found += [Edge(a, b, first, last) for (a, first), (b, last) in ends]
            else:  # the inside is to the left
                found += [Edge(b, a, last, first) for (a, first), (b, last) in ends]
        return tuple(found)

    def vanishing(self, chosen: Iterable[int]) -> list[Callable[[Column, Column], Column]]:
        """Functions, positive inside, of which one vanishes on each of the chosen edges to first order."""
        found, left = [], set(chosen)
        for line in self._lines:
            if left.issuperset(line):  # one function for all that lies on the line
                found.append(self.edges[line[0]])
            else:
                found += [self._cut(number, line) for number in line if number in left]
            left -= set(line)
        found += [self.edges[number] for number in sorted(left)]
        return [partial(edge.vanishing, scale=self.scale) for edge in found]

    @cached_property
    def _lines(self) -> list[list[int]]:
        """The edges on each side of the convex hull."""
        on_hull = [number for number, edge in enumerate(self.edges) if edge.is_on_hull]
        lines: list[list[int]] = []
        for number in on_hull:
            for line in lines:
                first = self.edges[line[0]]
                if max(abs(first.offset(end)) for end in self.edges[number].ends) < NEAR * self.scale:
                    line.append(number)
                    break
            else:
                lines.append([number])
        return lines

    def _cut(self, number: int, line: list[int]) -> Edge:
        """An edge that ends where others on the same side of the hull are not to be vanished on."""
        edge = self.edges[number]
        places = [edge.along(end) for other in line for end in self.edges[other].ends]
        near = NEAR * self.scale
        return replace(edge, free_start=min(places) > -near, free_end=max(places) < edge.length + near)

    def corners(self, names: tuple[str, str]) -> list[Corner]:
        found, arriving = [], {edge.end: edge for edge in self.edges}
        for after in self.edges:
            place, before = after.start, arriving[after.start]
            others = [shapely.LineString([e.start, e.end]) for e in self.edges if e is not before and e is not after]
            reach = min(line.distance(shapely.Point(place)) for line in others)
            backwards = (-before.direction[0], -before.direction[1])
            found.append(Corner(names, place, after.direction, backwards, reach))
        return found
