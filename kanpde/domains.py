"""Domains: where an equation holds, and the named parts of their boundary.

A region maps points of the unit cube to itself, so every sampler serves every region.
"""

import inspect
from collections.abc import Callable, Mapping
from math import prod
from numbers import Real
from typing import Annotated, Any

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
        low, high = self.axes[name]
        for side, end in enumerate((low, high)):
            if isinstance(value, Real) and abs(value - end) <= 1e-12 * (high - low):  # 0.3 is 0.1 + 0.2
                return Part(self, ((name, side),))
        shown = f"{value:.15g}" if isinstance(value, Real) else repr(value)
        raise ValueError(f"{self} has no face {name}={shown}; its faces across {name} are at {low:.15g} and {high:.15g}")

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

    A face is (axis name, side), with side 0 at the low end and 1 at the high end. The predicate, made by `where`,
    returns columns of truth values.
    """

    def __init__(self, box: Box, faces: tuple[tuple[str, int], ...], predicate: Callable[..., Column] | None = None) -> None:
        self.box, self.faces, self.predicate = box, faces, predicate

    def __repr__(self) -> str:
        places = ", ".join(f"{name}={self.box.axes[name][side]:g}" for name, side in self.faces)
        return f"{places} of {self.box}" + (" where the predicate holds" if self.predicate else "")

    def where(self, predicate: Callable[..., Tensor | bool]) -> "Part":
        """The points of these faces at which `predicate(x=…, y=…)` is true."""
        before = self.predicate

        def both(**x: Column) -> Column:
            return _truth(predicate, x) if before is None else before(**x) & _truth(predicate, x)

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
            inside &= self.predicate(**columns(points, names))[:, 0]
        return inside


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


class Columns(dict[str, Column]):
    """Coordinates by axis name, and with them the `parameters` of a problem, for the functions that name them."""

    def __init__(self, x: Mapping[str, Column], parameters: Mapping[str, Column]) -> None:
        super().__init__(x)
        self.parameters = parameters


def columns(points: Points, names: tuple[str, ...]) -> dict[str, Column]:
    """The coordinates of points by axis name, as fresh columns that autograd follows."""
    return {name: points[:, [axis]].detach().requires_grad_() for axis, name in enumerate(names)}


HINTS = {  # what to do about an error in a user's function, by a piece of its message
    "numpy()": "; the arguments are tensors: use torch.sin and the like instead of numpy's",
    "Python scalars": "; the arguments are tensors: use torch.sin and the like instead of math's",
    "Boolean value of Tensor": "; combine comparisons by | and &, as in (x == 0) | (y == 0), and choose by torch.where",
}


def called(
    what: str, function: Callable[..., Any], x: Mapping[str, Column], unknowns: Mapping[str, Column] | None = None
) -> Any:
    """A user's function of the coordinates, by keyword, and before them of the unknowns; errors say that it was `what`."""
    unknowns = unknowns or {}
    expected = ", ".join([*unknowns, *x])
    if not callable(function):
        raise TypeError(f"{what} is {function!r}; give a function of ({expected})")
    parameters = x.parameters if isinstance(x, Columns) else {}
    taken = {n: p for n, p in parameters.items() if n in getattr(function, "keywords", ())}  # a problem has bound them
    try:
        return function(*unknowns.values(), **x, **taken)
    except Exception as error:
        if (taken := _misfit(function, x, unknowns)) is not None:
            order = f"the unknowns {', '.join(unknowns)} first, then " if unknowns else ""
            raise TypeError(
                f"{what} takes {taken}, but is called with ({expected}): {order}the axes {', '.join(x)} by keyword"
            ) from error
        hint = next((hint for piece, hint in HINTS.items() if piece in str(error)), "")
        raise ValueError(f"{what} raised {type(error).__name__}: {error}{hint}") from error


def _misfit(function: Callable[..., Any], x: Mapping[str, Column], unknowns: Mapping[str, Column]) -> str | None:
    """The signature of a function that cannot be called like this."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a builtin, unknown
        return None
    try:
        signature.bind(*unknowns.values(), **x)
    except TypeError:
        return str(signature)
    return None
