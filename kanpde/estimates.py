"""What observations tell: values of parameters, and their standard errors.

Near the solution the rows r are linear in the coefficients. QR of J with the parameters' columns last, divided by the noise
κ of a row, leaves them a triangle R in which the network is eliminated: their covariance is κ² (RᵀR)⁻¹, and that of what
is made of them by a Jacobian j is κ² ‖R⁻ᵀ jᵀ‖² (the delta method). Equations weigh so much more than observations that
they are in effect constraints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan, sqrt
from typing import Annotated, Any

import torch
from torch import Tensor

from kanpde.boxes import Box
from kanpde.derivatives import Column
from kanpde.devices import CPU, at
from kanpde.factorizations import triangle_of
from kanpde.field import Field
from kanpde.functions import Points, columns
from kanpde.inverse import Parameter
from kanpde.jacobians import Recorders
from kanpde.networks import trainable
from kanpde.observations import mean_sigma
from kanpde.ranks import broadcast
from kanpde.residuals import Objective

Root = Annotated[Tensor, "coefficients coefficients"]  # κ R⁻¹, of the parameters' coefficients alone

DAMPING = 1e-22  # relative to squares of columns: decides what nothing determines, far below what data do


@dataclass(frozen=True)
class Inference:
    """What the observations say at an iterate.

    `root` gives standard errors, `misfit` is the root mean square of what `observed` values miss, `scale` the size of the
    solution, `shift` how far, in standard errors, the parameters are from the least-squares optimum; `sigma` is the
    deviation that the observations claim, None if they claim none.
    """

    root: Root
    misfit: float
    scale: float
    observed: int
    shift: float
    sigma: float | None

    @property
    def fits(self) -> bool:
        """Whether values miss by what sigma lets one expect. Else parameters, equations or sigma are wrong, and standard
        errors would say nothing of that."""
        return self.sigma is None or self.misfit < 3 * self.sigma

    def is_settled(self, residual: float) -> bool:
        """Whether noise is all that is left: equations hold far better than the noise lets anything be known."""
        return self.fits and residual < 1e-2 * self.misfit / self.scale / sqrt(self.observed) and self.shift < 0.1


def inferred(objective: Objective) -> Inference:
    """At the present coefficients and points."""
    own = triangle_of(objective.linearized())
    triangle = broadcast("triangle", lambda: own)
    below = triangle.new_zeros(objective.size, objective.size + 1)
    below.diagonal().copy_((DAMPING * triangle[:, :-1].square().sum(0)).sqrt())
    triangle = torch.linalg.qr(torch.cat([triangle, below]), mode="r")[1]
    first = sum(p.numel() for p in trainable(objective.field.network))  # of the parameters' columns
    factor, gradient = triangle[first:-1, first:-1], triangle[first:-1, -1]
    missed = objective.norms()[2]
    free = objective.observed - len(factor)
    estimated = missed / sqrt(free) if free > 0 else nan
    noise = estimated if objective.noise is None else objective.noise
    root = noise * torch.linalg.solve_triangular(factor, torch.eye(len(factor), dtype=factor.dtype), upper=True)
    shift = gradient.norm().item() / noise if noise else 0.0
    misfit, sigma = missed / objective.misfit_weight, mean_sigma(objective.problem.observations)
    return Inference(root.cpu(), misfit, objective.field.scale, objective.observed, shift, sigma)


@dataclass(frozen=True)
class Estimate:
    """A parameter's value and the standard deviation that noise gives it; not a number where that cannot be told."""

    value: float
    standard_error: float

    def __str__(self) -> str:
        return f"{self.value:.10g} ± {self.standard_error:.2g}"


class FieldEstimate:
    """A coefficient as a function of its axes: `a(x=…)` evaluates, `a.standard_error(x=…)` says how far to trust that.

    Numbers, arrays or tensors in, arrays or tensors out, of the shape that the inputs have together.
    """

    def __init__(self, field: Field, name: str, root: Root | None) -> None:
        self.field, self.name, self.root = field, name, root
        self.axes = field.problem.parameters[name].axes

    def __call__(self, **coordinates: Any) -> Any:
        return self._evaluated(coordinates, 0)

    def standard_error(self, **coordinates: Any) -> Any:
        return self._evaluated(coordinates, 1)

    @at(CPU)
    def _evaluated(self, coordinates: Mapping[str, Any], which: int) -> Any:
        if set(coordinates) != set(self.axes):
            raise TypeError(
                f"{self.name}({', '.join(f'{n}=…' for n in coordinates)}) does not match its axes; "
                f"call {self.name}({', '.join(f'{n}=…' for n in self.axes)})"
            )
        tensors = [c for c in coordinates.values() if isinstance(c, Tensor)]
        numbers = (torch.as_tensor(coordinates[n], dtype=torch.float64, device=CPU) for n in self.axes)
        given = torch.broadcast_tensors(*numbers)
        middle = (self.field.box.low + self.field.box.high) / 2  # of axes that it does not depend on
        points = middle.repeat(given[0].numel(), 1)
        for axis, column in zip(self.axes, given, strict=True):
            points[:, self.field.box.names.index(axis)] = column.reshape(-1)
        found = values_and_errors(self.field, self.name, points, self.root)[which].reshape(given[0].shape)
        return found.to(tensors[0].device) if tensors else found.numpy()

    @at(CPU)
    def __str__(self) -> str:
        points = Box(**self.field.box.axes).grid({name: 33 if name in self.axes else 1 for name in self.field.box.names})
        values, errors = values_and_errors(self.field, self.name, points, self.root)
        return f"from {values.min().item():.4g} to {values.max().item():.4g}, ± at most {errors.max().item():.2g}"


def estimates(field: Field, root: Root | None) -> dict[str, Estimate | FieldEstimate]:
    """By name; without a root the standard errors are not known."""
    found: dict[str, Estimate | FieldEstimate] = {}
    for name, parameter in field.problem.parameters.items():
        if isinstance(parameter, Parameter):
            value, error = values_and_errors(field, name, field.box.low[None], root)
            found[name] = Estimate(value.item(), error.item())
        else:
            found[name] = FieldEstimate(field, name, root)
    return found


def values_and_errors(field: Field, name: str, points: Points, root: Root | None) -> tuple[Column, Column]:
    """A parameter and its standard errors at points."""
    recorders = Recorders(field.network, field.parameters)
    with torch.enable_grad():
        x = field.known(columns(points, field.box.names), recorders.parameters)
        value = x.parameters[name]
        jacobian = recorders.by_parameters(value)
    errors = torch.full_like(value, nan) if root is None else (jacobian @ root).norm(dim=1, keepdim=True)
    return value.detach(), errors
