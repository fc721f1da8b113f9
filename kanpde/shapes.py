"""Shapes: boxes, disks, ellipses, balls, polygons."""

from collections.abc import Hashable, Sequence
from functools import cached_property, partial
from math import pi, prod
from typing import Annotated

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from torch import Tensor

from kanpde.combinations import Shape
from kanpde.derivatives import Column
from kanpde.domains import SLACK, Domain, Face, Factor, Kept, Part, UnitCube, on_plane
from kanpde.functions import Points
from kanpde.outlines import Outline
from kanpde.rules import Graph, Rule, circle, gauss, product, share, together


class Box(Shape):
    """A product of intervals with named axes: `Box(x=(-1, 1), t=(0, 2))`. The axis `t`, if any, is time."""

    def __init__(self, **axes: tuple[float, float]) -> None:
        if not axes:
            raise ValueError("Box needs at least one axis, as in Box(x=(0, 1), y=(0, 2))")
        for name, interval in axes.items():
            try:
                low, high = map(float, interval)
            except (TypeError, ValueError):
                raise TypeError(f"axis {name} is {interval!r}; give its interval as {name}=(low, high)") from None
            if not -float("inf") < low < high < float("inf"):
                raise ValueError(f"axis {name} runs from {low:g} to {high:g}; it needs finite low < high")
        self.axes = {name: (float(low), float(high)) for name, (low, high) in axes.items()}

    def __repr__(self) -> str:
        return f"Box({', '.join(f'{name}=({low:g}, {high:g})' for name, (low, high) in self.axes.items())})"

    def _key(self) -> Hashable:
        return tuple(self.axes.items())

    @property
    def intervals(self) -> tuple[str, ...]:
        return self.names

    @property
    def faces(self) -> tuple[Face, ...]:
        return tuple((name, side) for name in self.names for side in (0, 1))

    @property
    def measure(self) -> float:
        return prod(high - low for low, high in self.axes.values())

    def _across(self, face: Face) -> set[str]:
        return {self.names[self._end(face)[0]]}

    def placed(self, unit: UnitCube) -> tuple[Points, Kept]:
        return self.low + (self.high - self.low) * unit, torch.ones(len(unit), dtype=torch.bool)

    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        away = slack * (self.high - self.low)
        return ((points >= self.low - away) & (points <= self.high + away)).all(1)

    def without_time(self) -> "Box":
        return Box(**{name: self.axes[name] for name in self.spatial})

    def grid(self, counts: int | dict[str, int]) -> Points:
        """All points of a uniform grid with `counts` points on each axis, ends included, last axis fastest."""
        number = counts if isinstance(counts, dict) else dict.fromkeys(self.names, counts)
        return torch.cartesian_prod(
            *(torch.linspace(*self.axes[name], number[name], dtype=torch.float64) for name in self.names)
        ).reshape(-1, self.dimension)

    def _end(self, face: Face) -> tuple[int, float]:
        """The number of the axis that a face is across, and the value there."""
        assert isinstance(face, tuple)
        name, side = face
        return self.names.index(name), self.axes[name][side]

    def face_measure(self, face: Face) -> float:
        axis, _ = self._end(face)
        return self.measure / (self.high - self.low)[axis].item()

    def on_face(self, face: Face, unit: UnitCube) -> tuple[Points, Kept]:
        axis, end = self._end(face)
        points, kept = self.placed(torch.cat([unit[:, :axis], torch.zeros(len(unit), 1).double(), unit[:, axis:]], 1))
        points[:, axis] = end  # exactly, without the rounding of the map
        return points, kept

    def normals(self, face: Face, points: Points) -> Points:
        axis, end = self._end(face)
        normals = torch.zeros_like(points)
        normals[:, axis] = 1.0 if end == self.high[axis] else -1.0
        return normals

    def touches(self, face: Face, points: Points) -> Kept:
        axis, end = self._end(face)
        return points[:, axis] == end

    def projected(self, face: Face, points: Points) -> Points:
        axis, end = self._end(face)
        return points.index_fill(1, torch.tensor(axis), end)

    def vanishing(self, faces: Sequence[Face]) -> list[Factor]:
        return [partial(self._distance, face) for face in faces]

    def _distance(self, face: Face, x: dict[str, Column]) -> Column:
        """From a face, relative to the length of the axis."""
        axis, end = self._end(face)
        name = self.names[axis]
        low, high = self.axes[name]
        return (x[name] - end) / (high - low) if end == low else (end - x[name]) / (high - low)

    @cached_property
    def outline(self) -> Outline | None:
        return Outline(shapely.box(*self.low.tolist(), *self.high.tolist())) if self.dimension == 2 else None

    @property
    def factors(self) -> tuple[Domain, ...]:
        return (self,) if self.dimension == 1 else tuple(Box(**{name: interval}) for name, interval in self.axes.items())

    def face_factor(self, face: Face) -> tuple[int, Face]:
        return self._end(face)[0], face

    def nodes(self, count: int) -> Rule:
        if self.dimension > 1:
            return super().nodes(count)
        ((low, high),) = self.axes.values()
        return gauss(low, high, count)

    def face_nodes(self, face: Face, count: int) -> Rule:
        if self.dimension > 1:
            return super().face_nodes(face, count)
        return torch.tensor([[self._end(face)[1]]], dtype=torch.float64), torch.ones(1, dtype=torch.float64)

    def curve(self, face: Face, along: Annotated[Tensor, "points"]) -> Rule:
        return self.on_face(face, along[:, None])[0], torch.full_like(along, self.face_measure(face))

    def meetings(self, one: Face, other: Face, unit: UnitCube) -> Points:
        points, _ = self.placed(unit)
        for axis, end in (self._end(one), self._end(other)):
            points[:, axis] = end
        return points if self._end(one)[0] != self._end(other)[0] else points[:0]


