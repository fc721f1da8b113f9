"""Equations and conditions of second order of one unknown, linearized at a function: the coefficients that the user never
wrote down, read off residuals by a probe.

An equation r(x, u, ∇u, D²u) = 0 becomes A:D²u + b·∇u + c u = f, or with A under the divergence
∇·(A ∇u) + (b − ∇·A)·∇u + c u = f, where ∇·A is taken along the function; a condition becomes c u + w·∇u = g.
"""

from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from kanpde.chunks import points_at_a_time
from kanpde.derivatives import Column, MultiIndex, Probe, diff
from kanpde.domains import Domain
from kanpde.field import Field
from kanpde.functions import Arguments, Points, columns

EACH = 2**14  # bytes that an equation and its derivatives by a probe hold for a point

Values = Annotated[Tensor, "points"]
Vectors = Annotated[Tensor, "points axes"]
Matrices = Annotated[Tensor, "points axes axes"]


class Jet(NamedTuple):
    """A function at points, with its first and second derivatives."""

    value: Values
    slopes: Vectors
    curvatures: Matrices

    def split(self, each: int) -> list["Jet"]:
        return [Jet(*parts) for parts in zip(*(part.split(each) for part in self), strict=True)]


class LinearEquation(NamedTuple):
    """∇·(A ∇u) + first·∇u + zeroth u = right, with A symmetric."""

    second: Matrices
    first: Vectors
    zeroth: Values
    right: Values


class LinearCondition(NamedTuple):
    """zeroth u + first·∇u = right."""

    zeroth: Values
    first: Vectors
    right: Values


@torch.enable_grad()
def linear_equation(field: Field, points: Points, jet: Jet) -> LinearEquation:
    """The problem's only equation, at points where the unknown is this."""
    each = points_at_a_time(EACH)
    parts = [_equation(field, p, j) for p, j in zip(points.split(each), jet.split(each), strict=True)]
    return LinearEquation(*map(torch.cat, zip(*parts, strict=True)))


def _equation(field: Field, points: Points, jet: Jet) -> LinearEquation:
    probed = _Probed(field, jet)
    unknowns, x = probed(points)
    (residual,) = field.problem.equations(unknowns, x).values()
    axes = list(x.values())
    found = probed.probe.coefficients(residual, followed=True)
    zeroth, first = _lower(found, points)
    second, divergence = torch.zeros_like(jet.curvatures), torch.zeros_like(first)
    for index, coefficient in found.items():
        if sum(index) < 2:
            continue
        i, j = [axis for axis, times in enumerate(index) for _ in range(times)]
        second[:, i, j] += coefficient[:, 0].detach() / 2
        second[:, j, i] += coefficient[:, 0].detach() / 2
        divergence[:, i] += diff(coefficient, axes[j])[:, 0].detach() / 2
        divergence[:, j] += diff(coefficient, axes[i])[:, 0].detach() / 2
    applied = (second * jet.curvatures).sum((1, 2)) + (first * jet.slopes).sum(1) + zeroth * jet.value
    return LinearEquation(second, first - divergence, zeroth, applied - residual[:, 0].detach())


@torch.enable_grad()
def linear_condition(field: Field, name: str, points: Points, normals: Points, jet: Jet) -> LinearCondition:
    """The condition of this name, at points of its part where the unknown is this."""
    probed = _Probed(field, jet)
    rows = field.problem.conditions[name].rows(probed, points, normals)
    found = probed.probe.coefficients(rows)
    if any(sum(index) > 1 for index in found):
        raise ValueError(
            f"condition {name!r} takes second derivatives, which finite elements of an equation of second order have not on "
            "the boundary; cross_check takes conditions for values and first derivatives"
        )
    zeroth, first = _lower(found, points)
    applied = (first * jet.slopes).sum(1) + zeroth * jet.value
    return LinearCondition(zeroth, first, applied - rows[:, 0].detach())


def _lower(found: dict[MultiIndex, Column], points: Points) -> tuple[Values, Vectors]:
    """The coefficients of the value and of first derivatives."""
    zeroth, first = torch.zeros(len(points), dtype=torch.float64), torch.zeros_like(points)
    for index, coefficient in found.items():
        if sum(index) == 0:
            zeroth = coefficient[:, 0].detach()
        elif sum(index) == 1:
            first[:, index.index(1)] = coefficient[:, 0].detach()
    return zeroth, first


class _Probed:
    """A probe in the place of the unknown, which has the values and derivatives of a jet."""

    def __init__(self, field: Field, jet: Jet) -> None:
        self.field, self.jet = field, jet
        self.box: Domain = field.box

    def __call__(self, points: Points) -> tuple[dict[str, Column], Arguments]:
        x = self.field.known(columns(points, self.box.names))
        self.probe = Probe(list(x.values()), self._value)
        return {self.field.problem.unknowns[0]: self.probe.unknown()}, x

    def _value(self, index: MultiIndex) -> Column:
        axes = [axis for axis, times in enumerate(index) for _ in range(times)]
        if len(axes) > 2:
            raise ValueError(
                "the coefficients of the equation's second derivatives depend on second derivatives; cross_check takes "
                "equations that are linear in those"
            )
        part = self.jet[len(axes)]
        return part[(slice(None), *axes)][:, None].clone()
