"""What domains are made of: unions, intersections and differences of two with the same axes, products of two with others."""

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Annotated

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from torch import Tensor

from kanpde.derivatives import Column
from kanpde.domains import SLACK, TIME, AnyPart, Domain, Face, Factor, Kept, Part, Point, UnitCube, is_end, joined, on_plane
from kanpde.functions import Points
from kanpde.outlines import Corner, Outline, either
from kanpde.quasirandom import sobol
from kanpde.rules import Graph, Rule, crossings, gauss, share, strips, together


class Shape(Domain):
    """A domain that makes others: `one | other`, `one & other`, `one - other`, and `one * other` with other axes."""

    def __or__(self, other: Domain) -> "Shape":
        return Union(self, other)

    def __and__(self, other: Domain) -> "Shape":
        return Intersection(self, other)

    def __sub__(self, other: Domain) -> "Shape":
        return Difference(self, other)

    def __mul__(self, other: Domain) -> "Shape":
        return CartesianProduct(self, other)


@dataclass(frozen=True)
class Side:
    """A face of one of the two domains that another is made of."""

    number: int
    face: Face

    def __str__(self) -> str:
        return str(self.face)


class _Pair(Shape):
    """A domain made of two others of the same axes."""

    sign: str
    normal_signs = (1.0, 1.0)  # of normals of the two, as the whole sees them

    def __init__(self, one: Domain, other: Domain) -> None:
        if one.names != other.names:
            raise ValueError(
                f"{one} has the axes {', '.join(one.names)}, {other} has {', '.join(other.names)}; "
                "unions, intersections and differences need the same ones in the same order"
            )
        self.pair = (one, other)
        self.axes = self._bounds()
        if not self.share > 0:
            raise ValueError(f"{self} is empty; check where {one} and {other} lie")

    def __repr__(self) -> str:
        return f"({self.pair[0]} {self.sign} {self.pair[1]})"

    @abstractmethod
    def _bounds(self) -> dict[str, tuple[float, float]]: ...

    def _key(self) -> Hashable:
        return self.pair

    @property
    def faces(self) -> tuple[Face, ...]:
        return tuple(Side(number, face) for number, domain in enumerate(self.pair) for face in domain.faces)

    @property
    def measure(self) -> float:
        """By quasi-random points: three to four digits."""
        return self.share * self._around

    @cached_property
    def share(self) -> float:
        unit = sobol(2**14, self.dimension)
        return self.placed(unit)[1].double().mean().item()

    @property
    def _around(self) -> float:
        """The measure of what the unit cube is mapped to."""
        return self.pair[0].measure

    def placed(self, unit: UnitCube) -> tuple[Points, Kept]:
        points, kept = self.pair[0].placed(unit)
        return points, kept & self.contains(points)

    def _operand(self, face: Face) -> tuple[Domain, Face, float]:
        assert isinstance(face, Side)
        return self.pair[face.number], face.face, self.normal_signs[face.number]

    def named(self, face: Face) -> tuple[str, Domain]:
        domain, inner, _ = self._operand(face)
        return domain.named(inner)

    def face_measure(self, face: Face) -> float:
        domain, inner, _ = self._operand(face)
        return domain.face_measure(inner)

    def face_extent(self, face: Face) -> float:
        domain, inner, _ = self._operand(face)
        return domain.face_extent(inner)

    def on_face(self, face: Face, unit: UnitCube) -> tuple[Points, Kept]:
        domain, inner, _ = self._operand(face)
        points, kept = domain.on_face(inner, unit)
        return points, kept & self._exposed(face, points)

    def normals(self, face: Face, points: Points) -> Points:
        domain, inner, sign = self._operand(face)
        return sign * domain.normals(inner, points)

    def touches(self, face: Face, points: Points) -> Kept:
        domain, inner, _ = self._operand(face)
        return domain.touches(inner, points) & domain.contains(points) & self._exposed(face, points)

    def projected(self, face: Face, points: Points) -> Points:
        domain, inner, _ = self._operand(face)
        return domain.projected(inner, points)

    def _of(self, number: int, faces: Sequence[Face]) -> list[Face]:
        """Those of the faces that are one operand's, by its own names."""
        return [face.face for face in faces if isinstance(face, Side) and face.number == number]

    def _all_of(self, number: int, faces: Sequence[Face]) -> list[Face] | None:
        """Those if all of that operand that is exposed is among them."""
        needed = self._of(number, self.exposed(self.faces))
        return needed if set(needed) <= set(self._of(number, faces)) else None

    @cached_property
    def outline(self) -> Outline | None:
        one, other = (domain.outline for domain in self.pair)
        if one is None or other is None:
            return None
        shape = shapely.simplify(self._combined(one.shape, other.shape), 1e-12 * one.scale)
        return Outline(shape) if isinstance(shape, shapely.Polygon) and shape.is_valid and not shape.is_empty else None

    @abstractmethod
    def _combined(self, one: shapely.Polygon, other: shapely.Polygon) -> shapely.Geometry: ...

    def vanishing(self, faces: Sequence[Face]) -> list[Factor] | None:
        """Of the edges of the outline, if it has straight faces, all of which are given; else by what the two have."""
        if self.outline is not None and set(self.exposed(self.faces)) <= set(faces):
            return [on_plane(f, self.names) for f in self.outline.vanishing(range(len(self.outline.edges)))]
        return self._pieced(faces)

    @abstractmethod
    def _pieced(self, faces: Sequence[Face]) -> list[Factor] | None: ...

    def _exposed(self, face: Face, points: Points) -> Kept:
        """Where a face of one of the two bounds the whole: one side of it lies inside, the other does not."""
        step = 1e-6 * (self.high - self.low).max() * self.normals(face, points)
        return self.contains(points - step) & ~self.contains(points + step)

    @property
    def graphs(self) -> list[Graph]:
        return [graph for domain in self.pair for graph in domain.graphs]

    def curve(self, face: Face, along: Annotated[Tensor, "points"]) -> Rule:
        domain, inner, _ = self._operand(face)
        return domain.curve(inner, along)

    def nodes(self, count: int) -> Rule:
        return strips(self.graphs, self.contains, count)

    def face_nodes(self, face: Face, count: int) -> Rule:
        """On each arc between the points where shapes cross, if the whole ends there; what two faces share counts once."""
        before = self.faces[: self.faces.index(face)]
        ends = self._crossings(face)
        arcs = []
        for low, high in pairwise(ends):
            inside, _ = self.curve(face, torch.tensor([low + 0.618034 * (high - low)], dtype=torch.float64))
            if self._exposed(face, inside) and not any(self.touches(other, inside) for other in before):
                along, weights = gauss(low, high, share(count, high - low, 1.0))
                points, speeds = self.curve(face, along[:, 0])
                arcs.append((points, weights * speeds))
        return together(arcs or [(torch.zeros(0, self.dimension).double(), torch.zeros(0).double())])

    def junctions(self) -> Points:
        if self.dimension != 2:
            return super().junctions()
        try:
            ends = [self.curve(face, torch.tensor(self._crossings(face), dtype=torch.float64))[0] for face in self.faces]
        except ValueError:  # no curve is known of the faces of a mesh
            return super().junctions()
        return (points := torch.cat(ends))[self.contains(points)]

    def _crossings(self, face: Face) -> list[float]:
        """Where, from 0 to 1 along a face, other shapes begin and end, its own ends included."""
        grid, ends = np.linspace(0, 1, 2049), [0.0, 1.0]
        for shape in self._shapes():

            def inside(along: NDArray[np.float64], shape: Domain = shape) -> NDArray[np.bool_]:
                return shape.contains(self.curve(face, torch.as_tensor(along))[0], 1e-14).cpu().numpy()

            changed = np.flatnonzero(np.diff(inside(grid)))
            found = crossings(inside, grid[changed], grid[changed + 1])
            touched = np.diff(found, prepend=0, append=1) < 1e-6  # where it enters and leaves at once
            ends += found[~touched[:-1] & ~touched[1:]].tolist()
        return sorted(set(ends))

    def _shapes(self) -> list[Domain]:
        """What it is made of."""
        return [shape for domain in self.pair for shape in (domain._shapes() if isinstance(domain, _Pair) else [domain])]

    def own(self, part: AnyPart) -> AnyPart | None:
        if (whole := super().own(part)) is not None:
            return whole
        found = [(number, inner) for number, domain in enumerate(self.pair) if (inner := domain.own(part)) is not None]
        if not found:
            return None
        if isinstance(part, Point):
            return part.of(self)
        faces = tuple(Side(number, f) for number, inner in found if isinstance(inner, Part) for f in inner.faces)
        return Part(self, faces, part.predicate)


