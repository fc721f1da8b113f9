"""The solution as a formula that satisfies equations and conditions, or the reason why there is none.

A candidate of `structures` gets all of its constants fitted together to equations and conditions, by the same
Levenberg–Marquardt that trains networks; constants that are closed forms become those; sympy simplifies. What is
left is put into the equations and conditions of the problem, and counts only if they hold far better than a fit of as many
constants explains.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, log10

import sympy
import torch
from torch import Tensor, nn

from kanpde.closed_forms import closed_form
from kanpde.derivatives import Column, grad
from kanpde.field import Field
from kanpde.functions import Points, columns
from kanpde.optimizers import LevenbergMarquardt
from kanpde.problem import Problem
from kanpde.residuals import FAILURES, Objective
from kanpde.sampling import Graded
from kanpde.structures import Sampled, candidates, inner_box
from kanpde.symbols import Elementary, constants, evaluated, replaced

Expressions = Mapping[str, sympy.Expr]

HOLDS = 1e-8  # residual of a formula, relative as in the solver's reports, rows of conditions included
NEAR = 1e-4  # relative distance to the solution of what is worth fitting
DIGITS = 2.0  # that a formula has to gain for each constant without a closed form: approximation gains about one
CLOSED = 1e-7  # relative distance of a constant from a closed form that is tried for it
STEPS = 12
POINTS = 512
CHUNK = 2**12


@dataclass(frozen=True)
class Formula:
    """A formula for each unknown, and how well it holds; or the nearest that was found, and why it is none.

    `residual` is the largest root mean square of an equation that the formula leaves, `misfit` that of a condition, both on
    random points, relative to the sizes of the operator and of the solution; `difference` is the relative L2 distance to
    the solution that it was found from, `error` that to the exact one, if there is one.
    """

    nearest: Expressions
    residual: float
    misfit: float
    difference: float
    error: float | None
    obstacle: str | None

    @property
    def expressions(self) -> Expressions | None:
        """By unknown; None if there is no formula."""
        return None if self.obstacle else self.nearest

    @property
    def expression(self) -> sympy.Expr | dict[str, sympy.Expr] | None:
        """Of a single unknown; a dict by unknown for a system; None if there is no formula."""
        if self.obstacle:
            return None
        return dict(self.nearest) if len(self.nearest) > 1 else next(iter(self.nearest.values()))

    def latex(self) -> str:
        """One line for each unknown."""
        if self.obstacle:
            raise ValueError(f"there is no formula to write: {self.obstacle}")
        return "\n".join(f"{name} = {sympy.latex(_rounded(e))}" for name, e in self.nearest.items())

    def __str__(self) -> str:
        lines = [f"no formula: {self.obstacle}"] if self.obstacle else []
        lines += [f"{'nearest: ' if self.obstacle else ''}{name} = {_rounded(e)}" for name, e in self.nearest.items()]
        if self.nearest:
            held = (
                f"residual {self.residual:.1e}, conditions {self.misfit:.1e}, difference to the solution {self.difference:.1e}"
            )
            lines.append(held + ("" if self.error is None else f", error {self.error:.1e}"))
        return "\n".join(lines)


def _rounded(expression: sympy.Expr) -> sympy.Expr:
    """With constants of twelve digits, to be read."""
    return replaced(expression, {number: number.round(12 - _magnitude(number)) for number in constants(expression)})


def _magnitude(number: sympy.Float) -> int:
    return int(log10(abs(float(number)))) + 1 if number else 0


def found_formula(field: Field, residual: float, library: Sequence[Elementary]) -> Formula:
    """The formula of a field that solves its problem with the given residual."""
    problem = field.problem
    obstacle = _obstacle(field)
    if obstacle is not None:
        return Formula({}, inf, inf, inf, None, obstacle)
    box = inner_box(problem.domain)
    assert box is not None
    tolerance = min(max(1e-10, 30 * residual), 1e-6)
    sampled = {name: Sampled(box, _Values(field, name), _Slopes(field, name), tolerance) for name in problem.unknowns}
    size = max(s.values.square().mean().sqrt().item() for s in sampled.values())
    nearest, missing = None, None
    for expressions in zip(*(_matching(s, size, library) for s in sampled.values()), strict=False):
        formula = _fitted(field, dict(zip(problem.unknowns, expressions, strict=True)), library)
        if formula.obstacle is None:
            return formula
        if nearest is None or formula.residual + formula.misfit < nearest.residual + nearest.misfit:
            nearest = formula
    if nearest is not None:
        return nearest
    for name, own in sampled.items():
        if next(_matching(own, size, library), None) is None:
            missing = name
            break
    reason = (
        f"{missing} is none of f(g₁ + g₂ + …), Σ f₁ f₂ … with functions of one coordinate out of the library "
        f"({', '.join(entry.name for entry in library)}, powers); a library with the right functions may find it"
    )
    if residual > 1e-6:
        reason += f", or a solution that is more accurate than {residual:.1e}"
    return Formula({}, inf, inf, inf, None, reason)


def _obstacle(field: Field) -> str | None:
    problem = field.problem
    if problem.materials:
        return "the solution has a formula of its own in each material, which is not sought"
    if inner_box(problem.domain) is None:
        return f"{problem.domain} holds no box that is large enough to look at the solution in"
    return None


class _Values:
    def __init__(self, field: Field, name: str) -> None:
        self.field, self.name = field, name

    def __call__(self, points: Points) -> Tensor:
        names = self.field.box.names
        with torch.no_grad():
            parts = [self.field(**columns(part, names))[self.name][:, 0] for part in points.split(CHUNK)]
        return torch.cat(parts).detach()


class _Slopes(_Values):
    def __call__(self, points: Points) -> Tensor:
        parts = []
        with torch.enable_grad():
            for part in points.split(CHUNK):
                x = columns(part, self.field.box.names)
                parts.append(torch.cat(grad(self.field(**x)[self.name], *x.values()), 1).detach())
        return torch.cat(parts)


def _matching(u: Sampled, size: float, library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    """Candidates that are near the solution."""
    if u.values.square().mean().sqrt() < 1e-12 * size:
        yield sympy.Integer(0)
        return
    for candidate in candidates(u, library):
        values = u.at_points(candidate, library)
        if (values - u.values).norm() < NEAR * u.values.norm():
            yield candidate


# --- constants ------------------------------------------------------------------------------------------------------


class Formulas(nn.Module):
    """Formulas as a network, of which the constants are trained: on coordinates scaled to [-1, 1], for a field's `scale`."""

    def __init__(self, expressions: Expressions, problem: Problem, library: Sequence[Elementary]) -> None:
        super().__init__()
        self.library, self.box, self.scale = library, problem.domain, 1.0
        self.numbers = constants(*expressions.values())
        self.names = [f"_{k}" for k in range(len(self.numbers))]
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
    best = _checked(field, _trained(field, expressions, library), library)
    free = len(constants(*best.nearest.values()))
    closed = _closed(best.nearest, constants(*best.nearest.values()))
    best = _better(best, _checked(field, closed, library))
    if best.nearest != closed:  # one at a time
        for number in constants(*best.nearest.values()):
            best = _better(best, _checked(field, _closed(best.nearest, [number]), library))
    simple = {unknown: _simplified(e) for unknown, e in best.nearest.items()}
    return _judged(_better(best, _checked(field, simple, library)), free)


