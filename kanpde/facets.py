"""Facets of the boundary of a mesh: edges in the plane, triangles in space. Points on them, normals, distances to them."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Annotated, NamedTuple, Self

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from kanpde.simplices import Array, barycentric, chosen

Places = Annotated[Array, "points axes"]

PIECES = 16  # of a curved edge, where a polygon stands for it
# of space, so that no wall of a part is along the rays that are counted: parts are drawn along the axes
TURN = Rotation.from_rotvec([0.61, 0.37, 0.83]).as_matrix()


class Foot(NamedTuple):
    """The nearest points of the facets: the numbers of those, places, outward unit normals there, and distances."""

    number: NDArray[np.int64]
    place: Places
    normal: Places
    distance: Annotated[Array, "points"]


class Facets(ABC):
    @property
    @abstractmethod
    def measure(self) -> float: ...

    @property
    @abstractmethod
    def enclosed(self) -> float:
        """What lies inside, if these are all facets of a boundary."""

    @property
    @abstractmethod
    def sites(self) -> Annotated[Array, "facets sites axes"]:
        """Points of each facet that show where it lies: its corners, and more if it is curved."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[Annotated[Array, "axes"], Annotated[Array, "axes"]]:
        """The ends of the smallest box around them."""

    @abstractmethod
    def some(self, kept: NDArray[np.bool_]) -> Self:
        """Those facets alone."""

    @abstractmethod
    def points(self, unit: Annotated[Array, "points axes-1"]) -> Places:
        """Points of the unit cube, mapped so that uniform ones stay uniform."""

    @abstractmethod
    def contain(self, points: Places, slack: float) -> Annotated[NDArray[np.bool_], "points"]:
        """Which points lie inside, if these are all facets of a boundary, or outside by less than `slack`."""

    @abstractmethod
    def nearest(self, points: Places) -> Foot: ...

    @abstractmethod
    def touched(self, points: Places, reach: float) -> Annotated[NDArray[np.bool_], "points"]:
        """Which points lie on a facet, or within reach of one."""


