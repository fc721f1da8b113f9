"""A second opinion on a solution, by a method that owes nothing to networks: finite elements, through scikit-fem.

Three levels of cells, each half as large as before, tell the order at which the elements converge, and so the error of the
finest (L. Richardson, Phil. Trans. R. Soc. A 210, 1911; P. Roache, J. Fluids Eng. 116, 1994).
"""

from dataclasses import dataclass
from itertools import pairwise
from math import hypot

import numpy as np
import torch

from kanpde.conditions import BoundaryCondition, Integral, Periodic
from kanpde.domains import TIME, Part
from kanpde.errors import evaluated
from kanpde.field import Field
from kanpde.finite_elements import MORE, Coefficients, Space, at_nodes, library, places, solved
from kanpde.levels import children, first_level
from kanpde.problem import Problem
from kanpde.residuals import mixes_points

UNKNOWNS = {1: 1000, 2: 20_000, 3: 20_000}  # by default, by the number of axes: a few seconds
LEVELS = 3
FASTEST, SLOWEST = 8.0, 1.5  # by what errors fall from level to level: quadratic elements in L2; next to not at all
UNMEASURED = 2.0  # the same where there are two levels only
TRUSTED = 2.0  # a difference is explained up to so many times the elements' own error, which is an estimate
TOO_COARSE = 0.1  # own relative error, above which nothing is told
ROUNDING = 2.0**-52


@dataclass(frozen=True)
class CrossCheck:
    """What finite elements say of a solution u: with u_h theirs, `difference` is ‖u − u_h‖/‖u_h‖ in L2, and `own_error` about

    ‖u* − u_h‖/‖u_h‖, from meshes of several sizes; absolute where u_h is zero. `unknowns` is the number of values at nodes.
    """

    difference: float
    own_error: float
    unknowns: int

    @property
    def is_conclusive(self) -> bool:
        return self.own_error <= TOO_COARSE

    @property
    def agrees(self) -> bool:
        """Whether the elements' own error explains the difference: a smaller error of the solution they cannot see."""
        return self.is_conclusive and self.difference <= TRUSTED * self.own_error

    def __str__(self) -> str:
        verdict = "they agree" if self.agrees else "they differ by more than that explains"
        if not self.is_conclusive:
            verdict = f"too coarse to tell; {MORE}"
        return (
            f"finite elements (P2, {self.unknowns} unknowns): relative L2 difference {self.difference:.1e}, their own error "
            f"about {self.own_error:.1e}: {verdict}"
        )


def cross_checked(field: Field, unknowns: int | None = None) -> CrossCheck:
    """Solve the field's problem by finite elements with about so many unknowns, more if the mesh is finer from the start."""
    problem = field.problem
    _check(problem, unknowns)
    library()
    dimension = problem.domain.dimension
    most = UNKNOWNS[dimension] if unknowns is None else unknowns
    coarsest = max(2, int(most ** (1 / dimension) / 2**LEVELS))  # cells along the longest axis; nodes are two for each
    levels = [first_level(problem.domain, coarsest + 1)]
    while len(levels) < 2 or (len(levels) < LEVELS and len(levels[-1].nodes) * 2**dimension <= 2 * most):
        levels.append(levels[-1].refined())
    found = [solved(field, level) for level in levels]
    changes = [_change(before, after) for before, after in pairwise(found)]
    rate = float(np.clip(changes[0] / max(changes[1], 1e-300), SLOWEST, FASTEST)) if len(changes) > 1 else UNMEASURED
    space, u = found[-1]
    difference, size = _difference(field, space, u)
    scale = size if size > 0 else 1.0
    rounding = ROUNDING * len(u) ** (2 / dimension)  # by the condition of the matrix, the square of cells on an axis
    return CrossCheck(difference / scale, hypot(changes[-1] / (rate - 1) / scale, rounding), len(u))


def _check(problem: Problem, unknowns: int | None) -> None:
    """One steady equation of second order with one unknown, and conditions that finite elements know."""
    possible = "cross_check takes steady equations of second order with one unknown, on domains of one to three axes"
    names = problem.unknowns
    if TIME in problem.domain.names:
        raise ValueError(f"the problem is one in time, on {problem.domain}; {possible}")
    if len(names) > 1:
        raise ValueError(f"the problem has {len(names)} unknowns, {', '.join(names)}; {possible}")
    if problem.order != 2:
        raise ValueError(f"the equation is of order {problem.order}; {possible}")
    if problem.domain.dimension > 3:
        raise ValueError(f"the domain has {problem.domain.dimension} axes, {', '.join(problem.domain.names)}; {possible}")
    for name, condition in problem.conditions.items():
        part = problem.parts[name]
        if isinstance(condition, Integral) and condition.on is None and condition.region(problem.domain).free == ():
            continue
        if not isinstance(condition, BoundaryCondition | Periodic) or not isinstance(part, Part):
            raise ValueError(
                f"condition {name!r} is {type(condition).__name__} on {part!r}; cross_check takes Dirichlet, Neumann, Robin, "
                "Condition and Periodic on the boundary, and Integral over all of the domain"
            )
    if mixes_points(problem):
        raise ValueError(f"the equation, or a condition, mixes points, as by a mean; {possible}, and rows of one point each")
    if unknowns is not None and not (isinstance(unknowns, int) and unknowns > 0):
        raise ValueError(f"unknowns={unknowns!r}; give a positive whole number, about that of values at nodes")


def _change(before: tuple[Space, Coefficients], after: tuple[Space, Coefficients]) -> float:
    """‖u_h − u_2h‖ in L2, in the coordinates of the finer cells."""
    (coarse, u), (fine, v) = before, after
    there = at_nodes(coarse.refined_basis(children(coarse.level.dimension)), u)
    here = at_nodes(fine.basis, v)
    return float(np.sqrt(((there.reshape(here.shape) - here) ** 2 * fine.basis.dx).sum()))


def _difference(field: Field, space: Space, u: Coefficients) -> tuple[float, float]:
    """‖field − u‖ and ‖u‖ in L2."""
    (name,) = field.problem.unknowns
    theirs = torch.from_numpy(at_nodes(space.basis, u).reshape(-1, 1))
    own = evaluated(lambda x: field(**x), places(space.basis), field)[name]
    weights = torch.from_numpy(space.basis.dx.reshape(-1, 1))
    missed, whole = ((weights * v.square()).sum().sqrt().item() for v in (own - theirs, theirs))
    return missed, whole
