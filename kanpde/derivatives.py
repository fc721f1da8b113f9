"""Derivatives of columns by columns, and a probe that sees which derivatives an expression takes.

A *column* is a tensor of shape (points, 1) whose row i depends on row i of the coordinates only, so the gradient of
its sum by a coordinate is its derivative, point by point.
"""

from collections.abc import Callable, Sequence
from reprlib import repr as shortened
from typing import Annotated

import torch
from torch import Tensor

from kanpde.devices import at, uniform

Column = Annotated[Tensor, "points 1"]
MultiIndex = tuple[int, ...]


def grad(u: Column, *coordinates: Column) -> tuple[Column, ...]:
    """∇u = (∂u/∂x₁, …), per point; zeros where `u` does not depend on a coordinate.

    Raises ValueError if a coordinate is not one of the columns that `u` was made from, as they are, and RuntimeError
    where autograd is switched off.
    """
    if not coordinates:
        raise ValueError("no coordinates to differentiate by; pass them, as in grad(u, x, y)")
    _check_arguments(u, coordinates)
    if not u.requires_grad:  # a constant
        return tuple(torch.zeros_like(x) for x in coordinates)
    slopes = torch.autograd.grad(u, coordinates, torch.ones_like(u), create_graph=True, allow_unused=True)
    for number, (x, slope) in enumerate(zip(coordinates, slopes, strict=True)):
        if slope is None and not x.is_leaf:  # a copy, made after u: nothing can depend on it
            raise _no_coordinate(number)
    return tuple(torch.zeros_like(x) if slope is None else slope for x, slope in zip(coordinates, slopes, strict=True))


def _check_arguments(u: Column, coordinates: Sequence[Column]) -> None:
    if not torch.is_grad_enabled():  # nothing is recorded then, and all derivatives would be zero
        raise RuntimeError("derivatives need autograd, which is off here; leave torch.no_grad(), or use torch.enable_grad()")
    if not isinstance(u, Tensor):
        raise TypeError(f"the derivative of a {type(u).__name__}; it must be of a column, a tensor of shape (points, 1)")
    for number, x in enumerate(coordinates):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"argument {number + 1} of the derivative is {shortened(x)}; pass the coordinate columns themselves, one for "
                "each derivative, as in diff(u, x, x) for the second"
            )
        if not x.requires_grad:
            raise _no_coordinate(number)


def _no_coordinate(number: int) -> ValueError:
    return ValueError(
        f"argument {number + 1} of the derivative is not a coordinate that autograd follows; pass the "
        "coordinate columns given to your function themselves (not a copy, slice or constant)"
    )


def diff(u: Column, *coordinates: Column) -> Column:
    """∂ᵏu/∂x₁…∂xₖ, per point: `diff(u, x)` is u_x, `diff(u, x, x)` u_xx, `diff(k * diff(u, x), x)` (k u_x)_x."""
    _check_arguments(u, coordinates)
    for x in coordinates:
        (u,) = grad(u, x)
    return u


def div(field: Sequence[Column], *coordinates: Column) -> Column:
    """∇·F = Σ ∂Fᵢ/∂xᵢ, per point, of as many components as coordinates."""
    if len(field) != len(coordinates):
        raise ValueError(f"div of {len(field)} components by {len(coordinates)} coordinates; give one for each")
    return torch.stack([diff(f, x) for f, x in zip(field, coordinates, strict=True)]).sum(0)


def laplacian(u: Column, *coordinates: Column) -> Column:
    """Δu = Σ ∂²u/∂xᵢ², per point."""
    return div(grad(u, *coordinates), *coordinates)


def curl(field: Sequence[Column], *coordinates: Column) -> Column | tuple[Column, Column, Column]:
    """∇×F, per point: in two dimensions the scalar ∂F₂/∂x − ∂F₁/∂y, in three a tuple of three columns."""
    if len(field) != len(coordinates) or len(field) not in (2, 3):
        raise ValueError(
            f"curl of {len(field)} components by {len(coordinates)} coordinates; it is defined for two or three of both"
        )
    jacobian = [grad(f, *coordinates) for f in field]  # [i][j] = ∂Fᵢ/∂xⱼ
    if len(field) == 2:
        return jacobian[1][0] - jacobian[0][1]
    return (
        jacobian[2][1] - jacobian[1][2],
        jacobian[0][2] - jacobian[2][0],
        jacobian[1][0] - jacobian[0][1],
    )


class Probe:
    """A stand-in for an unknown function, every derivative of which is a free column, given by `value(index)`.

    Whatever expression of `probe.unknown()` and of its derivatives the user writes becomes a function of free numbers,
    so one backward pass tells which derivatives it takes and with which coefficients: order, linearity and size of an
    operator follow without reading its source. With values that are those of a function it is the function, linearized.
    """

    def __init__(self, coordinates: Sequence[Column], value: Callable[[MultiIndex], Column]) -> None:
        self.coordinates, self.value = tuple(coordinates), value
        self.columns: dict[MultiIndex, Column] = {}

    def unknown(self) -> Column:
        return self.column((0,) * len(self.coordinates))

    def column(self, index: MultiIndex) -> Column:
        """∂^index u as a function of the coordinates, so that differentiating it gives the next free columns."""
        if index not in self.columns:
            self.columns[index] = self.value(index).requires_grad_()
        # a node for each coordinate: a backward pass visits those that it differentiates by
        slopes = [
            _Slope.apply(self, (*index[:axis], index[axis] + 1, *index[axis + 1 :]), x)
            for axis, x in enumerate(self.coordinates)
        ]
        return sum(slopes, start=self.columns[index])

    def coefficients(self, expression: Column, followed: bool = False) -> dict[MultiIndex, Column]:
        """∂expression/∂(∂^index u), per point, for the derivatives that it takes.

        If `followed`, autograd follows them: what depends on the unknown changes with the coordinates as that does.
        """
        if not expression.requires_grad or not self.columns:
            return {}
        columns = dict(self.columns)
        found = torch.autograd.grad(
            expression.sum(), list(columns.values()), retain_graph=True, create_graph=followed, allow_unused=True
        )
        return {
            index: gradient
            for index, gradient in zip(columns, found, strict=True)
            if gradient is not None and bool((gradient != 0).any())
        }


class _Slope(torch.autograd.Function):
    """Zero, whose derivative by a coordinate is a column of the probe."""

    @staticmethod
    def forward(ctx, probe, index, coordinate):
        ctx.probe, ctx.index = probe, index
        return torch.zeros_like(coordinate)

    @staticmethod
    def backward(ctx, gradient):
        with at(gradient.device):  # which the threads that torch has for other devices do not know of
            return None, None, gradient * ctx.probe.column(ctx.index)


def random_columns(like: Column, generator: torch.Generator, spread: float = 0.5) -> Callable[[MultiIndex], Column]:
    """Values for a probe: random ones around one, positive, as a residual may take a logarithm or a root of the unknown."""
    return lambda _: 1 + spread * (2 * uniform(*like.shape, random=generator) - 1)