class Intersection(_Pair):
    """Points of both domains: `one & other`."""

    sign = "&"

    def _bounds(self) -> dict[str, tuple[float, float]]:
        one, other = (domain.axes for domain in self.pair)
        return {n: (max(one[n][0], other[n][0]), min(one[n][1], other[n][1])) for n in one}

    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        return self.pair[0].contains(points, slack) & self.pair[1].contains(points, slack)

    def _combined(self, one: shapely.Polygon, other: shapely.Polygon) -> shapely.Geometry:
        return one & other

    def _pieced(self, faces: Sequence[Face]) -> list[Factor] | None:
        one, other = (domain.vanishing(self._of(n, faces)) for n, domain in enumerate(self.pair))
        return None if one is None or other is None else one + other


class Difference(_Pair):
    """Points of the first domain that are not in the second: `one - other`."""

    sign = "-"
    normal_signs = (1.0, -1.0)

    def _bounds(self) -> dict[str, tuple[float, float]]:
        return self.pair[0].axes

    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        return self.pair[0].contains(points, slack) & ~self.pair[1].contains(points, -slack)

    def _combined(self, one: shapely.Polygon, other: shapely.Polygon) -> shapely.Geometry:
        return one - other

    def _pieced(self, faces: Sequence[Face]) -> list[Factor] | None:
        outer = self.pair[0].vanishing(self._of(0, faces))
        if outer is None or not self._of(1, faces):
            return outer
        # beyond one of several faces of a hole its function has both signs: it takes all of them
        inner = self.pair[1].inside(needed) if (needed := self._all_of(1, faces)) else None
        return None if inner is None else [*outer, partial(_negative, inner)]