class Edges(Facets):
    """Quadratic curves a + s b + s² c, 0 ≤ s ≤ 1, that have the domain on their left."""

    def __init__(self, starts: Places, ends: Places, middles: Places) -> None:
        self.start, self.end = starts, ends
        self.slope, self.bend = 4 * middles - 3 * starts - ends, 2 * (starts + ends) - 4 * middles
        size = np.linalg.norm(ends - starts, axis=1)
        self.curved = np.linalg.norm(self.bend, axis=1) > 1e-9 * size
        self.pieces = PIECES if self.curved.any() else 1
        # how far a curve is from the chords that stand for it
        self.sagitta = np.linalg.norm(self.bend, axis=1).max() / 4 / self.pieces**2

    def at(self, number: NDArray[np.int64], s: Array) -> Places:
        s = s[..., None]
        return self.start[number] + s * (self.slope[number] + s * self.bend[number])

    def along(self, number: NDArray[np.int64], s: Array) -> Places:
        return self.slope[number] + 2 * s[..., None] * self.bend[number]

    def normals(self, number: NDArray[np.int64], s: Array) -> Places:
        along = self.along(number, s)
        return np.stack([along[..., 1], -along[..., 0]], -1) / np.linalg.norm(along, axis=-1, keepdims=True)

    @cached_property
    def chords(self) -> Annotated[Array, "edges pieces 2 axes"]:
        numbers, s = np.arange(len(self.start))[:, None], np.linspace(0, 1, self.pieces + 1)[None]
        chain = self.at(numbers, s)
        chain[:, -1] = self.end  # exactly, so that edges meet
        return np.stack([chain[:, :-1], chain[:, 1:]], 2)

    @property
    def sites(self) -> Annotated[Array, "edges sites axes"]:
        return self.at(np.arange(len(self.start))[:, None], np.array([[0.0, 0.5, 1.0]]))

    @property
    def bounds(self) -> tuple[Annotated[Array, "axes"], Annotated[Array, "axes"]]:
        s = np.clip(-self.slope / _nonzero(2 * self.bend), 0, 1)  # where a curve turns back along an axis
        reached = np.concatenate([self.start, self.end, self.start + s * (self.slope + s * self.bend)])
        return reached.min(0), reached.max(0)

    def some(self, kept: NDArray[np.bool_]) -> "Edges":
        starts, middles, ends = self.sites[kept].transpose(1, 0, 2)
        return Edges(starts, ends, middles)

    @cached_property
    def lengths(self) -> Annotated[Array, "pieces"]:
        """Of the curve over each chord, by Simpson's rule."""
        numbers, s = np.arange(len(self.start))[:, None], np.linspace(0, 1, 2 * self.pieces + 1)[None]
        speeds = np.linalg.norm(self.along(numbers, s), axis=2)
        return ((speeds[:, :-1:2] + 4 * speeds[:, 1::2] + speeds[:, 2::2]) / (6 * self.pieces)).reshape(-1)

    @property
    def measure(self) -> float:
        return float(self.lengths.sum())

    @property
    def enclosed(self) -> float:
        """The area to the left, ½ ∮ x dy − y dx, by two Gauss points an edge, which take cubics exactly."""
        s = 0.5 + np.array([[-0.5, 0.5]]) / 3**0.5
        numbers = np.arange(len(self.start))[:, None]
        x, along = self.at(numbers, s), self.along(numbers, s)
        return (x[..., 0] * along[..., 1] - x[..., 1] * along[..., 0]).sum().item() / 4

    def points(self, unit: Annotated[Array, "points 1"]) -> Places:
        piece, within = chosen(unit[:, 0], self.lengths)
        number, part = np.divmod(piece, self.pieces)
        return self.at(number, (part + within) / self.pieces)

    @cached_property
    def _polygon(self) -> tuple[shapely.Geometry, shapely.Geometry]:
        """What the chords enclose, and the chords."""
        lines = shapely.MultiLineString(self.chords.reshape(-1, 2, 2).tolist())
        area = shapely.build_area(lines)
        shapely.prepare([area, lines])
        return area, lines

    def contain(self, points: Places, slack: float) -> Annotated[NDArray[np.bool_], "points"]:
        (area, lines), at = self._polygon, shapely.points(points)
        inside, near = np.asarray(shapely.contains(area, at)), np.asarray(shapely.dwithin(lines, at, abs(slack)))
        found = inside & ~near if slack < 0 else inside | near
        if self.sagitta > 0:
            # beside curves chords will not do: what counts there is the distance, with its sign
            close = np.flatnonzero(shapely.dwithin(lines, at, 2 * self.sagitta + abs(slack)))
            number, s = self.parameters(points[close])
            offset = points[close] - self.at(number, s)
            outward = (offset * self.normals(number, s)).sum(1)
            # past the ends of an edge its normal does not tell the side
            beside = self.curved[number] & ((s > 0) & (s < 1) | (np.linalg.norm(offset, axis=1) <= abs(slack)))
            found[close[beside]] = outward[beside] <= slack
        return found

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(np.asarray(shapely.linestrings(self.chords.reshape(-1, 2, 2))))

    def nearest(self, points: Places) -> Foot:
        number, s = self.parameters(points)
        place = self.at(number, s)
        return Foot(number, place, self.normals(number, s), np.linalg.norm(points - place, axis=1))

    def touched(self, points: Places, reach: float) -> Annotated[NDArray[np.bool_], "points"]:
        return self.nearest(points).distance <= reach

    def parameters(self, points: Places) -> tuple[NDArray[np.int64], Array]:
        """The number of the edge that is nearest, and s there."""
        number, part = np.divmod(self._tree.query_nearest(shapely.points(points), all_matches=False)[1], self.pieces)
        s = (part + 0.5) / self.pieces
        for _ in range(6 if self.pieces > 1 else 1):  # Gauss and Newton; the first step is exact on straight edges
            along = self.along(number, s)
            gap = points - self.at(number, s)
            s = np.clip(s + (gap * along).sum(1) / (along * along).sum(1), 0, 1)
        return number, s


