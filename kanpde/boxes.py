"""Boxes: products of intervals."""

from collections.abc import Hashable, Sequence
from functools import cached_property, partial
from math import prod
from typing import Annotated

import shapely
import torch
from torch import Tensor

from kanpde.combinations import Shape
from kanpde.derivatives import Column
from kanpde.domains import SLACK, Domain, Face, Factor, Kept, UnitCube
from kanpde.functions import Points
from kanpde.outlines import Outline
from kanpde.rules import Rule, gauss


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