class Interval(Box):
    """One axis: `Interval(t=(0, 10))`."""

    def __init__(self, **axis: tuple[float, float]) -> None:
        if len(axis) > 1:
            raise ValueError(f"Interval has one axis, not {', '.join(axis)}; use Box")
        super().__init__(**axis)


class _Round(Shape):
    """The image of the unit disk or ball under scaling along the axes."""

    RIM = "the rim"

    def __init__(self, centre: dict[str, float], radii: Sequence[float], dimension: int, example: str) -> None:
        kind = type(self).__name__
        if len(centre) != dimension:
            raise ValueError(f"{kind} has the centre {centre}; give it on {dimension} axes, as in {example}")
        try:
            self._numbers = np.array([[float(c) for c in centre.values()], [float(r) for r in radii]])
        except (TypeError, ValueError):
            raise ValueError(
                f"{kind} is given the centre {centre} and radii {radii!r}; give numbers, as in {example}"
            ) from None
        if not (np.isfinite(self._numbers).all() and (self._numbers[1] > 0).all()):
            raise ValueError(
                f"{kind} is given the centre {centre} and radii {tuple(radii)}; they must be finite, radii positive"
            )
        ends = zip(*self._numbers.tolist(), strict=True)
        self.axes = {name: (c - r, c + r) for name, (c, r) in zip(centre, ends, strict=True)}

    def __repr__(self) -> str:
        centre = ", ".join(f"{n}={c:g}" for n, c in zip(self.names, self.centre.tolist(), strict=True))
        return f"{type(self).__name__}({centre}, {self._size()})"

    @property
    def centre(self) -> Annotated[Tensor, "axes"]:
        return torch.as_tensor(self._numbers[0])

    @property
    def radii(self) -> Annotated[Tensor, "axes"]:
        return torch.as_tensor(self._numbers[1])

    def _size(self) -> str:
        return f"radius={self.radii[0]:g}"

    def _key(self) -> Hashable:
        return tuple(self.axes.items())

    @property
    def faces(self) -> tuple[Face, ...]:
        return (self.RIM,)

    @property
    def measure(self) -> float:
        return (pi if self.dimension == 2 else 4 / 3 * pi) * self.radii.prod().item()

    def _scaled(self, points: Points) -> Points:
        """As points of the unit ball."""
        return (points - self.centre) / self.radii

    def placed(self, unit: UnitCube) -> tuple[Points, Kept]:
        """In the plane by the concentric map (P. Shirley, K. Chiu, J. Graphics Tools 2, 1997), which takes the edge of the
        square to the rim; in space by spherical coordinates of equal volume."""
        if self.dimension == 2:
            a, b = (2 * unit - 1).unbind(1)
            wide = a.abs() > b.abs()
            radius = torch.where(wide, a, b)
            ratio = torch.where(wide, b, a) / torch.where(radius == 0, 1.0, radius)
            angle = torch.where(wide, pi / 4 * ratio, pi / 2 - pi / 4 * ratio)
            ball = radius[:, None] * torch.stack([torch.cos(angle), torch.sin(angle)], 1)
        else:
            ball = unit[:, :1] ** (1 / 3) * self._on_sphere(unit[:, 1:])
        return self.centre + self.radii * ball, torch.ones(len(unit), dtype=torch.bool)

    @staticmethod
    def _on_sphere(unit: UnitCube) -> Points:
        height, angle = 2 * unit[:, 0] - 1, 2 * pi * unit[:, 1]
        across = (1 - height**2).clamp_min(0).sqrt()
        return torch.stack([across * torch.cos(angle), across * torch.sin(angle), height], 1)

    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        return self._scaled(points).norm(dim=1) <= 1 + slack

    def face_measure(self, face: Face) -> float:  # noqa: ARG002
        if self.dimension == 2:
            return self._arc[-1].item()
        return 4 * pi * self.radii[0].item() ** 2

    @cached_property  # asked for at every step, by each sample
    def _arc(self) -> Annotated[NDArray[np.float64], "angles"]:
        """The length of the rim up to each of many angles."""
        angles = torch.linspace(0, 2 * pi, 4097, dtype=torch.float64)
        corners = self.radii * torch.stack([torch.cos(angles), torch.sin(angles)], 1)
        return torch.cat([torch.zeros(1).double(), corners.diff(dim=0).norm(dim=1).cumsum(0)]).cpu().numpy()

    def face_extent(self, face: Face) -> float:  # noqa: ARG002
        return pi

    def on_face(self, face: Face, unit: UnitCube) -> tuple[Points, Kept]:  # noqa: ARG002
        if self.dimension == 2:
            length, turn = self._arc, np.linspace(0, 2 * pi, len(self._arc))
            angles = torch.as_tensor(np.interp(unit[:, 0].cpu().numpy() * length[-1], length, turn))
            sphere = torch.stack([torch.cos(angles), torch.sin(angles)], 1)
        else:
            sphere = self._on_sphere(unit)
        return self.centre + self.radii * sphere, torch.ones(len(unit), dtype=torch.bool)

    def normals(self, face: Face, points: Points) -> Points:  # noqa: ARG002
        slope = self._scaled(points) / self.radii
        return slope / slope.norm(dim=1, keepdim=True)

    def touches(self, face: Face, points: Points) -> Kept:  # noqa: ARG002
        return (self._scaled(points).norm(dim=1) - 1).abs() <= SLACK

    def projected(self, face: Face, points: Points) -> Points:  # noqa: ARG002
        """Away from the centre."""
        scaled = self._scaled(points)
        return self.centre + self.radii * scaled / scaled.norm(dim=1, keepdim=True)

    def vanishing(self, faces: Sequence[Face]) -> list[Factor]:
        return [self._depth for _ in faces]

    def _depth(self, x: dict[str, Column]) -> Column:
        parts = zip(x.values(), self.centre.tolist(), self.radii.tolist(), strict=True)
        return 1 - torch.cat([(column - c) / r for column, c, r in parts], 1).square().sum(1, keepdim=True)

    def nodes(self, count: int) -> Rule:
        """In polar or spherical coordinates."""
        radii, shares = gauss(0, 1, count)
        sphere, angles = self._sphere(count)
        points, weights = product([(radii, shares * radii[:, 0] ** (self.dimension - 1)), (sphere, angles)])
        return self.centre + self.radii * points[:, :1] * points[:, 1:], weights * self.radii.prod()

    def face_nodes(self, face: Face, count: int) -> Rule:
        if self.dimension == 2:
            angles, weights = circle(count)
            points, speeds = self.curve(face, angles[:, 0] / (2 * pi))
            return points, weights / (2 * pi) * speeds
        points, weights = self._sphere(count)
        return self.centre + self.radii * points, weights * self.radii[0] ** 2

    def _sphere(self, count: int) -> Rule:
        """On the unit circle or sphere."""
        angles, weights = circle(count)
        around = torch.cat([torch.cos(angles), torch.sin(angles)], 1)
        if self.dimension == 2:
            return around, weights
        points, weights = product([gauss(-1, 1, count), (around, weights)])
        height = points[:, :1]
        return torch.cat([(1 - height**2).sqrt() * points[:, 1:], height], 1), weights

    @property
    def graphs(self) -> list[Graph]:
        if self.dimension > 2:
            return super().graphs
        (x, y), (a, b) = self.centre.tolist(), self.radii.tolist()

        def half(side: float, at: NDArray[np.float64]) -> NDArray[np.float64]:
            return y + side * b * np.sqrt(np.maximum(0, 1 - ((at - x) / a) ** 2))

        return [(x - a, x + a, partial(half, side)) for side in (-1.0, 1.0)]

    def curve(self, face: Face, along: Annotated[Tensor, "points"]) -> Rule:
        if self.dimension > 2:
            return super().curve(face, along)
        angles = 2 * pi * along[:, None]
        sine, cosine = torch.sin(angles), torch.cos(angles)
        slopes = 2 * pi * self.radii * torch.cat([-sine, cosine], 1)
        return self.centre + self.radii * torch.cat([cosine, sine], 1), slopes.norm(dim=1)


