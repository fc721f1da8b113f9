"""Formulas put into the equations and conditions of their problem, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, log10

import sympy
import torch
from torch import Tensor

from kanpde.derivatives import Column
from kanpde.field import Field
from kanpde.functions import Points, columns
from kanpde.residuals import FAILURES
from kanpde.symbols import Elementary, constants, evaluated, replaced

Expressions = Mapping[str, sympy.Expr]  # by unknown

POINTS = 512
HOLDS = 1e-8  # residual and misfits of a formula: an exact one leaves rounding, far less
DIGITS = 2  # that a formula gains for each constant without a closed form: those of an approximation gain about one


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
def checked(field: Field, expressions: Expressions, library: Sequence[Elementary]) -> Formula:
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


def judged(formula: Formula, fitted: int) -> Formula:
    """A formula if it holds, better than as many constants could make any."""
    level = max(formula.residual, formula.misfit, 1e-16)
    free = len(constants(*formula.nearest.values()))
    if level > HOLDS:
        what = "residual" if formula.residual >= formula.misfit else "misfit of a condition"
        obstacle = (
            f"the nearest, with {fitted} fitted constant{'s'[: fitted != 1]}, leaves a {what} of {level:.1e}, above {HOLDS:g}"
        )
    elif DIGITS * free > -log10(level):
        obstacle = (
            f"{free} fitted constants may explain a residual of {level:.1e} as an approximation: "
            f"that takes {DIGITS} digits for each"
        )
    else:
        return formula
    return replace(formula, obstacle=obstacle)
