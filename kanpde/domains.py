"""Domains: where an equation holds, and the named parts of their boundary.

A region maps points of the unit cube to itself, so every sampler serves every region. The boundary of a domain consists
of smooth faces; what they are called is the domain's own affair, but the two across an axis that is an interval are
(axis name, side), with side 0 at the low end and 1 at the high end.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from functools import partial, reduce
from math import isfinite
from numbers import Real
from types import EllipsisType
from typing import Annotated, TypeGuard

import numpy as np
import torch
from torch import Tensor

from kanpde.derivatives import Column
from kanpde.functions import Points, called, columns
from kanpde.outlines import Corner, Outline, both
from kanpde.quasirandom import UnitCube, sobol
from kanpde.rules import Graph, Rule, product

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
    def projected(self, face: Face, points: Points) -> Points:
        """Points near a face, moved onto it, or onto what continues it."""

    @abstractmethod
    def vanishing(self, faces: Sequence[Face]) -> list[Factor] | None:
        """Functions, smooth and positive inside, of which one vanishes on each of the faces to first order.

        None where none are known.
        """

    def inside(self, faces: Sequence[Face]) -> Factor | None:
        """A function that is positive inside and zero on the faces, and negative beyond them; None where none is known."""
        return reduce(partial(joined, both), found) if (found := self.vanishing(faces)) else None

    @property
    def outline(self) -> Outline | None:
        """Of a domain in the plane whose faces are straight."""
        return None

    def corners(self) -> list[Corner]:
        return [] if self.outline is None else self.outline.corners((self.names[0], self.names[1]))

    def exposed(self, faces: Sequence[Face]) -> list[Face]:
        """Those of the faces that belong to the boundary, if only in part."""
        unit = sobol(2**9, self.dimension - 1)
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

    def place(self, point: Annotated[Tensor, "axes"]) -> str:
        """A point in messages: its coordinates by name."""
        return ", ".join(f"{name}={value:g}" for name, value in zip(self.names, point.tolist(), strict=True))

    def own(self, part: "AnyPart") -> "AnyPart | None":
        """A part of the boundary of this domain, or of one that it is made of, as a part of this one's; else None.

        Points likewise; ValueError for one that the whole leaves out.
        """
        return part.of(self) if part.domain == self else None

    def meetings(self, one: Face, other: Face, unit: UnitCube) -> Points:  # noqa: ARG002
        """Points where two different faces meet, as far as the domain knows them."""
        return torch.empty(0, self.dimension, dtype=torch.float64)

    def junctions(self) -> Points:
        """Of a domain in the plane: points where shapes that it is made of cross, and ends of their faces."""
        return torch.empty(0, self.dimension, dtype=torch.float64)

    # --- quadrature -----------------------------------------------------------------------------------------------

    @property
    def factors(self) -> tuple["Domain", ...]:
        """The domains of which it is the product, in the order of its axes."""
        return (self,)

    def face_factor(self, face: Face) -> tuple[int, Face]:
        """The number of the factor that a face belongs to, and what the factor calls it."""
        return 0, face

    def named(self, face: Face) -> tuple[str, "Domain"]:
        """What a face is called, and the shape that brings it along."""
        if is_end(face):
            return f"{face[0]}={self.axes[face[0]][face[1]]:g}", self
        number, inner = self.face_factor(face)
        factor = self.factors[number]
        return (str(face), self) if factor is self else factor.named(inner)

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


class Part:
    """Faces of a domain, or the part of them where a predicate of the coordinates, made by `where`, holds."""

    def __init__(self, domain: Domain, faces: tuple[Face, ...], predicate: Callable[..., Column] | None = None) -> None:
        self.domain, self.faces, self.predicate = domain, faces, predicate

    def __repr__(self) -> str:
        places: dict[Domain, list[str]] = {}
        for face in self.faces:
            name, shape = self.domain.named(face)
            places.setdefault(shape, []).append(name)
        found = " and ".join(f"{', '.join(names)} of {shape}" for shape, names in places.items())
        found += f" in {self.domain}" if set(places) != {self.domain} else ""
        return found + (" where the predicate holds" if self.predicate else "")

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
        unit = sobol(2**10, domain.dimension)
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


def on_plane(function: Callable[[Column, Column], Column], names: tuple[str, ...]) -> Factor:
    """A function of two columns, as one of coordinates by name."""
    return lambda x: function(x[names[0]], x[names[1]])


def joined(join: Callable[[Column, Column], Column], one: Factor, other: Factor) -> Factor:
    return lambda x: join(one(x), other(x))


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
