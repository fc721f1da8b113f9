"""Conditions: a residual on a part of the boundary.

`rows(evaluate, points, normals)` is the residual of a condition at points on its part.
An initial condition is a condition at the face `box.at(t=0)`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

import torch
from torch import Tensor

from kanpde.derivatives import Column, diff
from kanpde.domains import Box, Part, Points

Columns = Annotated[Tensor, "points rows"]


class Evaluate(Protocol):
    """The unknowns and the coordinates at points, as dicts of columns."""

    box: Box

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]: ...


Value = float | Callable[..., Tensor]
Region = Part | Callable[..., Tensor]  # faces, or a predicate of the coordinates


def given(value: Value, x: dict[str, Column]) -> Column:
    """A number or a function of the coordinates, as a column."""
    column = next(iter(x.values()))
    found = value(**x) if callable(value) else torch.full_like(column, float(value))
    if isinstance(found, int | float):
        return torch.full_like(column, float(found))
    return found


@dataclass(frozen=True)
class Condition:
    """Any residual on a part of the boundary: `Condition(lambda u, x, t: diff(u, t), on=rod.at(t=0))`."""

    residual: Callable[..., Tensor]
    on: Region

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Column:  # noqa: ARG002
        unknowns, x = evaluate(points)
        return self.residual(*unknowns.values(), **x)


@dataclass(frozen=True)
class Dirichlet:
    """u = value. Without `of` it is about the problem's only unknown."""

    value: Value
    on: Region
    of: str | None = None

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Column:  # noqa: ARG002
        unknowns, x = evaluate(points)
        return chosen(unknowns, self.of) - given(self.value, x)


@dataclass(frozen=True)
class Neumann:
    """∂u/∂n = value, along the outward normal n."""

    value: Value
    on: Region
    of: str | None = None

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Column:
        unknowns, x = evaluate(points)
        return normal_derivative(chosen(unknowns, self.of), x, normals) - given(self.value, x)


@dataclass(frozen=True)
class Robin:
    """a u + b ∂u/∂n = value, along the outward normal n."""

    a: float
    b: float
    value: Value
    on: Region
    of: str | None = None

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Column:
        unknowns, x = evaluate(points)
        u = chosen(unknowns, self.of)
        return self.a * u + self.b * normal_derivative(u, x, normals) - given(self.value, x)


@dataclass(frozen=True)
class Periodic:
    """All unknowns agree at the two faces across `axis`, with as many derivatives as the equation takes, less one.

    Exact by periodic knots where the network has them; else weighted rows, of values and derivatives below `order`.
    """

    axis: str
    order: int | None = None  # a problem puts in that of its equations

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Columns:
        """`points` lie on the face at the low end."""
        assert self.order is not None
        low, high = evaluate.box.axes[self.axis]
        there = points - (high - low) * normals  # the outward normal of the low face points down the axis
        one, at_one = evaluate(points)
        other, at_other = evaluate(there)
        return torch.cat(
            [
                diff(one[name], *[at_one[self.axis]] * k) - diff(other[name], *[at_other[self.axis]] * k)
                for name in one
                for k in range(self.order)
            ],
            1,
        )


def chosen(unknowns: dict[str, Column], of: str | None) -> Column:
    return unknowns[of] if of is not None else next(iter(unknowns.values()))


def normal_derivative(u: Column, x: dict[str, Column], normals: Points) -> Column:
    total = torch.zeros_like(u)
    for axis, column in enumerate(x.values()):
        if normals[:, axis].any():
            total = total + normals[:, [axis]] * diff(u, column)
    return total


AnyCondition = Condition | Dirichlet | Neumann | Robin | Periodic
