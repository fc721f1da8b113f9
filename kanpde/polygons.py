"""Polygons, with holes."""

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Annotated

import numpy as np
import shapely
import torch
from torch import Tensor

from kanpde.combinations import Shape
from kanpde.domains import SLACK, Face, Factor, Kept, Part, UnitCube, on_plane
from kanpde.functions import Points
from kanpde.outlines import Outline
from kanpde.rules import Graph, Rule, gauss, product, share, together


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
