"""Domains: where an equation holds, and the named parts of their boundary.

A region maps points of the unit cube to itself, so every sampler serves every region. The boundary of a domain consists
of smooth faces; what they are called is the domain's own affair, but the two across an axis that is an interval are
(axis name, side), with side 0 at the low end and 1 at the high end.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from itertools import pairwise
from math import isfinite
from numbers import Real
from types import EllipsisType
from typing import Annotated, TypeGuard

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from scipy.stats import qmc
from torch import Tensor

from kanpde.derivatives import Column
from kanpde.functions import Points, called, columns
from kanpde.outlines import Corner, Outline, both, either
from kanpde.rules import Graph, Rule, crossings, gauss, product, share, strips, together

UnitCube = Annotated[Tensor, "points dimension"]

TIME = "t"  # the axis of this name is time: its first face carries initial values, its last none
SLACK = 1e-9  # a point this near to the boundary, relative to the domain's size, lies on it

KNOWN = "they are on boxes, disks, ellipses, balls, polygons, unions, intersections and differences in the plane, and products"

Face = Hashable
Factor = Callable[[dict[str, Column]], Column]
Kept = Annotated[Tensor, "points"]  # truth values


class Domain(ABC):
    """A bounded open set with named axes, and its boundary.

    `axes` are the intervals that hold it; those in `intervals` are factors of it, so that it has faces across them.
    """

    axes: dict[str, tuple[float, float]]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.axes)

    @property
    def low(self) -> Annotated[Tensor, "axes"]:
        return torch.tensor([low for low, _ in self.axes.values()], dtype=torch.float64)

    @property
    def high(self) -> Annotated[Tensor, "axes"]:
        return torch.tensor([high for _, high in self.axes.values()], dtype=torch.float64)

    @property
    def dimension(self) -> int:
        return len(self.axes)

    @property
    def intervals(self) -> tuple[str, ...]:
        return ()

    @property
    @abstractmethod
    def faces(self) -> tuple[Face, ...]: ...

    def without_time(self) -> "Domain":
        """The domain at one time."""
        return self

    @property
    def spatial(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name != TIME)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._key() == other._key()  # pyright: ignore[reportAttributeAccessIssue]

    def __hash__(self) -> int:
        return hash(self._key())

    @abstractmethod
    def _key(self) -> Hashable:
        """What makes two domains of a kind the same."""

    # --- inside ---------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def measure(self) -> float: ...

    @abstractmethod
    def placed(self, unit: UnitCube) -> tuple[Points, Kept]:
        """Points of the unit cube, mapped so that uniform ones stay uniform, and which of them lie in the domain."""

    @abstractmethod
    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        """Which points lie in the domain, or outside by less than `slack` (inside by more, if that is negative).

        The slack is relative to the domain's size; by default it is a little rounding, so that the boundary belongs to it.
        """

    def points(self, unit: UnitCube) -> Points:
        """Points of the unit cube, mapped into the domain; fewer where the map does not fill it exactly."""
        points, kept = self.placed(unit)
        return points[kept]

    @property
    def share(self) -> float:
        """Of uniform points of the unit cube, those that `placed` keeps."""
        return 1.0

    # --- boundary -------------------------------------------------------------------------------------------------

    @abstractmethod
    def face_measure(self, face: Face) -> float:
        """Of what `on_face` maps to, of which the domain's own boundary may be a part."""

    def face_extent(self, face: Face) -> float:  # noqa: ARG002
        """About its measure, in units of a face of the box around the domain: what it asks of collocation points."""
        return 1.0

    @abstractmethod
    def on_face(self, face: Face, unit: UnitCube) -> tuple[Points, Kept]:
        """As `placed`, from one dimension less."""

    @abstractmethod
    def normals(self, face: Face, points: Points) -> Points:
        """Outward unit normals at points of a face."""

    @abstractmethod
    def touches(self, face: Face, points: Points) -> Kept:
        """Which points lie on a face."""

    @abstractmethod
    def vanishing(self, faces: Sequence[Face]) -> list[Factor] | None:
        """Functions, smooth and positive inside, of which one vanishes on each of the faces to first order.

        None where none are known.
        """

    def inside(self, faces: Sequence[Face]) -> Factor | None:
        """A function that is positive inside and zero on the faces, and negative beyond them; None where none is known."""
        return reduce(partial(_joined, both), found) if (found := self.vanishing(faces)) else None

    @property
    def outline(self) -> Outline | None:
        """Of a domain in the plane whose faces are straight."""
        return None

    def corners(self) -> list[Corner]:
        return [] if self.outline is None else self.outline.corners((self.names[0], self.names[1]))

    def exposed(self, faces: Sequence[Face]) -> list[Face]:
        """Those of the faces that belong to the boundary, if only in part."""
        unit = torch.from_numpy(qmc.Sobol(self.dimension - 1, rng=np.random.default_rng(0)).random_base2(9))
        return [face for face in faces if self.on_face(face, unit)[1].any()]

    def boundary(self, *axes: str) -> "Part":
        """The faces across the named axes; without names all walls, which where there is time are those of space."""
        self._check_axes(axes)
        across = axes or self.spatial
        if not across:
            raise ValueError(f"{self} has no axis but time; name the face, as in at(t={self.axes[TIME][0]:g})")
        return Part(self, tuple(dict.fromkeys(f for axis in across for f in self.faces if axis in self._across(f))))

    def _across(self, face: Face) -> set[str]:  # noqa: ARG002
        """The axes along which one can leave through a face."""
        return set(self.names)

    def at(self, **face: float) -> "Part":
        """The face where one axis has one of its end values: `rod.at(t=0)`."""
        if len(face) != 1:
            raise ValueError(f"at() takes one axis, as in at({self.names[0]}=…), not {len(face)}")
        ((name, value),) = face.items()
        self._check_axes((name,))
        low, high = self.axes[name]
        if name not in self.intervals:
            raise ValueError(f"{self} has no flat faces across {name}; use boundary(), or boundary().where(…) for a part of it")
        for side, end in enumerate((low, high)):
            if isinstance(value, Real) and abs(value - end) <= 1e-12 * (high - low):  # 0.3 is 0.1 + 0.2
                return Part(self, ((name, side),))
        shown = f"{value:.15g}" if isinstance(value, Real) else repr(value)
        raise ValueError(f"{self} has no face {name}={shown}; its faces across {name} are at {low:.15g} and {high:.15g}")

    def point(self, **coordinates: float | EllipsisType) -> "Point":
        """A point, inside or on the boundary: `box.point(x=0, y=0)`; without `t`, if there is time, at all times.

        `k=...` is all of an axis: a value prescribed at a point for every value of a parameter k.
        """
        self._check_axes(tuple(coordinates))
        given = ", ".join(f"{name}={_number(value)}" for name, value in coordinates.items())
        if missing := [name for name in self.spatial or self.names if name not in coordinates]:
            raise ValueError(
                f"point({given}) leaves out {', '.join(missing)}; give a value on each axis of {self}, or {missing[0]}=... for "
                "all of its values"
            )
        fixed = {name: value for name, value in coordinates.items() if not isinstance(value, EllipsisType)}
        if not fixed or not all(isinstance(value, Real) and isfinite(value) for value in fixed.values()):
            raise ValueError(f"point({given}) is no point; give finite numbers, as in point({self.names[0]}=0.5, …)")
        return Point(self, {name: float(value) for name, value in fixed.items()})

    def _check_axes(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self.axes:
                raise ValueError(f"{self} has no axis {name!r}; its axes are {', '.join(self.names)}")

    def own(self, part: "AnyPart") -> "AnyPart | None":
        """A part of the boundary of this domain, or of one that it is made of, as a part of this one's; else None.

        Points likewise; ValueError for one that the whole leaves out.
        """
        return part.of(self) if part.domain == self else None

    def meetings(self, one: Face, other: Face, unit: UnitCube) -> Points:  # noqa: ARG002
        """Points where two different faces meet, as far as the domain knows them."""
        return torch.empty(0, self.dimension, dtype=torch.float64)

    # --- quadrature -----------------------------------------------------------------------------------------------

    @property
    def factors(self) -> tuple["Domain", ...]:
        """The domains of which it is the product, in the order of its axes."""
        return (self,)

    def face_factor(self, face: Face) -> tuple[int, Face]:
        """The number of the factor that a face belongs to, and what the factor calls it."""
        return 0, face

    def nodes(self, count: int) -> Rule:
        """Nodes and weights of integrals over the domain: about `count` along each axis, at rounding for smooth functions."""
        if len(self.factors) == 1:
            raise ValueError(f"integrals over {self} are not known; {KNOWN}")
        return product([factor.nodes(count) for factor in self.factors])

    def face_nodes(self, face: Face, count: int) -> Rule:
        """The same of integrals over a face, as far as it belongs to the boundary."""
        number, inner = self.face_factor(face)
        if len(self.factors) == 1:
            raise ValueError(f"integrals over {face} of {self} are not known; {KNOWN}")
        return product([f.face_nodes(inner, count) if n == number else f.nodes(count) for n, f in enumerate(self.factors)])

    @property
    def graphs(self) -> list[Graph]:
        """Of a domain in the plane: its boundary, but for vertical lines, as curves y(x)."""
        (low, high), *others = self.axes.values()
        if self.dimension != 2 or self.intervals != self.names:
            raise ValueError(f"integrals over what is made of {self} are not known; {KNOWN}")
        return [(low, high, partial(np.full_like, fill_value=y)) for y in others[0]]

    def curve(self, face: Face, along: Annotated[Tensor, "points"]) -> Rule:  # noqa: ARG002
        """Of a domain in the plane: points of a face, from 0 to 1 along it, and the speed there."""
        raise ValueError(f"integrals over {face} of {self} are not known; {KNOWN}")

    # --- algebra --------------------------------------------------------------------------------------------------

    def __or__(self, other: "Domain") -> "Domain":
        return Union(self, other)

    def __and__(self, other: "Domain") -> "Domain":
        return Intersection(self, other)

    def __sub__(self, other: "Domain") -> "Domain":
        return Difference(self, other)

    def __mul__(self, other: "Domain") -> "Domain":
        return CartesianProduct(self, other)


class Part:
    """Faces of a domain, or the part of them where a predicate of the coordinates, made by `where`, holds."""

    def __init__(self, domain: Domain, faces: tuple[Face, ...], predicate: Callable[..., Column] | None = None) -> None:
        self.domain, self.faces, self.predicate = domain, faces, predicate

    def __repr__(self) -> str:
        places = [f"{f[0]}={self.domain.axes[f[0]][f[1]]:g}" if is_end(f) else str(f) for f in self.faces]
        return f"{', '.join(places)} of {self.domain}" + (" where the predicate holds" if self.predicate else "")

    def where(self, predicate: Callable[..., Tensor | bool]) -> "Part":
        """The points of these faces at which `predicate(x=…, y=…)` is true."""
        before = self.predicate

        def both(**x: Column) -> Column:
            return _truth(predicate, x) if before is None else before(**x) & _truth(predicate, x)

        return Part(self.domain, self.faces, both)

    def of(self, domain: Domain) -> "Part":
        return Part(domain, self.faces, self.predicate)

    @property
    def dimension(self) -> int:
        """Of the unit cube that `sample` maps: the first coordinate chooses the face, the others the point on it."""
        return self.domain.dimension

    def sample(self, unit: UnitCube) -> tuple[Points, Points]:
        """Points on these faces in proportion to their measures, and the outward unit normals there.

        Only points that belong to the part are returned, so that there may be fewer than were given.
        """
        area = torch.tensor([self.domain.face_measure(face) for face in self.faces], dtype=torch.float64)
        edges = torch.cumsum(area, 0) / area.sum()
        choice = torch.searchsorted(edges, unit[:, 0].contiguous(), right=True).clamp_max(len(self.faces) - 1)
        points = torch.empty(len(unit), self.domain.dimension, dtype=torch.float64)
        normals, kept = torch.empty_like(points), torch.empty(len(unit), dtype=torch.bool)
        for number, face in enumerate(self.faces):
            rows = choice == number
            points[rows], kept[rows] = self.domain.on_face(face, unit[rows, 1:])
            normals[rows] = self.domain.normals(face, points[rows])
        if self.predicate is not None:
            kept &= self.predicate(**columns(points, self.domain.names))[:, 0]
        return points[kept], normals[kept]

    def contains(self, points: Points) -> Kept:
        """Which of the points, all on the boundary of the domain, belong to this part."""
        inside = torch.zeros(len(points), dtype=torch.bool)
        for face in self.faces:
            inside |= self.domain.touches(face, points)
        if self.predicate is not None:
            inside &= self.predicate(**columns(points, self.domain.names))[:, 0]
        return inside


class Point:
    """A point of a domain, if all coordinates are `fixed`; else all points that have those: one of the space at all times."""

    faces: tuple[Face, ...] = ()  # a point covers none

    def __init__(self, domain: Domain, fixed: dict[str, float]) -> None:
        self.domain, self.fixed = domain, fixed
        unit = torch.from_numpy(qmc.Sobol(domain.dimension, rng=np.random.default_rng(0)).random_base2(10))
        if not len(self.sample(unit)[0]):
            raise ValueError(f"the point {self._place()} lies outside of {domain}; move it inside or onto the boundary")

    def __repr__(self) -> str:
        return f"the point {self._place()} of {self.domain}"

    def _place(self) -> str:
        return ", ".join(f"{name}={value:g}" for name, value in self.fixed.items())

    def of(self, domain: Domain) -> "Point":
        return Point(domain, self.fixed)

    @property
    def free(self) -> tuple[str, ...]:
        """The axes along which it has every coordinate."""
        return tuple(name for name in self.domain.names if name not in self.fixed)

    @property
    def dimension(self) -> int:
        """Of the unit cube that `sample` maps."""
        return self.domain.dimension

    def sample(self, unit: UnitCube) -> tuple[Points, Points]:
        """The point, or points with its coordinates, and zeros in place of normals."""
        points = self.domain.placed(unit if self.free else unit[:1])[0]
        for name, value in self.fixed.items():
            points[:, self.domain.names.index(name)] = value
        points = points[self.domain.contains(points)]
        return points, torch.zeros_like(points)

    def contains(self, points: Points) -> Kept:
        inside = torch.ones(len(points), dtype=torch.bool)
        for name, value in self.fixed.items():
            inside &= points[:, self.domain.names.index(name)] == value
        return inside


AnyPart = Part | Point


@dataclass(frozen=True)
class Side:
    """A face of one of the two domains that another is made of."""

    number: int
    face: Face

    def __str__(self) -> str:
        return str(self.face)


class _Pair(Domain):
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
        unit = torch.from_numpy(qmc.Sobol(self.dimension, rng=np.random.default_rng(0)).random_base2(14))
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

    def _crossings(self, face: Face) -> list[float]:
        """Where, from 0 to 1 along a face, other shapes begin and end, its own ends included."""
        grid, ends = np.linspace(0, 1, 2049), [0.0, 1.0]
        for shape in self._shapes():

            def inside(along: NDArray[np.float64], shape: Domain = shape) -> NDArray[np.bool_]:
                return shape.contains(self.curve(face, torch.from_numpy(along))[0], 1e-14).numpy()

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
        return None if one is None or other is None else [_joined(either, one, other)]


class CartesianProduct(Domain):
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


def on_plane(function: Callable[[Column, Column], Column], names: tuple[str, ...]) -> Factor:
    """A function of two columns, as one of coordinates by name."""
    return lambda x: function(x[names[0]], x[names[1]])


def _of_these(factor: Factor, names: tuple[str, ...], x: dict[str, Column]) -> Column:
    return factor({name: x[name] for name in names})


def _joined(join: Callable[[Column, Column], Column], one: Factor, other: Factor) -> Factor:
    return lambda x: join(one(x), other(x))


def _negative(factor: Factor, x: dict[str, Column]) -> Column:
    return -factor(x)


def _of_some(predicate: Callable[..., Column], names: tuple[str, ...], **x: Column) -> Column:
    """A predicate of some of the coordinates, as one of all."""
    return predicate(**{name: x[name] for name in names})


def _number(value: object) -> str:
    return "..." if value is ... else f"{value:g}" if isinstance(value, Real) else repr(value)


def is_end(face: Face) -> TypeGuard[tuple[str, int]]:
    """Whether a face is (axis, side), one of two across an interval."""
    return isinstance(face, tuple)


def _truth(predicate: Callable[..., Tensor | bool], x: dict[str, Column]) -> Column:
    """A predicate of the coordinates as a column of truth values."""
    like = next(iter(x.values()))
    answer = called("the predicate", predicate, x)
    if not isinstance(answer, Real | Tensor):
        raise TypeError(f"the predicate returned {answer!r}; return a comparison of coordinates, as in x > 0")
    answer = torch.as_tensor(answer, dtype=torch.bool)
    if answer.dim() and answer.shape != like.shape:
        raise ValueError(
            f"the predicate returned shape {tuple(answer.shape)} for coordinates of shape {tuple(like.shape)}; "
            "compare columns of that shape only, without squeeze or indexing"
        )
    return answer.expand_as(like)
