"""`solve`: train, refine, repeat."""

import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from kanpde.conditions import Periodic
from kanpde.field import Field
from kanpde.networks import KAN, Layer, Product
from kanpde.optimizers import LBFGS, LevenbergMarquardt, Optimizer, Run
from kanpde.problem import Problem
from kanpde.refinement import Adaptive, Refinement, Trained
from kanpde.residuals import Objective
from kanpde.sampling import Graded, Sampler
from kanpde.solution import Solution, Stage, measured_errors, observed_order


def rounding(order: int) -> float:
    """Level of ‖r‖ below which it is rounding: that of second derivatives, and five times more for each further one."""
    return 1e-13 * 5.0 ** max(order - 2, 0)


@dataclass(frozen=True)
class Progress:
    """What a callback sees after each step: the stage's number, the step in it, ‖r‖ on fresh points, seconds so far."""

    stage: int
    step: int
    residual: float
    seconds: float
    field: Field


def solve(
    problem: Problem,
    model: nn.Module | None = None,
    *,
    refine: Refinement | None = None,
    optimizer: Optimizer | None = None,
    sampler: Sampler | None = None,
    weights: Mapping[str, float] | None = None,
    hard: bool = True,
    tol: float | None = None,
    max_seconds: float | None = None,
    seed: int = 0,
    progress: bool | Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
) -> Solution:
    """Solve a problem: train a network on fresh collocation points, refine its grids, repeat.

    Parameters
    ----------
    model: a KAN, MLP or any module from (points, axes) to (points, unknowns) on coordinates scaled to [-1, 1]; by
        default a separable KAN of degree 11 that starts with two spans an edge.
    refine: `Adaptive()` by default, or `Grids((4, 8, 16))`.
    optimizer: `LevenbergMarquardt()` by default; a residual whose rows mix points goes to `LBFGS()`, with a warning.
    sampler: `Graded()` by default; drawn anew at every step.
    weights: factors on the rows of equations and weighted conditions, by name.
    hard: build conditions into the network where an ansatz exists, rather than weigh them.
    tol: stop once ‖r‖ on fresh points, relative to the operators' sizes, is below it.
    max_seconds: stop then, with the best network so far.
    progress: True or False for a bar, None for one on a terminal only, or a function of a `Progress`.
    checkpoint: a .npz file written after each stage.

    Raises ValueError or TypeError before any work if the settings are impossible.
    """
    start = time.perf_counter()
    network = _checked(problem, model, weights or {}, tol, max_seconds) or default_network(problem, seed)
    optimizer, refine, sampler = optimizer or LevenbergMarquardt(), refine or Adaptive(), sampler or Graded()
    budget = Budget(start, max_seconds)
    history: list[Stage] = []
    trained: list[Trained] = []
    shown = tqdm(disable=_silent(progress), unit="step") if not callable(progress) else nullcontext()
    with shown as bar:
        field = Field(problem, network, hard)
        while True:
            objective = Objective(field, sampler, weights or {}, _count(field), seed + len(history))
            optimizer = _suited(optimizer, objective)
            run = (_warm(optimizer) if history else optimizer).begin(objective)
            steps = train(run, budget, max(tol or 0.0, rounding(problem.order)), _reporter(progress, bar, history, budget, field))
            residual = _validated(objective)
            stage = _stage(field, history, steps, residual, time.perf_counter() - start)
            history.append(stage)
            trained.append(Trained(field.network, residual))
            best = min(trained, key=lambda t: t.residual if isfinite(t.residual) else inf)
            if checkpoint is not None:
                unfinished = Solution(field.with_network(best.network), tuple(history), "unfinished: saved on the way")
                unfinished.save(checkpoint)
            finer = refine.refined(trained)
            status = _verdict(problem, history, best, finer, tol, budget)
            if status is not None:
                return Solution(field.with_network(best.network), tuple(history), status)
            assert finer is not None
            field = field.with_network(finer)


@dataclass(frozen=True)
class Budget:
    start: float
    seconds: float | None

    @property
    def used(self) -> float:
        return time.perf_counter() - self.start

    @property
    def spent(self) -> bool:
        return self.seconds is not None and self.used >= self.seconds


def default_network(problem: Problem, seed: int) -> KAN:
    """Sums of products of splines, one factor for each axis; periodic axes get periodic knots."""
    box = problem.domain
    periodic = [box.names.index(c.axis) for c in problem.conditions.values() if isinstance(c, Periodic)]
    nodes = [box.dimension, Product(len(problem.unknowns), rank=8)]
    return KAN(nodes, grid=2, degree=max(11, problem.order + 5), seed=seed, periodic=periodic)


def train(run: Run, budget: Budget, goal: float, report: Callable[[int, float], None]) -> int:
    """Steps until the residual on fresh points is small or has stopped falling; returns their number."""
    seen: list[float] = []
    patience = 6
    while True:
        seen.append(run.step())
        report(len(seen), seen[-1])
        small = seen[-1] < goal
        stalled = len(seen) > patience and min(seen[-patience:]) > 0.7 * min(seen[:-patience])
        if small or stalled or budget.spent:
            return len(seen)


def _count(field: Field) -> int:
    """Collocation points: two and a half for each coefficient, as each gives a row for every equation."""
    size = sum(p.numel() for p in field.network.parameters())
    return max(64, round(2.5 * size / len(field.problem.unknowns)))