class Ellipse(_Round):
    """An ellipse along the axes, about a centre: `Ellipse(x=0, y=0, radii=(2, 1))`."""

    def __init__(self, *, radii: tuple[float, float], **centre: float) -> None:
        super().__init__(centre, radii, 2, "Ellipse(x=0, y=0, radii=(2, 1))")

    def _size(self) -> str:
        return f"radii=({self.radii[0]:g}, {self.radii[1]:g})"


class Disk(_Round):
    """A disk about a centre: `Disk(x=0, y=0, radius=1)`."""

    def __init__(self, *, radius: float = 1.0, **centre: float) -> None:
        super().__init__(centre, (radius, radius), 2, "Disk(x=0, y=0, radius=1)")


class Ball(_Round):
    """A ball about a centre: `Ball(x=0, y=0, z=0, radius=1)`."""

    def __init__(self, *, radius: float = 1.0, **centre: float) -> None:
        super().__init__(centre, (radius, radius, radius), 3, "Ball(x=0, y=0, z=0, radius=1)")


class Polygon(Shape):
    """A polygon by its corners, with holes: `Polygon([(0, 0), (1, 0), (0, 1)], holes=[…], names=("x", "y"))`.

    Edges are numbered from 0, edge k from corner k to the next; those of holes follow.
    """

    def __init__(
        self,
        corners: Sequence[tuple[float, float]],
        holes: Sequence[Sequence[tuple[float, float]]] = (),
        names: tuple[str, str] = ("x", "y"),
    ) -> None:
        try:
            self.shape = shapely.Polygon(corners, holes)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the corners are no polygon ({error}); list three or more pairs of numbers") from None
        if not self.shape.is_valid or self.shape.area == 0:
            raise ValueError(
                f"the corners are no simple polygon: {shapely.is_valid_reason(self.shape)}; list them in order along the "
                "boundary, without crossings, and holes inside"
            )
        self._outline = Outline(self.shape)
        self._edges = np.array([(edge.start, edge.end) for edge in self._outline.edges])
        along = self._ends - self._starts
        # the polygon lies on the left of its edges
        self._normals = (torch.stack([along[:, 1], -along[:, 0]], 1) / along.norm(dim=1, keepdim=True)).cpu().numpy()
        low_x, low_y, high_x, high_y = self.shape.bounds
        self.axes = {names[0]: (low_x, high_x), names[1]: (low_y, high_y)}
        triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(self.shape))
        self._triangles = np.stack([np.asarray(t.exterior.coords)[:3, :2] for t in triangles])
        self._scale = (self.high - self.low).max().item()

    def __repr__(self) -> str:
        holes = f", {len(self.shape.interiors)} holes" if self.shape.interiors else ""
        return f"Polygon({len(self.shape.exterior.coords) - 1} corners{holes})"

    def _key(self) -> Hashable:
        return self.names, self.shape.wkb

    @property
    def faces(self) -> tuple[Face, ...]:
        return tuple(f"edge {number}" for number in range(len(self._starts)))

    def edges(self, *numbers: int) -> Part:
        """Some of the edges, by number."""
        for number in numbers:
            if number not in range(len(self._starts)):
                raise ValueError(f"{self} has no edge {number!r}; its edges are numbered from 0 to {len(self._starts) - 1}")
        return Part(self, tuple(self.faces[number] for number in numbers))

    @property
    def _starts(self) -> Annotated[Tensor, "edges 2"]:
        return torch.as_tensor(self._edges)[:, 0]

    @property
    def _ends(self) -> Annotated[Tensor, "edges 2"]:
        return torch.as_tensor(self._edges)[:, 1]

    @property
    def _outward(self) -> Annotated[Tensor, "edges 2"]:
        return torch.as_tensor(self._normals)

    def _number(self, face: Face) -> int:
        return int(str(face).removeprefix("edge "))

    @property
    def measure(self) -> float:
        return self.shape.area

    def placed(self, unit: UnitCube) -> tuple[Points, Kept]:
        """The first coordinate chooses a triangle and goes on within it."""
        a, b, c = torch.as_tensor(self._triangles).unbind(1)
        areas = torch.linalg.det(torch.stack([b - a, c - a], 1)).abs()
        ends = areas.cumsum(0) / areas.sum()
        chosen = torch.searchsorted(ends, unit[:, 0].contiguous(), right=True).clamp_max(len(ends) - 1)
        share = areas / areas.sum()
        first = ((unit[:, 0] - (ends - share)[chosen]) / share[chosen]).clamp(0, 1).sqrt()[:, None]
        second = unit[:, 1:]
        points = (1 - first) * a[chosen] + first * (1 - second) * b[chosen] + first * second * c[chosen]
        return points, torch.ones(len(unit), dtype=torch.bool)

    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        at = shapely.points(points.numpy(force=True))
        near = shapely.dwithin(self.shape.boundary, at, abs(slack) * self._scale)
        inside = shapely.contains(self.shape, at)
        return torch.as_tensor(inside & ~near if slack < 0 else inside | near)

    def face_measure(self, face: Face) -> float:
        number = self._number(face)
        return (self._ends[number] - self._starts[number]).norm().item()

    def face_extent(self, face: Face) -> float:
        return self.face_measure(face) / self._scale

    def on_face(self, face: Face, unit: UnitCube) -> tuple[Points, Kept]:
        number = self._number(face)
        points = self._starts[number] + unit * (self._ends[number] - self._starts[number])
        return points, torch.ones(len(unit), dtype=torch.bool)

    def normals(self, face: Face, points: Points) -> Points:
        return self._outward[self._number(face)].expand_as(points)

    def touches(self, face: Face, points: Points) -> Kept:
        number = self._number(face)
        start, along = self._starts[number], self._ends[number] - self._starts[number]
        away = ((points - start) * self._outward[number]).sum(1).abs()
        share = ((points - start) @ along) / along.square().sum()
        return (away <= SLACK * self._scale) & (share >= -SLACK) & (share <= 1 + SLACK)

    def projected(self, face: Face, points: Points) -> Points:
        number = self._number(face)
        return points - ((points - self._starts[number]) @ self._outward[number])[:, None] * self._outward[number]

    def vanishing(self, faces: Sequence[Face]) -> list[Factor]:
        return [on_plane(f, self.names) for f in self._outline.vanishing(map(self._number, faces))]

    def inside(self, faces: Sequence[Face]) -> Factor | None:
        """Known of convex polygons: pockets have distances without a sign."""
        return super().inside(faces) if all(edge.is_on_hull for edge in self._outline.edges) else None

    @property
    def outline(self) -> Outline:
        return self._outline

    def meetings(self, one: Face, other: Face, unit: UnitCube) -> Points:
        """The corner between two edges that follow each other."""
        ends = [torch.stack([self._starts[n], self._ends[n]]) for n in (self._number(one), self._number(other))]
        same = (ends[0][:, None] == ends[1][None]).all(2)
        return ends[0][same.any(1)].repeat(len(unit), 1)[: len(unit)]

    def nodes(self, count: int) -> Rule:
        """On its triangles, each a square of which one edge is drawn together to a corner."""
        whole, rules = (self.high - self.low).norm().item(), []
        for a, b, c in torch.as_tensor(self._triangles):
            longest = max((b - a).norm().item(), (c - a).norm().item(), (c - b).norm().item())
            square, weights = product([gauss(0, 1, share(count, longest, whole))] * 2)
            s, t = square.split(1, 1)
            area = torch.linalg.det(torch.stack([b - a, c - a])).abs()
            rules.append((a + s * (b - a) + s * t * (c - b), weights * s[:, 0] * area))
        return together(rules)

    def face_nodes(self, face: Face, count: int) -> Rule:
        along, weights = gauss(0, 1, count)
        points, speeds = self.curve(face, along[:, 0])
        return points, weights * speeds

    @property
    def graphs(self) -> list[Graph]:
        ends = [sorted(pair) for pair in torch.stack([self._starts, self._ends], 1).tolist()]
        return [(a, c, partial(np.interp, xp=(a, c), fp=(b, d))) for (a, b), (c, d) in ends if a < c]

    def curve(self, face: Face, along: Annotated[Tensor, "points"]) -> Rule:
        return self.on_face(face, along[:, None])[0], torch.full_like(along, self.face_measure(face))
