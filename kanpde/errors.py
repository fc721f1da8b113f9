"""How far a field is from the exact solution, if there is one, and about how far without it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import hypot
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from kanpde.chunks import points_at_a_time
from kanpde.corrections import Correction, correction
from kanpde.derivatives import Column, grad
from kanpde.domains import UnitCube
from kanpde.field import Field
from kanpde.functions import Points, columns
from kanpde.residuals import FAILURES
from kanpde.sampling import Sobol
from kanpde.slabs import Slabs

NOTHING = 1e-12  # of the scale of a field, up to which it is zero
KNOWN = 0.5  # share of ‖r‖ that an estimate may know nothing of
ROUNDING = 2.0**-52  # of values, below which no estimate goes

Make = Callable[[dict[str, Column]], Mapping[str, Tensor]]  # named columns of the coordinates


@dataclass(frozen=True)
class Errors:
    """On points that were never trained on; the worst unknown of a system.

    `relative_l2` is ‖u − exact‖/‖exact‖ in L2, `relative_h1` the same with first derivatives, `max` the largest
    absolute error: None without an exact solution. Where an exact field is zero, up to rounding, the largest norm among the
    unknowns replaces its own; where all are, relative errors are absolute ones.
    `estimate` is about `relative_l2`, found without the exact solution: see `kanpde.corrections`. It is None where observations
    decide, whose noise it does not know, and where rows mix points. `unexplained` is the share of ‖r‖ that it knows nothing of.
    """

    relative_l2: float | None
    relative_h1: float | None
    max: float | None
    estimate: float | None
    unexplained: float | None

    @property
    def trusted(self) -> float | None:
        """The estimate, where it knows of at least half of ‖r‖: else it is noise, by which no order is told."""
        return self.estimate if self.unexplained is not None and self.unexplained <= KNOWN else None


@torch.enable_grad()  # fields, exact solutions and residuals take derivatives, whoever asks for them
def evaluated(make: Make, points: Points, *fields: Field) -> dict[str, Tensor]:
    """What is made of the coordinates at points, by name, in chunks of bounded memory: see `kanpde.chunks`.

    `fields` are those that it is made of.
    """
    names, found, low = fields[0].box.names, {}, 0
    for chunk in points.split(points_at_a_time(sum(field.held for field in fields))):
        for name, made in make(columns(chunk, names)).items():
            if low == 0:
                found[name] = made.new_empty(len(points), *made.shape[1:])
            found[name][low : low + len(chunk)] = made.detach()
        low += len(chunk)
    return found


@cache
def quadrature(dimension: int) -> tuple[UnitCube, Annotated[Tensor, "points"]]:
    """Points of the unit cube and weights of sum one: ten Gauss points on each span of a uniform division.

    No wave vanishes on them, and they are neither knots nor the points of a sampler. Above three axes a Sobol set.
    """
    if dimension > 3:
        unit = Sobol().unit(2**13, dimension, seed=0)
        return unit, torch.full((len(unit),), 1 / len(unit), dtype=torch.float64)
    spans = {1: 53, 2: 11, 3: 2}[dimension]  # primes, as waves that repeat from span to span are seen at fewer phases
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(10))
    axis = ((torch.arange(spans)[:, None] + (nodes + 1) / 2) / spans).flatten()
    shares = (weights / 2 / spans).repeat(spans)
    unit, shares = (torch.cartesian_prod(*[t] * dimension).reshape(-1, dimension) for t in (axis, shares))
    return unit, shares.prod(1)


def _placed(field: Field) -> tuple[Points, Annotated[Tensor, "points"]]:
    """Points of the domain, and weights of sum one."""
    domain = field.problem.domain
    unit, weights = field.network.quadrature() if isinstance(field.network, Slabs) else quadrature(domain.dimension)
    points, kept = domain.placed(unit)
    return points[kept], weights[kept] / weights[kept].sum()


@torch.enable_grad()
def estimated(field: Field) -> Correction | None:
    """What the field misses, as far as its equations tell; see `Errors.estimate`."""
    try:
        return None if field.problem.observations else correction(field)
    except FAILURES:  # of what is only told beside a solution
        return None


def measured_errors(field: Field, missed: Correction | None) -> Errors:
    """By quadrature over the domain."""
    problem = field.problem
    points, weights = _placed(field)
    estimate, unexplained = None, None
    if missed is not None:
        unexplained = missed.unexplained

        def changed(x: dict[str, Column]) -> dict[str, Tensor]:
            changes, base = missed(x), missed.field.base(**x)
            return _beside(changes, {name: u + changes[name] for name, u in base.items()})

        found = evaluated(changed, points, missed.field)
        squares = weights @ torch.stack(list(found.values())).square()
        estimate = hypot(_relative(squares[:, 0], squares[:, 1], (NOTHING * field.scale) ** 2), ROUNDING)
        if isinstance(field.network, Slabs) and field.network.is_patch:  # whose splines may be finer than those of the estimate
            estimate = min(estimate, field.network.tolerance)
    if problem.exact is None:
        return Errors(None, None, None, estimate, unexplained)

    def compared(x: dict[str, Column]) -> dict[str, Tensor]:
        exact = problem.exact_columns(x)
        jets = {n: [torch.cat([v, *grad(v, *x.values())], 1) for v in (u, exact[n])] for n, u in field(**x).items()}
        return {name: torch.cat([one - other, other], 1) for name, (one, other) in jets.items()}

    found = torch.stack(list(evaluated(compared, points, field).values()))
    missing, exact = (weights @ found.square()).chunk(2, 1)  # mean squares of value and slopes, by unknown
    l2, h1 = _relative(missing[:, 0], exact[:, 0]), _relative(missing.sum(1), exact.sum(1))
    return Errors(l2, h1, found[:, :, 0].abs().max().item(), estimate, unexplained)


def distance(field: Field, other: Field) -> float:
    """‖u − other‖/‖u‖ in L2 of two fields of one problem, as `Errors` measures them."""
    points, weights = _placed(field)

    def both(x: dict[str, Column]) -> dict[str, Tensor]:
        one, two = field(**x), other(**x)
        return _beside({name: u - two[name] for name, u in one.items()}, one)

    found = evaluated(both, points, field, other)
    squares = weights @ torch.stack(list(found.values())).square()
    return _relative(squares[:, 0], squares[:, 1], (NOTHING * field.scale) ** 2)


def _beside(changes: Mapping[str, Column], unknowns: Mapping[str, Column]) -> dict[str, Annotated[Tensor, "points 2"]]:
    return {name: torch.cat([changes[name], u], 1) for name, u in unknowns.items()}


def _relative(missed: Annotated[Tensor, "unknowns"], exact: Annotated[Tensor, "unknowns"], nothing: float = 0.0) -> float:
    """The largest ratio of norms, from their squares; those up to `nothing` are zero, of which see `Errors`."""
    largest = exact.max()
    own = exact > NOTHING**2 * largest
    return (missed / torch.where(own, exact, largest) if largest > nothing else missed).max().sqrt().item()
