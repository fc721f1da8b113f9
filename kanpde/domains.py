"""Domains: where an equation holds, and the named parts of their boundary.

A region maps points of the unit cube to itself, so every sampler serves every region.
"""

from collections.abc import Callable
from math import prod
from typing import Annotated

import torch
from torch import Tensor

from kanpde.derivatives import Column

Points = Annotated[Tensor, "points axes"]
UnitCube = Annotated[Tensor, "points dimension"]

TIME = "t"  # the axis of this name is time: its first face carries initial values, its last none


class Box:
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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and list(self.axes.items()) == list(other.axes.items())

    def __hash__(self) -> int:
        return hash(tuple(self.axes.items()))

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
    def measure(self) -> float:
        return prod(high - low for low, high in self.axes.values())

    def points(self, unit: UnitCube) -> Points:
        """Points of the unit cube, scaled into the box."""
        return self.low + (self.high - self.low) * unit

    def grid(self, counts: int | dict[str, int]) -> Points:
        """All points of a uniform grid with `counts` points on each axis, ends included, last axis fastest."""
        number = counts if isinstance(counts, dict) else dict.fromkeys(self.names, counts)
        return torch.cartesian_prod(
            *(torch.linspace(*self.axes[name], number[name], dtype=torch.float64) for name in self.names)
        ).reshape(-1, self.dimension)

    def at(self, **face: float) -> "Part":
        """The face where one axis has one of its end values: `rod.at(t=0)`."""
        if len(face) != 1:
            raise ValueError(f"at() takes one axis, as in at({self.names[0]}=…), not {len(face)}")
        ((name, value),) = face.items()
        self._check_axes((name,))
        if value not in self.axes[name]:
            low, high = self.axes[name]
            shown = f"{value:.15g}" if isinstance(value, int | float) else repr(value)
            raise ValueError(f"{self} has no face {name}={shown}; its faces across {name} are at {low:.15g} and {high:.15g}")
        return Part(self, ((name, self.axes[name].index(value)),))

    def boundary(self, *axes: str) -> "Part":
        """The faces across the named axes; without names all walls, which for a box with time are those of space."""
        self._check_axes(axes)
        across = axes or tuple(name for name in self.names if name != TIME)
        if not across:
            raise ValueError(f"{self} has no axis but time; name the face, as in at(t={self.axes[TIME][0]:g})")
        return Part(self, tuple((name, side) for name in across for side in (0, 1)))

    def _check_axes(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self.axes:
                raise ValueError(f"{self} has no axis {name!r}; its axes are {', '.join(self.names)}")


class Part:
    """Faces of a box, or the part of them where a predicate of the coordinates holds.

    A face is (axis name, side), with side 0 at the low end and 1 at the high end.
    """

    def __init__(self, box: Box, faces: tuple[tuple[str, int], ...], where: Callable[..., Tensor] | None = None) -> None:
        self.box, self.faces, self.predicate = box, faces, where

    def __repr__(self) -> str:
        places = ", ".join(f"{name}={self.box.axes[name][side]:g}" for name, side in self.faces)
        return f"{places} of {self.box}" + (" where the predicate holds" if self.predicate else "")

    def where(self, predicate: Callable[..., Tensor]) -> "Part":
        """The points of these faces at which `predicate(x=…, y=…)` is true."""
        first = self.predicate
        both = predicate if first is None else lambda **x: _truth(first, x) & _truth(predicate, x)
        return Part(self.box, self.faces, both)

    @property
    def dimension(self) -> int:
        """Of the unit cube that `sample` maps: the first coordinate chooses the face, the others the point on it."""
        return self.box.dimension

    def sample(self, unit: UnitCube) -> tuple[Points, Points]:
        """Points on these faces in proportion to their measures, and the outward unit normals there.

        With a predicate only the points that satisfy it are returned, so there may be fewer than were given.
        """
        names = self.box.names
        area = torch.tensor([self.box.measure / (self.box.high - self.box.low)[names.index(n)] for n, _ in self.faces])
        edges = torch.cumsum(area, 0) / area.sum()
        choice = torch.searchsorted(edges, unit[:, 0].contiguous(), right=True).clamp_max(len(self.faces) - 1)
        points = torch.empty(len(unit), len(names), dtype=torch.float64)
        normals = torch.zeros_like(points)
        for number, (name, side) in enumerate(self.faces):
            rows = choice == number
            points[rows] = self._on_face(name, side, unit[rows, 1:])
            normals[rows, names.index(name)] = 2.0 * side - 1.0
        if self.predicate is not None:
            kept = self.contains(points)
            points, normals = points[kept], normals[kept]
        return points, normals

    def _on_face(self, name: str, side: int, unit: Annotated[Tensor, "points axes-1"]) -> Points:
        axis = self.box.names.index(name)
        end = torch.full((len(unit), 1), float(side), dtype=torch.float64)
        points = self.box.points(torch.cat([unit[:, :axis], end, unit[:, axis:]], 1))
        points[:, axis] = self.box.axes[name][side]  # exactly, without the rounding of the map
        return points

    def contains(self, points: Points) -> Annotated[Tensor, "points"]:
        """Which of the points, all on the boundary of the box, belong to this part."""
        names = self.box.names
        inside = torch.zeros(len(points), dtype=torch.bool)
        for name, side in self.faces:
            inside |= points[:, names.index(name)] == self.box.axes[name][side]
        if self.predicate is not None:
            inside &= _truth(self.predicate, columns(points, names))[:, 0]
        return inside


def _truth(predicate: Callable[..., Tensor], x: dict[str, Column]) -> Column:
    """A predicate of the coordinates as a column of truth values."""
    like = next(iter(x.values()))
    answer = torch.as_tensor(predicate(**x), dtype=torch.bool)
    if answer.dim() and answer.shape != like.shape:
        raise ValueError(
            f"the predicate returned shape {tuple(answer.shape)} for coordinates of shape {tuple(like.shape)}; "
            "compare columns of that shape only, without squeeze or indexing"
        )
    return answer.expand_as(like)


def columns(points: Points, names: tuple[str, ...]) -> dict[str, Column]:
    """The coordinates of points by axis name, as fresh columns that autograd follows."""
    return {name: points[:, [axis]].detach().requires_grad_() for axis, name in enumerate(names)}