class Union(_Pair):
    """Points of either domain: `one | other`."""

    sign = "|"

    def _bounds(self) -> dict[str, tuple[float, float]]:
        one, other = (domain.axes for domain in self.pair)
        return {n: (min(one[n][0], other[n][0]), max(one[n][1], other[n][1])) for n in one}

    @property
    def _around(self) -> float:
        return self.pair[0].measure + self.pair[1].measure

    def placed(self, unit: UnitCube) -> tuple[Points, Kept]:
        """The first coordinate chooses the domain; what is common to both is the first one's."""
        part = self.pair[0].measure / self._around
        first = unit[:, 0] < part
        rest = unit[:, 1:]
        low, low_kept = self.pair[0].placed(torch.cat([(unit[:, :1] / part).clamp_max(1.0), rest], 1))
        high, high_kept = self.pair[1].placed(torch.cat([((unit[:, :1] - part) / (1 - part)).clamp_min(0.0), rest], 1))
        high_kept &= ~self.pair[0].contains(high)
        return torch.where(first[:, None], low, high), torch.where(first, low_kept, high_kept)

    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        return self.pair[0].contains(points, slack) | self.pair[1].contains(points, slack)

    def _combined(self, one: shapely.Polygon, other: shapely.Polygon) -> shapely.Geometry:
        return one | other

    def _pieced(self, faces: Sequence[Face]) -> list[Factor] | None:
        """Of all faces or none: the functions of one domain's faces vanish inside of the other too."""
        if not faces:
            return []
        needed = [self._all_of(number, faces) for number in (0, 1)]
        one, other = (domain.inside(own) if own else None for domain, own in zip(self.pair, needed, strict=True))
        return None if one is None or other is None else [joined(either, one, other)]