class Triangles(Facets):
    """Flat triangles, whose corners are seen against the clock from outside."""

    def __init__(self, corners: Annotated[Array, "triangles 3 axes"]) -> None:
        self.triangles = corners
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self.areas = np.linalg.norm(across, axis=1) / 2
        self.normals = across / np.maximum(2 * self.areas, 1e-300)[:, None]
        self._turned = corners @ TURN.T
        self._low, self._high = self._turned.min(1), self._turned.max(1)

    @property
    def measure(self) -> float:
        return float(self.areas.sum())

    @property
    def sites(self) -> Annotated[Array, "triangles sites axes"]:
        return self.triangles

    @property
    def bounds(self) -> tuple[Annotated[Array, "axes"], Annotated[Array, "axes"]]:
        return self.triangles.min((0, 1)), self.triangles.max((0, 1))

    def some(self, kept: NDArray[np.bool_]) -> "Triangles":
        return Triangles(self.triangles[kept])

    @property
    def enclosed(self) -> float:
        """The volume inside, as a sum of tetrahedra with one corner at the first point."""
        return np.linalg.det(self.triangles - self.triangles[0, 0]).sum().item() / 6

    def points(self, unit: Annotated[Array, "points 2"]) -> Places:
        number, within = chosen(unit[:, 0], self.areas)
        weights = barycentric(np.stack([within, unit[:, 1]], 1))
        return np.einsum("pc,pca->pa", weights, self.triangles[number])

    @cached_property
    def _tree(self) -> shapely.STRtree:
        """Of the triangles, as seen along the third axis of the turned space."""
        return shapely.STRtree(shapely.box(*self._low[:, :2].T, *self._high[:, :2].T))

    def enclose(self, points: Places) -> Annotated[NDArray[np.bool_], "points"]:
        """Which points lie inside: rays from there cross the surface an odd number of times."""
        turned = points @ TURN.T
        point, number = self._tree.query(shapely.points(turned[:, :2]))
        above = self._high[number, 2] >= turned[point, 2]
        point, number = point[above], number[above]
        a, b, c = (self._turned[number, k] - turned[point] for k in range(3))
        opposite = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)], 1)
        height = (opposite * np.stack([a[:, 2], b[:, 2], c[:, 2]], 1)).sum(1) / _nonzero(opposite.sum(1))
        hit = ((opposite > 0).all(1) | (opposite < 0).all(1)) & (height > 0)
        return np.bincount(point[hit], minlength=len(points)) % 2 == 1

    def contain(self, points: Places, slack: float) -> Annotated[NDArray[np.bool_], "points"]:
        inside, near = self.enclose(points), self.touched(points, abs(slack))
        return inside & ~near if slack < 0 else inside | near

    def within(self, points: Places, reach: float) -> Foot:
        """The nearest points where they are within reach; elsewhere the number is -1 and the distance infinite."""
        turned = points @ TURN.T
        point, number = self._tree.query(shapely.box(*(turned[:, :2] - reach).T, *(turned[:, :2] + reach).T))
        z = turned[point, 2]
        close = (self._low[number, 2] - reach <= z) & (z <= self._high[number, 2] + reach)
        point, number = point[close], number[close]
        place = _feet(points[point], self.triangles[number], self.normals[number])
        distance = np.linalg.norm(points[point] - place, axis=1)
        order = np.lexsort((distance, point))
        point, best = np.unique(point[order], return_index=True)
        best = order[best]
        best, point = best[distance[best] <= reach], point[distance[best] <= reach]
        found = Foot(
            np.full(len(points), -1), np.full_like(points, np.nan), np.full_like(points, np.nan), np.full(len(points), np.inf)
        )
        found.number[point], found.place[point], found.distance[point] = number[best], place[best], distance[best]
        found.normal[point] = self.normals[number[best]]
        return found

    def touched(self, points: Places, reach: float) -> Annotated[NDArray[np.bool_], "points"]:
        return self.within(points, reach).number >= 0

    def nearest(self, points: Places) -> Foot:
        size = np.ptp(self.triangles.reshape(-1, 3), axis=0).max()
        reach, found = 1e-6 * size, self.within(points, 1e-6 * size)
        while len(missing := np.flatnonzero(found.number < 0)):
            reach *= 8
            for whole, part in zip(found, self.within(points[missing], reach), strict=True):
                whole[missing] = part
        return found


def _cross(one: Places, other: Places) -> Annotated[Array, "points"]:
    """Of the first two coordinates."""
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]


def _nonzero(values: Array) -> Array:
    return np.where(values == 0, 1.0, values)


def _feet(points: Places, triangles: Annotated[Array, "points 3 axes"], normals: Places) -> Places:
    """Of each point the nearest one of its triangle: straight below, or else on one of the three sides."""
    starts, sides = triangles, np.roll(triangles, -1, 1) - triangles
    offsets = points[:, None] - starts
    share = np.clip((offsets * sides).sum(2) / _nonzero((sides * sides).sum(2)), 0, 1)
    feet = starts + share[..., None] * sides
    best = np.linalg.norm(points[:, None] - feet, axis=2).argmin(1)
    beside = np.take_along_axis(feet, best[:, None, None], 1)[:, 0]
    inside = ((np.cross(sides, offsets) * normals[:, None]).sum(2) >= 0).all(1)
    height = (offsets[:, 0] * normals).sum(1, keepdims=True)
    return np.where(inside[:, None], points - height * normals, beside)