def _trained(field: Field, expressions: Expressions, library: Sequence[Elementary]) -> Expressions:
    if not constants(*expressions.values()):
        return expressions
    network = Formulas(expressions, field.problem, library)
    try:
        own = Field(field.problem, network, hard=False)
        own.parameters = field.parameters  # of an inverse problem: what the data told
        network.scale = own.scale
        objective = Objective(own, Graded(), {}, max(POINTS, 4 * len(network.numbers)), seed=0)
        if objective.obstacle() is not None or field.parameters:
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
    if expression.count_ops() > 120:  # which may take minutes
        return expression
    forms = [expression, sympy.factor_terms(expression), sympy.simplify(expression), sympy.trigsimp(expression)]
    return min(forms, key=lambda e: e.count_ops())


# --- verification ---------------------------------------------------------------------------------------------------


class _Unknowns:
    """The unknowns by formula, at points."""

    def __init__(self, field: Field, expressions: Expressions, library: Sequence[Elementary]) -> None:
        self.field, self.box, self.expressions, self.library = field, field.box, expressions, library

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        zero = 0 * next(iter(x.values()))
        found = {unknown: evaluated(e, x, self.library) + zero for unknown, e in self.expressions.items()}
        return found, self.field.known(x)


@torch.enable_grad()
def _checked(field: Field, expressions: Expressions, library: Sequence[Elementary]) -> Formula:
    """Put into equations and conditions, on random points."""
    problem, random = field.problem, torch.Generator().manual_seed(1)
    count = int(POINTS / problem.domain.share) + 1
    points = problem.domain.points(torch.rand(count, problem.domain.dimension, generator=random, dtype=torch.float64))
    evaluate = _Unknowns(field, expressions, library)
    try:
        unknowns, x = evaluate(points)
        size = max(_size(u) for u in field(**columns(points, field.box.names)).values()) or 1.0
        equations = problem.equations(unknowns, x)
        residual = max(_size(r / problem.sizes_at(name, points)) / size for name, r in equations.items())
        rows = {name: problem.rows(name, evaluate, POINTS // 4, random) for name in problem.conditions}
        misfit = max((_size(r) / (problem.sizes[name] * size) for name, r in rows.items()), default=0.0)
    except FAILURES as error:
        return Formula(expressions, inf, inf, inf, None, f"it cannot be evaluated: {error}")
    difference = _distance(unknowns, field(**columns(points, field.box.names)))
    error = None if problem.exact is None else _distance(unknowns, problem.exact_columns(x))
    return Formula(expressions, residual, misfit, difference, error, None)


def _size(values: Tensor) -> float:
    found = values.detach().square().mean().sqrt().item()
    return found if isfinite(found) else inf


def _distance(one: Mapping[str, Column], other: Mapping[str, Column]) -> float:
    """Relative, of all unknowns together."""
    missed = torch.cat([(one[name] - other[name]).detach() for name in other])
    return _size(missed) / (_size(torch.cat([u.detach() for u in other.values()])) or 1.0)


def _judged(formula: Formula, fitted: int) -> Formula:
    """A formula if it holds, better than as many constants could make any."""
    level = max(formula.residual, formula.misfit, 1e-16)
    free = len(constants(*formula.nearest.values()))
    if level > HOLDS:
        what = "residual" if formula.residual >= formula.misfit else "misfit of a condition"
        obstacle = f"the nearest, with {fitted} constants, leaves a {what} of {level:.1e}, above {HOLDS:g}"
    elif DIGITS * free > -log10(level):
        obstacle = f"{free} fitted constants explain a residual of {level:.1e}: it may be an approximation"
    else:
        return formula
    return Formula(formula.nearest, formula.residual, formula.misfit, formula.difference, formula.error, obstacle)