class CartesianProduct(Shape):
    """All pairs of points of two domains of different axes: `disk * Box(t=(0, 1))`."""

    def __init__(self, one: Domain, other: Domain) -> None:
        if common := set(one.names) & set(other.names):
            raise ValueError(f"{one} and {other} both have the axis {min(common)}; the factors of a product share none")
        self.pair = (one, other)
        self.axes = {**one.axes, **other.axes}

    def __repr__(self) -> str:
        return f"{self.pair[0]} * {self.pair[1]}"

    def _key(self) -> Hashable:
        return self.pair

    @property
    def intervals(self) -> tuple[str, ...]:
        return (*self.pair[0].intervals, *self.pair[1].intervals)

    @property
    def faces(self) -> tuple[Face, ...]:
        return tuple(f if is_end(f) else Side(n, f) for n, domain in enumerate(self.pair) for f in domain.faces)

    @property
    def measure(self) -> float:
        return self.pair[0].measure * self.pair[1].measure

    @property
    def share(self) -> float:
        return self.pair[0].share * self.pair[1].share

    @property
    def factors(self) -> tuple[Domain, ...]:
        return (*self.pair[0].factors, *self.pair[1].factors)

    def face_factor(self, face: Face) -> tuple[int, Face]:
        number, inner = self._factor(face)
        inside, innermost = self.pair[number].face_factor(inner)
        return inside + number * len(self.pair[0].factors), innermost

    def _split(self, points: Tensor) -> list[Tensor]:
        return list(points.split([domain.dimension for domain in self.pair], 1))

    def _factor(self, face: Face) -> tuple[int, Face]:
        """The number of the factor that a face belongs to, and what the factor calls it."""
        if isinstance(face, Side):
            return face.number, face.face
        return int(is_end(face) and face[0] in self.pair[1].names), face

    def _across(self, face: Face) -> set[str]:
        number, inner = self._factor(face)
        return self.pair[number]._across(inner)

    def placed(self, unit: UnitCube) -> tuple[Points, Kept]:
        (one, first), (other, second) = (d.placed(u) for d, u in zip(self.pair, self._split(unit), strict=True))
        return torch.cat([one, other], 1), first & second

    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        one, other = (d.contains(p, slack) for d, p in zip(self.pair, self._split(points), strict=True))
        return one & other

    def face_measure(self, face: Face) -> float:
        number, inner = self._factor(face)
        other = self.pair[1 - number]
        return self.pair[number].face_measure(inner) * other.measure / other.share

    def face_extent(self, face: Face) -> float:
        number, inner = self._factor(face)
        return self.pair[number].face_extent(inner)

    def on_face(self, face: Face, unit: UnitCube) -> tuple[Points, Kept]:
        number, inner = self._factor(face)
        sizes = [domain.dimension - (n == number) for n, domain in enumerate(self.pair)]
        units = unit.split(sizes, 1)
        (one, first), (other, second) = (
            domain.on_face(inner, u) if n == number else domain.placed(u)
            for n, (domain, u) in enumerate(zip(self.pair, units, strict=True))
        )
        return torch.cat([one, other], 1), first & second

    def normals(self, face: Face, points: Points) -> Points:
        number, inner = self._factor(face)
        parts = [torch.zeros_like(part) for part in self._split(points)]
        parts[number] = self.pair[number].normals(inner, self._split(points)[number])
        return torch.cat(parts, 1)

    def touches(self, face: Face, points: Points) -> Kept:
        number, inner = self._factor(face)
        return self.pair[number].touches(inner, self._split(points)[number])

    def projected(self, face: Face, points: Points) -> Points:
        number, inner = self._factor(face)
        parts = self._split(points)
        parts[number] = self.pair[number].projected(inner, parts[number])
        return torch.cat(parts, 1)

    def vanishing(self, faces: Sequence[Face]) -> list[Factor] | None:
        found: list[Factor] = []
        for number, domain in enumerate(self.pair):
            own = domain.vanishing([inner for of, inner in map(self._factor, faces) if of == number])
            if own is None:
                return None
            found += [partial(_of_these, factor, domain.names) for factor in own]
        return found

    def corners(self) -> list[Corner]:
        return [corner for domain in self.pair for corner in domain.corners()]

    def without_time(self) -> Domain:
        factors = [domain.without_time() for domain in self.pair if domain.names != (TIME,)]
        return factors[0] if len(factors) == 1 else CartesianProduct(*factors)

    def own(self, part: AnyPart) -> AnyPart | None:
        if (whole := super().own(part)) is not None:
            return whole
        for number, domain in enumerate(self.pair):
            if (inner := domain.own(part)) is not None:
                if isinstance(inner, Point):
                    return inner.of(self)
                faces = tuple(f if is_end(f) else Side(number, f) for f in inner.faces)
                return Part(self, faces, inner.predicate and partial(_of_some, inner.predicate, domain.names))
        return None

    def meetings(self, one: Face, other: Face, unit: UnitCube) -> Points:
        (first, inner), (second, outer) = self._factor(one), self._factor(other)
        if first == second:
            parts = [
                d.meetings(inner, outer, u) if n == first else d.placed(u)[0]
                for n, (d, u) in enumerate(zip(self.pair, self._split(unit), strict=True))
            ]
            return torch.cat([p[: min(map(len, parts))] for p in parts], 1)
        faces = {first: inner, second: outer}
        sides = [d.on_face(faces[n], u[:, 1:]) for n, (d, u) in enumerate(zip(self.pair, self._split(unit), strict=True))]
        return torch.cat([points for points, _ in sides], 1)[sides[0][1] & sides[1][1]]


def _of_these(factor: Factor, names: tuple[str, ...], x: dict[str, Column]) -> Column:
    return factor({name: x[name] for name in names})


def _negative(factor: Factor, x: dict[str, Column]) -> Column:
    return -factor(x)


def _of_some(predicate: Callable[..., Column], names: tuple[str, ...], **x: Column) -> Column:
    """A predicate of some of the coordinates, as one of all."""
    return predicate(**{name: x[name] for name in names})
