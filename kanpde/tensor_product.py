"""`TensorProduct`: all products of splines in x and in y on a box, or those of one axis, on breaks that follow the solution.

The product of two lines is solved (see `patches`), both lines are graded anew by what the splines miss there, and so on:
layers and corners at walls draw the breaks together, from both sides. How far the solution moves from one patch to the next
tells what the earlier one missed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import inf

import torch

from kanpde.boxes import Box
from kanpde.conditions import Integral, Interface, Periodic
from kanpde.domains import Part, Point, is_end
from kanpde.field import Field
from kanpde.history import Stage, measured_stage, reaches
from kanpde.lines import COARSEST, Line
from kanpde.patches import Patch, count
from kanpde.problem import Problem
from kanpde.progress import INTERRUPTED
from kanpde.residuals import FAILURES, Objective, checked_weights, not_local, point_count
from kanpde.sampling import Graded
from kanpde.session import OutOfTimeError, Session
from kanpde.slabs import patch_network
from kanpde.solution import Solution
from kanpde.tensors import Plane

FINER = 1e-3  # what the splines miss, from one patch to the next
PATIENCE = 3  # patches that bring nothing, before it is enough
WORSE, NOISE = 10.0, 1e-6  # change of a solution by a finer patch, of the least so far, that is noise if that was so small


class StalledError(RuntimeError):
    """Steps on a patch lead nowhere."""

    def __str__(self) -> str:
        return "its steps lead nowhere"


@dataclass(frozen=True)
class TensorProduct:
    """All products of splines in x and in y instead of a network of few of them, for problems on a box with two axes; on one

    axis the splines themselves.

    Breaks are placed by what the splines miss, until that is below `tolerance` relative to the size of the solution, or
    nothing changes any more, or the next patch had more than `size` coefficients. By default `solve` takes these where one
    network does not get on and time cannot be marched through.
    """

    tolerance: float = 1e-13
    degree: int = 11
    size: int = 16000

    def __post_init__(self) -> None:
        if not isinstance(self.tolerance, int | float) or not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance={self.tolerance!r}; give a number between 0 and 1, such as TensorProduct(1e-6)")
        if not isinstance(self.degree, int) or self.degree < 2:
            raise ValueError(f"degree={self.degree!r}; give a whole number, at least 2 more than the order of the equation")
        if not isinstance(self.size, int) or self.size < 1:
            raise ValueError(f"size={self.size!r}; give a whole number of coefficients")

    def obstacle(self, problem: Problem) -> str | None:
        """Why a problem cannot be solved so; None if it can."""
        domain = problem.domain
        if not isinstance(domain, Box) or domain.dimension > 2:
            return f"its domain is {domain}, but products of two splines are for a box with two axes, or one"
        if problem.parameters or problem.observations:
            return "it has parameters or observations"
        for name, condition in problem.conditions.items():
            part = problem.parts[name]
            if isinstance(condition, Periodic):
                continue
            if isinstance(condition, Integral | Interface) or not isinstance(part, Part | Point):
                return f"condition {name!r} is not one at points of faces"
            if isinstance(part, Part) and not all(is_end(face) for face in part.faces):
                return f"condition {name!r} is not one at points of faces"
        if self.degree < problem.order + 2:
            return f"its equations have derivatives of order {problem.order}, which ask for degree={problem.order + 2} or more"
        plane = _plane(problem, self.degree, {})
        if (least := count(_coarsest(self.degree, plane), plane)) > self.size:
            return f"its coarsest patch has {least} coefficients, more than size={self.size}"
        return not_local(plane.field)

    def solution(self, problem: Problem, before: Solution | None, session: Session) -> Solution | None:
        """In stages that follow those of the solution `before`; None if there is none, or none in time that is better."""
        return _refined(self, _plane(problem, self.degree, session.weights), before, session)


def _plane(problem: Problem, degree: int, weights: Mapping[str, float]) -> Plane:
    periodic = {c.axis for c in problem.conditions.values() if isinstance(c, Periodic)}
    rings = [name in periodic for name in problem.domain.names]
    first = 1 if len(rings) > 1 and rings[0] and not rings[1] else 0  # a ring as the first axis makes bands wider
    numbers = first, 1 - first if len(rings) > 1 else None
    lines = [_line(degree, None if number is None else rings[number]) for number in numbers]
    nothing = torch.zeros(lines[0].count, lines[1].count, dtype=torch.float64)
    field = Field(problem, patch_network(lines, [nothing] * len(problem.unknowns), first, 1.0))
    return Plane(field, checked_weights(weights, field), numbers)


def _coarsest(degree: int, plane: Plane) -> tuple[Line, Line]:
    first, second = (_line(degree, None if name is None else ring) for name, ring in zip(plane.names, plane.rings, strict=True))
    return first, second


def _line(degree: int, ring: bool | None) -> Line:
    """A ring has as many functions as spans, and a band needs two widths of them; None for an axis that is not there."""
    return Line.point() if ring is None else Line.uniform(COARSEST + 2 * degree if ring else COARSEST, degree, ring)


def _refined(settings: TensorProduct, plane: Plane, before: Solution | None, session: Session) -> Solution | None:
    history: list[Stage] = list(before.history) if before is not None else []
    earlier, field = len(history), plane.field if before is None else before.field
    patch = Patch(plane, _coarsest(settings.degree, plane))
    changes: list[float] = []  # of the solution, by each patch
    status, failed = None, False
    while status is None:
        try:
            start = patch.coefficients
            steps = partial(patch.solve, settings.tolerance, partial(_watch, history, field, session))
            session.journal.carried(f"patch of {count(patch.lines, plane)}", patch, steps)
            changes.append(patch.size({u: c - start[u] for u, c in patch.coefficients.items()}))
            if not patch.is_solved and (len(changes) == 1 or changes[-1] == 0):
                raise StalledError
            if WORSE * min(changes[1:], default=inf) < min(changes[-1], NOISE):
                end, so_far = _end(history[-1].residual, session.tol)
                status = f"{end}: a finer patch adds nothing but {changes[-1]:.1e} of noise, {so_far}"
            else:
                field = _measured(plane, patch, field, history, session)
                session.keep(field, history, history[-1].residual)
                lines = patch.graded(0.1 * max(settings.tolerance, FINER * patch.missed), settings.size)
                status = _verdict(settings, patch, lines, changes, history, session.tol)
                patch = patch if status else patch.on(lines)
        except OutOfTimeError:
            status = f"stopped: {session.budget.seconds:g} s are over on the way to a finer patch; raise max_seconds"
        except KeyboardInterrupt:
            session.budget.end = INTERRUPTED
            status = f"{INTERRUPTED} on the way to a finer patch"
        except FAILURES as error:
            status, failed = f"stopped: a finer patch could not be solved: {error}", True
    if len(history) == earlier:
        if failed or before is not None:
            return None
        field = _measured(plane, patch, field, history, session)  # what there is of the first
    return Solution(field, tuple(history), status, errors=history[-1].errors)


def _measured(plane: Plane, patch: Patch, before: Field, history: list[Stage], session: Session) -> Field:
    """The field of a patch, whose figures are added to the history."""
    field = plane.field.with_network(patch.network())

    def figures() -> Stage:
        residual = Objective(field, Graded(), plane.weights, point_count(field), session.seed + len(history)).validated()
        return measured_stage(field, before if history else None, history, patch.steps, residual, session.budget.used)

    history.append(session.measured(history, partial(session.journal.once, "figures", figures)))
    return field


def _end(residual: float, tol: float | None) -> tuple[str, str]:
    if tol is None:
        return "converged", f"at residual {residual:.1e}"
    return "stopped", f"at residual {residual:.1e} above tol={tol:g}"


def _verdict(
    settings: TensorProduct,
    patch: Patch,
    finer: tuple[Line, Line],
    changes: list[float],
    history: list[Stage],
    tol: float | None,
) -> str | None:
    """Why to stop, and what to try; None to go on."""
    residual = history[-1].residual
    if reached := reaches(history[-1], tol):
        return reached
    end, so_far = _end(residual, tol)
    now = count(patch.lines, patch.plane)
    if patch.is_solved and min(patch.missed, changes[-1]) <= settings.tolerance:
        return f"{end}: the splines are resolved to {settings.tolerance:g}, {so_far}"
    falls = residual < 0.9 * min((stage.residual for stage in history[:-1]), default=inf)  # breaks have just met a layer
    if not falls and len(changes) > 2 * PATIENCE and (least := min(changes[-PATIENCE:])) > 0.5 * min(changes[:-PATIENCE]):
        return f"{end}: finer patches change the solution by {least:.1e} and no less, {so_far}"
    if now > 0.8 * settings.size and count(finer, patch.plane) < 1.1 * now:
        return f"stopped: {now} products of splines are done {so_far}; allow more by refine=TensorProduct(size=…)"
    return None


def _watch(history: list[Stage], field: Field, session: Session, patch: Patch) -> None:
    session.journal.under_way(patch.state)
    session.show(history, field, patch.steps + 1, patch.residual)
    if session.budget.spent:
        raise OutOfTimeError
