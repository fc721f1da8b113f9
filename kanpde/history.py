"""The history of a solution: what each grid reached, and the table of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, log

from kanpde.errors import Errors, distance, estimated, measured_errors
from kanpde.field import Field
from kanpde.networks import KAN, trainable
from kanpde.slabs import Slabs


@dataclass(frozen=True)
class Stage:
    """One grid: `residual` is ‖r‖ on points not trained on, `order` that of the error (or residual) in 1/grid.

    `change` is how far the solution moved since the stage before, ‖u − before‖/‖u‖ in L2: about the error that that one had.
    """

    network: str
    grid: int | None
    degree: int | None
    size: int
    steps: int
    residual: float
    errors: Errors
    change: float | None
    order: float | None
    seconds: float  # since the start


def measured_stage(
    field: Field, before: Field | None, history: Sequence[Stage], steps: int, residual: float, seconds: float
) -> Stage:
    """What a field is now, with its errors, and how far it is from the one before."""
    network = field.network
    size = sum(p.numel() for p in trainable(network))
    grid, degree = (network.grid, network.degree) if isinstance(network, KAN | Slabs) else (None, None)
    change = None if before is None else distance(field, before)
    stage = Stage(
        repr(network) if isinstance(network, KAN | Slabs) else type(network).__name__,
        grid, degree, size, steps, residual, measured_errors(field, estimated(field)), change, None, seconds,
    )  # fmt: skip
    return replace(stage, order=observed_order(history[-1] if history else None, stage))


def observed_order(previous: Stage | None, stage: Stage) -> float | None:
    """log of the fall of the error, as far as it is known, over log of the growth of the grid."""
    if previous is None or previous.grid is None or stage.grid is None or stage.grid <= previous.grid:
        return None
    pairs = [(getattr(s.errors, name) for s in (previous, stage)) for name in ("relative_l2", "trusted")]
    before, after = next((p for p in map(tuple, pairs) if None not in p), (previous.residual, stage.residual))
    return log(before / after) / log(stage.grid / previous.grid) if 0 < before < inf and 0 < after < inf else None


def reaches(stage: Stage, tol: float | None) -> str | None:
    """That its error is below a tolerance, as far as can be told without the exact solution; None if it is not.

    What the estimate does not explain of the residual has to be, too: of a wrong solution of a nonlinear equation, or of
    none, it may be all.
    """
    errors = stage.errors
    if errors.estimate is None or errors.unexplained is None:
        name, found, left = "residual", stage.residual, 0.0
    else:
        name, found, left = "estimated error", errors.estimate, errors.unexplained * stage.residual
    return f"converged: {name} {found:.1e} is below tol={tol:g}" if tol is not None and max(found, left) <= tol else None


def table(history: tuple[Stage, ...], linear: bool) -> str:
    """One row for each stage."""
    exact = any(stage.errors.relative_l2 is not None for stage in history)
    header = f"{'grid':>5} {'degree':>6} {'size':>6} {'steps':>5} {'residual':>9} {estimate_name(linear):>9}"
    header += f" {'rel. L2':>9} {'rel. H1':>9} {'max':>9}" if exact else f" {'change':>9}"
    lines = [header + f" {'order':>6} {'seconds':>8}"]
    for s in history:
        e = s.errors
        found = [s.residual, e.estimate, *((e.relative_l2, e.relative_h1, e.max) if exact else (s.change,))]
        figures = " ".join(f"{'' if one is None else f'{one:.1e}':>9}" for one in found)
        line = f"{s.grid or '-':>5} {s.degree or '-':>6} {s.size:>6} {s.steps:>5} {figures}"
        lines.append(line + f" {'' if s.order is None else f'{s.order:.1f}':>6} {s.seconds:>8.2f}")
    return "\n".join(lines)


def estimate_name(linear: bool) -> str:
    """What the linearized equations give for the error."""
    return "estimate" if linear else "indicator"
