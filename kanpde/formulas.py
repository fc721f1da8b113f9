"""The solution as a formula that satisfies equations and conditions, or the reason why there is none.

A candidate of `structures` gets all of its constants fitted together to equations and conditions, by the same
Levenberg–Marquardt that trains networks; constants that are closed forms become those; sympy simplifies. What is
left is put into the equations and conditions, and counts only if they hold far better than a fit of as many constants explains.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import inf
from typing import Any

import sympy
import torch
from torch import Tensor, nn

from kanpde.chunks import points_at_a_time
from kanpde.closed_forms import closed_form
from kanpde.derivatives import grad
from kanpde.field import Field
from kanpde.functions import Points, columns
from kanpde.optimizers import LevenbergMarquardt
from kanpde.problem import Problem
from kanpde.residuals import FAILURES, Objective
from kanpde.sampled import Sampled, inner_box
from kanpde.sampling import Graded
from kanpde.structures import candidates
from kanpde.symbols import Elementary, checked_library, constants, evaluated, replaced
from kanpde.verification import Expressions, Formula, checked, judged

NEAR = 1e-4  # relative distance to the solution of what is worth fitting
EXACT, ROUGH = 1e-10, 1e-6  # accuracy at which solutions are looked at: from their residual, within these bounds
CLOSED = 1e-7  # relative distance of a constant from a closed form that is tried for it
POINTS, STEPS = 512, 12  # to fit constants
MOST_CONSTANTS = 40  # that are worth fitting
LONGEST, MOST_WAVES = 120, 6  # operations, and waves, of what sympy simplifies in seconds


def found_formula(field: Field, residual: float, library: Sequence[Elementary]) -> Formula:
    """The formula of a field that solves its problem with the given residual."""
    checked_library(library)
    problem, box = field.problem, inner_box(field.problem.domain)
    if problem.materials:
        return _none("each material has a solution of its own, whose formulas are not sought")
    if box is None:
        return _none(f"{problem.domain} holds no box that is large enough to look at the solution in")
    accuracy = min(max(EXACT, 30 * residual), ROUGH)
    try:
        sampled = {name: Sampled(box, *_functions(field, name), accuracy) for name in problem.unknowns}
    except FAILURES as error:
        return _none(f"the solution cannot be looked at: {error}")
    if not all(torch.isfinite(s.values).all() for s in sampled.values()):
        return _none("the solution is not a number everywhere")
    size = max(field.scale, *(s.values.square().mean().sqrt().item() for s in sampled.values()))
    searches = {name: _near(own, size, library) for name, own in sampled.items()}
    nearest: Formula | None = None
    while True:
        expressions = {}
        for name, search in searches.items():
            try:
                found = next(search, None)
            except FAILURES as error:  # of linear algebra, or of a user's function
                return nearest or _none(f"the search for {name} failed: {error}")
            if found is None:
                return nearest or _none(_reason(name, residual, library))
            expressions[name] = found
        formula = _fitted(field, expressions, library)
        if formula.obstacle is None:
            return formula
        if nearest is None or max(formula.residual, formula.misfit) < max(nearest.residual, nearest.misfit):
            nearest = formula


def _none(obstacle: str) -> Formula:
    return Formula({}, inf, inf, inf, None, obstacle)


def _reason(name: str, residual: float, library: Sequence[Elementary]) -> str:
    known = ", ".join([*(entry.name for entry in library), "powers"])
    reason = (
        f"{name} is no short sum of products of functions of one coordinate, no function of a sum of them, nor one within "
        f"another, and no sparse KAN, with functions out of {known}; give a library that holds the right ones"
    )
    return reason + (f", or a more accurate solution than one of residual {residual:.1e}" if residual > ROUGH else "")


def _functions(field: Field, name: str) -> tuple[Callable[[Points], Tensor], Callable[[Points], Tensor]]:
    """An unknown and its slopes at points."""
    each = points_at_a_time(field.held)

    def values(points: Points) -> Tensor:
        with torch.no_grad():
            parts = [field(**columns(part, field.box.names))[name][:, 0] for part in points.split(each)]
        return torch.cat(parts).detach()

    @torch.enable_grad()
    def slopes(points: Points) -> Tensor:
        parts = []
        for part in points.split(each):
            x = columns(part, field.box.names)
            parts.append(torch.cat(grad(field(**x)[name], *x.values()), 1).detach())
        return torch.cat(parts)

    return values, slopes


def _near(u: Sampled, size: float, library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    """Candidates that are near the solution."""
    if u.values.square().mean().sqrt() < 1e-12 * size:
        yield sympy.Integer(0)
        return
    for candidate in candidates(u, library):
        if len(constants(candidate)) > MOST_CONSTANTS:
            continue
        if (u.at_points(candidate, library) - u.values).norm() < NEAR * u.values.norm():
            yield candidate


# --- constants ------------------------------------------------------------------------------------------------------


class Formulas(nn.Module):
    """Formulas as a network, of which the constants are trained: on coordinates scaled to [-1, 1], for a field's `scale`."""

    def __init__(self, expressions: Expressions, problem: Problem, library: Sequence[Elementary]) -> None:
        super().__init__()
        self.library, self.box, self.scale = library, problem.domain, 1.0
        self.numbers = constants(*expressions.values())
        self.names = [str(k) for k in range(len(self.numbers))]  # which no axis has
        named = {number: sympy.Symbol(name) for number, name in zip(self.numbers, self.names, strict=True)}
        self.skeletons = {unknown: replaced(e, named) for unknown, e in expressions.items()}
        self.values = nn.Parameter(torch.tensor([float(number) for number in self.numbers], dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        x = (self.box.low + self.box.high) / 2 + (self.box.high - self.box.low) / 2 * inputs
        known = dict(zip(self.box.names, x.split(1, 1), strict=True)) | dict(zip(self.names, self.values, strict=True))
        parts = [evaluated(e, known, self.library) for e in self.skeletons.values()]
        return torch.cat([part + torch.zeros_like(x[:, :1]) for part in parts], 1) / self.scale

    @property
    def expressions(self) -> Expressions:
        values = [sympy.Float(value) for value in self.values.tolist()]
        found = dict(zip(map(sympy.Symbol, self.names), values, strict=True))
        return {unknown: replaced(e, found) for unknown, e in self.skeletons.items()}


def _fitted(field: Field, expressions: Expressions, library: Sequence[Elementary]) -> Formula:
    """With constants fitted to equations and conditions, replaced by closed forms where that is no worse, and simplified."""
    best = checked(field, _trained(field, expressions, library), library)
    free = len(constants(*best.nearest.values()))
    closed = _closed(best.nearest, constants(*best.nearest.values()))
    best = _better(best, checked(field, closed, library))
    if best.nearest != closed:  # one at a time
        for number in constants(*best.nearest.values()):
            best = _better(best, checked(field, _closed(best.nearest, [number]), library))
    simple = {unknown: _simplified(e) for unknown, e in best.nearest.items()}
    return judged(_better(best, checked(field, simple, library)), free)


def _trained(field: Field, expressions: Expressions, library: Sequence[Elementary]) -> Expressions:
    if field.parameters or not constants(*expressions.values()):  # of an inverse problem, data tell what is not known here
        return expressions
    network = Formulas(expressions, field.problem, library)
    try:
        own = Field(field.problem, network, hard=False)
        network.scale = own.scale
        objective = Objective(own, Graded(), {}, max(POINTS, 4 * len(network.numbers)), seed=0)
        if objective.obstacle() is not None:
            return expressions
        objective.batch = objective.validation()
        best, kept = objective.residual().norm().item(), objective.coefficients
        run = LevenbergMarquardt(damping=1e-8).begin(objective)
        for _ in range(STEPS):
            run.step()
            objective.batch = objective.validation()
            after = objective.residual().norm().item()
            if not after < best:
                break
            gain, best, kept = after / best, after, objective.coefficients
            if gain > 0.5:
                break
        objective.coefficients = kept
    except FAILURES:
        return expressions
    return network.expressions


def _closed(expressions: Expressions, numbers: Sequence[sympy.Float]) -> Expressions:
    forms = {number: closed_form(float(number), CLOSED) for number in numbers}
    closed = {number: form for number, form in forms.items() if form is not None}
    return {unknown: replaced(e, closed) for unknown, e in expressions.items()}


def _better(one: Formula, other: Formula) -> Formula:
    """The other, unless equations and conditions hold worse."""
    level = max(one.residual, one.misfit)
    return other if max(other.residual, other.misfit) <= max(2 * level, 1e-12) else one


def _simplified(expression: sympy.Expr) -> sympy.Expr:
    """The shortest of what sympy makes of it."""
    if expression.count_ops() > LONGEST:
        return expression
    forms: list[Any] = [expression]
    waves = expression.atoms(sympy.sin, sympy.cos)
    for shorter in (sympy.factor_terms, sympy.simplify, sympy.trigsimp)[: 3 if len(waves) <= MOST_WAVES else 1]:
        # sympy fails in many ways; the longer form is as true, and is what is verified
        with suppress(*FAILURES, NotImplementedError, AttributeError, TypeError, sympy.PolynomialError):
            forms.append(shorter(expression))
    return min(forms, key=lambda e: e.count_ops())