def _validated(objective: Objective) -> float:
    """‖r‖ on points not trained on."""
    objective.batch = objective.fresh()
    return objective.residual().norm().item()


def _stage(field: Field, history: list[Stage], steps: int, residual: float, seconds: float) -> Stage:
    network = field.network
    size = sum(p.numel() for p in network.parameters())
    grid, degree = (network.grid, network.degree) if isinstance(network, KAN) else (None, None)
    stage = Stage(
        repr(network) if isinstance(network, KAN) else type(network).__name__,
        grid, degree, size, steps, residual, measured_errors(field), None, seconds,
    )  # fmt: skip
    return replace(stage, order=observed_order(history[-1] if history else None, stage))


def _warm(optimizer: Optimizer) -> Optimizer:
    """After a refinement the network is near a solution: start with little damping."""
    return replace(optimizer, damping=1e-8) if isinstance(optimizer, LevenbergMarquardt) else optimizer


def _verdict(problem: Problem, history: list[Stage], best: Trained, finer: nn.Module | None, tol: float | None, budget: Budget) -> str | None:
    """Why to stop, and what to try; None to go on."""
    residual = best.residual
    if not isfinite(residual):
        return "failed: the residual is not finite; check the equation near the boundary, or try another seed"
    if tol is not None and residual <= tol:
        return f"converged: residual {residual:.1e} is below tol={tol:g}"
    if residual < 2 * rounding(problem.order):
        return f"converged: residual {residual:.1e} is at the level of rounding"
    goal = "" if tol is None else f" above tol={tol:g}"
    if budget.spent:
        return f"stopped: {budget.seconds:g} s are over at residual {residual:.1e}{goal}; raise max_seconds"
    worse = len(history) > 3 and min(s.residual for s in history[-3:]) > 0.5 * min(s.residual for s in history[:-3])
    if worse:
        return (
            f"stopped: three refinements brought no progress at residual {residual:.1e}{goal}; give a richer network, such as "
            "KAN([axes, Product(unknowns, rank=16)]), or check that the problem is well posed"
        )
    if finer is None:
        return f"stopped: the last grid is done at residual {residual:.1e}{goal}; allow finer ones by refine=Adaptive(grid=…, size=…)"
    return None


def _checked(
    problem: Problem, model: nn.Module | None, weights: Mapping[str, float], tol: float | None, seconds: float | None
) -> nn.Module | None:
    """Settings that cannot work fail here."""
    if not isinstance(problem, Problem):
        raise TypeError(f"solve takes a Problem, not {type(problem).__name__}; call the factory: solve(poisson())")
    for name, value in {"tol": tol, "max_seconds": seconds}.items():
        if value is not None and not 0 < value < inf:
            raise ValueError(f"{name}={value:g}; it must be positive")
    names = {*problem.sizes}
    if strange := set(weights) - names:
        raise ValueError(f"weights for {', '.join(sorted(strange))}, but the problem has {', '.join(sorted(names))}")
    if model is None:
        return None
    if isinstance(model, KAN):
        for layer in model.layers:
            assert isinstance(layer, Layer)
            if layer.degree < problem.order + 1:
                raise ValueError(
                    f"the equation takes derivatives of order {problem.order}, but splines of degree {layer.degree} have only "
                    f"{layer.degree - 1} continuous ones; use degree={problem.order + 3} or more"
                )
    inputs, outputs = problem.domain.dimension, len(problem.unknowns)
    try:
        found = tuple(model(torch.zeros(3, inputs, dtype=torch.float64)).shape)
    except (RuntimeError, IndexError) as error:
        raise ValueError(f"the model does not take float64 inputs of shape (points, {inputs}): {error}") from None
    if found != (3, outputs):
        raise ValueError(
            f"the model gives shape {found} for 3 points; the problem has {inputs} axes and {outputs} unknowns, "
            f"so it must give (3, {outputs})"
        )
    return model


def _suited(optimizer: Optimizer, objective: Objective) -> Optimizer:
    """The optimizer, or L-BFGS if rows mix points, which an exact Jacobian by one pass cannot do."""
    if not optimizer.pointwise or objective.is_pointwise():
        return optimizer
    warnings.warn(
        f"the residual mixes points (a mean or an integral?), which {type(optimizer).__name__} cannot differentiate row by "
        "row; using LBFGS() instead",
        stacklevel=3,
    )
    return LBFGS()


def _silent(progress: bool | Callable | None) -> bool:
    return not (progress if isinstance(progress, bool) else sys.stderr.isatty())


def _reporter(
    progress: bool | Callable[[Progress], None] | None, bar: tqdm | None, history: list[Stage], budget: Budget, field: Field
) -> Callable[[int, float], None]:
    """What to do after each step: move the bar or call the user's function."""
    known = f" L2 {history[-1].relative_l2:.1e}" if history and history[-1].errors else ""

    def report(step: int, residual: float) -> None:
        if callable(progress):
            progress(Progress(len(history), step, residual, budget.used, field))
        elif bar is not None:
            bar.set_description(f"stage {len(history) + 1}")
            bar.set_postfix_str(f"residual {residual:.1e}{known}")
            bar.update()

    return report
