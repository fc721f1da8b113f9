"""Conditions: a residual on a part of the boundary, or at a point.

`rows(evaluate, points, normals)` is the residual of a condition at points on its part.
An initial condition is a condition at the face `box.at(t=0)`.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import pi
from numbers import Real
from reprlib import repr as shortened
from typing import Annotated, Protocol

import torch
from torch import Tensor

from kanpde.derivatives import Column, diff
from kanpde.domains import TIME, AnyPart, Domain, Part
from kanpde.functions import Points, called, columns
from kanpde.quadrature import Quadrature

Columns = Annotated[Tensor, "points rows"]


class Evaluate(Protocol):
    """The unknowns and the coordinates at points, as dicts of columns."""

    box: Domain

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]: ...


Value = float | Callable[..., Tensor]
Region = AnyPart | Callable[..., Tensor]  # faces, a point, or a predicate of the coordinates


def given(value: Value, x: dict[str, Column], what: str = "the value") -> Column:
    """A number or a function of the coordinates, as a column."""
    return as_column(called(what, value, x) if callable(value) else value, next(iter(x.values())), what)


def as_column(found: object, like: Column, what: str) -> Column:
    """A number or a column, as a column."""
    if isinstance(found, Real):
        return torch.full_like(like, float(found))
    if not isinstance(found, Tensor):
        raise TypeError(f"{what} is {shortened(found)}; give a number, or a function of the coordinates that returns a tensor")
    return found if found.dim() else found.expand_as(like)


@dataclass(frozen=True)
class Condition:
    """Any residual on a part of the boundary: `Condition(lambda u, x, t: diff(u, t), on=rod.at(t=0))`.

    At a point too: `Condition(lambda u, x, y: diff(u, x), on=box.point(x=0, y=0))`. A residual that names an argument `normal`
    gets the outward unit normal, a tuple of columns, one for each axis:
    `Condition(lambda u, x, y, normal: dot(grad(u, x, y), normal) - u, on=…)` for a `dot` of one's own.
    """

    residual: Callable[..., Tensor]
    on: Region

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Column:
        unknowns, x = evaluate(points)
        return called("the residual", self.beside(normals), x, unknowns)

    def beside(self, normals: Points) -> Callable[..., Tensor]:
        """The residual at points with these normals, as a function of unknowns and coordinates alone."""
        return partial(self.residual, normal=normals.split(1, 1)) if _names_normal(self.residual) else self.residual


@dataclass(frozen=True)
class Dirichlet:
    """u = value. Without `of` it is about the problem's only unknown.

    At a point, `Dirichlet(0.0, on=box.point(x=0, y=0), of="p")`, it fixes what an equation leaves free by a constant.
    """

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
    """a u + b ∂u/∂n = value, along the outward normal n; a and b too are numbers or functions of the coordinates."""

    a: Value
    b: Value
    value: Value
    on: Region
    of: str | None = None

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Column:
        unknowns, x = evaluate(points)
        u = chosen(unknowns, self.of)
        a, b = given(self.a, x, "the coefficient a"), given(self.b, x, "the coefficient b")
        return a * u + b * normal_derivative(u, x, normals) - given(self.value, x)


@dataclass(frozen=True)
class Periodic:
    """All unknowns agree at the two faces across `axis`, with as many derivatives as the equation takes, less one.

    Exact by periodic knots where the network has them; else weighted rows, of values and derivatives below `order`.
    The jump of the k-th derivative counts relative to that of a wave of the axis' length L: it is divided by (π/L)ᵏ.
    """

    axis: str
    order: int = field(default=1, init=False)  # of the equations along the axis: their problem knows it

    def of_order(self, order: int) -> "Periodic":
        found = Periodic(self.axis)
        object.__setattr__(found, "order", order)
        return found

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Columns:
        """`points` lie on the face at the low end."""
        low, high = evaluate.box.axes[self.axis]
        length = high - low
        one, at_one = evaluate(points)
        other, at_other = evaluate(points - length * normals)  # the outward normal of the low face points down the axis
        here, there = at_one[self.axis], at_other[self.axis]
        return torch.cat(
            [
                (diff(one[name], *[here] * k) - diff(other[name], *[there] * k)) / (pi / length) ** k
                for name in one
                for k in range(self.order)
            ],
            1,
        )


@dataclass(frozen=True)
class Interface:
    """Where two materials meet: u₊ − u₋ = jump, k₊ ∂u₊/∂n − k₋ ∂u₋/∂n = flux, with − inside, + outside, n outward.

    `on` is the boundary, or a part of it, of the domain that one of the materials fills, of which the problem's domain holds
    both sides: `Interface(inside=100.0, outside=1.0, on=disk.boundary())` joins k = 100 in the disk to k = 1 around it. All
    of these are numbers or functions of the coordinates. Unknowns are smooth within each material alone.
    """

    on: Part
    inside: Value = 1.0
    outside: Value = 1.0
    jump: Value = 0.0
    flux: Value = 0.0
    of: str | None = None

    STEP = 1e-7  # to either side, relative to the domain's size

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Columns:
        """Fluxes count relative to that of a wave of the domain's length L: they are divided by k π/L.

        Either side is seen from a step away, and continued back to first order, which leaves 1e-14.
        """
        size = (evaluate.box.high - evaluate.box.low).max().item()
        values, fluxes, scale = [], [], 0.0
        for side, coefficient in ((-1, self.inside), (1, self.outside)):
            step = side * self.STEP * size
            unknowns, x = evaluate(points + step * normals)
            u, k = chosen(unknowns, self.of), given(coefficient, x, "the coefficient")
            slope = normal_derivative(u, x, normals)
            values.append(u - step * slope)
            fluxes.append(k * slope - step * normal_derivative(k * slope, x, normals))
            scale = scale + k.detach().abs() * pi / size
        x = columns(points, evaluate.box.names)
        jump, flux = given(self.jump, x, "the jump"), given(self.flux, x, "the flux")
        return torch.cat([values[1] - values[0] - jump, (fluxes[1] - fluxes[0] - flux) / scale], 1)


@dataclass(frozen=True)
class Integral:
    """∫ integrand = value, over the domain or faces of it: `Integral(lambda u, v, p, x, y: p)` is a pressure of mean zero.

    Where the domain has time the integral is over space and holds at every time; `over` names other axes to integrate
    along. The value is a number, or a function of the coordinates that are left. `nodes` of Gauss–Legendre quadrature
    along each axis: more for steep integrands. At rounding for smooth integrands on every shape, but not known for unions,
    intersections and differences in space. `rows` are what the points of the integral add to it, less the value.
    """

    integrand: Callable[..., Tensor]
    value: Value = 0.0
    on: Part | None = None
    over: Sequence[str] | None = None
    nodes: int | None = None

    def region(self, domain: Domain) -> Quadrature:
        over = domain.names if self.over is None else tuple(self.over)
        if self.over is None and domain.names != (TIME,):
            over = domain.spatial
        if isinstance(self.over, str) or not over or not set(over) <= set(domain.names):
            raise ValueError(f"over={self.over!r}; give a tuple of axes to integrate along, out of {', '.join(domain.names)}")
        for factor in domain.factors:
            if 0 < len(set(factor.names) & set(over)) < factor.dimension:
                raise ValueError(f"over={self.over!r} takes apart {factor}; give all of {', '.join(factor.names)}, or none")
        if self.nodes is not None and not (isinstance(self.nodes, int) and self.nodes > 0):
            raise ValueError(f"nodes={self.nodes!r}; give a whole number of nodes along each axis")
        if self.on is None:
            return Quadrature(domain, over, (), self.nodes)
        if not isinstance(self.on, Part) or self.on.predicate is not None:
            raise ValueError(
                f"the integral lies on {self.on!r}; it takes whole faces, as in on=box.at(…): make the integrand zero, by "
                "torch.where, on what is to be left out"
            )
        if not isinstance(own := domain.own(self.on), Part):
            raise ValueError(
                f"the integral lies on {self.on}, but the domain is {domain}; take faces of that, or of what it is made of"
            )
        across = {domain.face_factor(face)[0] for face in own.faces}
        along = {name for number in across for name in domain.factors[number].names}
        curved = {name for number in across if (f := domain.factors[number]).dimension > 1 for name in f.names}
        if (len(across) > 1 and not along <= set(over)) or not curved <= set(over):
            raise ValueError(
                f"the integral over {', '.join(over)} lies on {self.on!r}, of which some faces leave other coordinates than "
                "others; give an Integral for each"
            )
        return Quadrature(domain, over, own.faces, self.nodes)

    def rows(self, evaluate: Evaluate, points: Points, normals: Points) -> Column:  # noqa: ARG002
        unknowns, x = evaluate(points)
        region, like = self.region(evaluate.box), next(iter(x.values()))
        value = self.value
        if callable(value):
            value = called("the value", value, {axis: x[axis] for axis in region.free})
        integrand = as_column(called("the integrand", self.integrand, x, unknowns), like, "the integrand")
        return integrand - as_column(value, like, "the value") / region.measure


def _names_normal(residual: object) -> bool:
    try:
        return "normal" in inspect.signature(residual).parameters  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):  # of no function, or of a builtin, unknown
        return False


def chosen(unknowns: dict[str, Column], of: str | None) -> Column:
    return unknowns[of] if of is not None else next(iter(unknowns.values()))


def normal_derivative(u: Column, x: dict[str, Column], normals: Points) -> Column:
    total = torch.zeros_like(u)
    for axis, column in enumerate(x.values()):
        if normals[:, axis].any():
            total = total + normals[:, [axis]] * diff(u, column)
    return total


AnyCondition = Condition | Dirichlet | Neumann | Robin | Periodic | Interface | Integral
BoundaryCondition = Condition | Dirichlet | Neumann | Robin
