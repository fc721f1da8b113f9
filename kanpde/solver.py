"""`solve`: train, refine, repeat."""

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite
from pathlib import Path

import torch
from torch import nn

from kanpde.conditions import Periodic
from kanpde.continuation import NEAR, Family, Values, followed, told, waypoints
from kanpde.devices import at, check_device, device_of, here
from kanpde.estimates import Estimate, Inference, estimates
from kanpde.factorizations import LARGEST, LSMR, BySize
from kanpde.field import Field, outputs
from kanpde.history import Stage, reaches
from kanpde.inverse import bound_met
from kanpde.journal import Checkpoint, Journal
from kanpde.layers import Product
from kanpde.logs import log_end
from kanpde.marching import Marching
from kanpde.marking import Marked
from kanpde.networks import KAN, trainable
from kanpde.optimizers import LBFGS, LevenbergMarquardt, Optimizer, SSBroyden
from kanpde.problem import Problem
from kanpde.progress import INTERRUPTED, Budget, Callback, shown
from kanpde.ranks import joined
from kanpde.refinement import Adaptive, Grids, Refinement, Trained
from kanpde.residuals import FAILURES, Objective, checked_weights, point_count
from kanpde.sampling import Graded, Sampler
from kanpde.session import Direct, Session
from kanpde.slabs import Slabs
from kanpde.solution import Solution
from kanpde.stages import approach, trained_stage
from kanpde.tensor_product import TensorProduct

# splines that are not trained are tried where a network is FAR from solved after so many stages, or does not end CLOSE
PATIENCE, FAR, CLOSE, LEAP = 4, 1e-3, 1e-9, 0.4
GIVEN_UP = "stopped: still"


def rounding(order: int) -> float:
    """Level of ‖r‖ below which it is rounding: that of second derivatives, and five times more for each further one."""
    return 1e-13 * 5.0 ** max(order - 2, 0)


def solve(
    problem: Problem | Family,
    model: nn.Module | None = None,
    *,
    refine: Refinement | Direct | None = None,
    optimizer: Optimizer | None = None,
    sampler: Sampler | None = None,
    weights: Mapping[str, float] | None = None,
    hard: bool = True,
    continuation: Mapping[str, Sequence[float]] | None = None,
    tol: float | None = None,
    max_seconds: float | None = None,
    seed: int = 0,
    progress: bool | Callback | None = None,
    checkpoint: Checkpoint | str | Path | None = None,
) -> Solution:
    """Solve a problem: train a network on fresh collocation points, refine its grids, repeat.

    What this leaves unsolved is solved by splines that are not trained, where there are any for it: an evolution on an
    interval or a ring, or from initial values alone, slab by slab of time (`Marching`), other problems on a box of one or two
    axes by all products of splines (`TensorProduct`).

    Processes that torchrun started share the points, and return the same solution: see `docs/scaling.md`.

    Parameters
    ----------
    model: a KAN, MLP or any module from (points, axes) to (points, unknowns) on coordinates scaled to [-1, 1]; by
        default a separable KAN of degree 11 that starts with two spans an edge, eight where an axis is periodic. All is
        computed on its device, in float64: `KAN([2, 5, 1]).to("cuda")`; that of the default is torch's default device.
    refine: `Adaptive()` by default, `Grids((4, 8, 16))`, or `Marked()` for thin layers; `Marching()` and `TensorProduct()`
        train no network at all. By default they are tried, in this order, where a network is still far from solved after four
        grids, or ends above 1e-9.
    optimizer: `LevenbergMarquardt()` by default; a residual whose rows mix points goes to `SSBroyden()`, or, above 5000
        coefficients, `LBFGS()`, with a warning.
    sampler: `Graded()` by default; drawn anew at every step.
    weights: factors on the rows of equations and weighted conditions, by name.
    hard: build conditions into the network where an ansatz exists, rather than weigh them.
    continuation: values of physical parameters by name, the wanted ones last, of a function that makes the problem:
        `solve(reaction, continuation={"strength": [1, 8]})` trains a network for strength 1 and follows it, by steps that are
        halved where they lead too far, to strength 8, which is then trained as any other (see `examples/continuation.py`).
    tol: stop once the relative L2 error is below it, as far as it can be estimated without the exact solution; where it cannot,
        once ‖r‖ on fresh points is, relative to the sizes of the operators and of the solution.
    max_seconds: stop then, with the best network so far.
    progress: True or False for a bar, None for one on a terminal only, or a `Callback` that gets a `Progress` after each step.
    checkpoint: a file, .kanpde or .npz, that the run is kept in, after each stage and every two minutes; `Checkpoint(file,
        every=…)` for other times. The same call goes on from it to the same result, and a call that is complete returns it at
        once. `Solution.load` reads the best solution so far from it. Optimizers of your own that have no `state()` go on with
        the stage, and not in the middle of it.

    Each stage is also told to the standard `logging` module: see `kanpde.logs`.
    An interrupt (Ctrl-C) ends it with the best solution so far, once there is one.
    Raises ValueError or TypeError before any work if the settings are impossible, the device is not there or knows no float64,
    or the checkpoint is that of another call, and LostRankError, a ConnectionError, where another process has ended.
    """
    budget = Budget(max_seconds)
    device = device_of(model) if isinstance(model, nn.Module) else here()
    check_device(device)
    given = {"model": model, "optimizer": optimizer, "sampler": sampler, "hard": None if hard else False}
    own = [name for name, setting in given.items() if setting is not None]
    way = [] if continuation is None else waypoints(problem, continuation)
    direct = isinstance(refine, Direct) and not isinstance(refine, type)
    if way and direct:
        own.append("continuation")
    wanted = _problem_of(problem, way)
    training = Training(
        Adaptive() if refine is None or direct else refine,  # pyright: ignore[reportArgumentType]
        LevenbergMarquardt() if optimizer is None else optimizer,
        Graded() if sampler is None else sampler,
        hard,
    )
    _check_settings(wanted, training, weights, tol, max_seconds, seed)
    ways = _direct_ways(wanted, refine, own)
    file = checkpoint if checkpoint is None or isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    journal = Journal(budget, file)
    work = f"solve {wanted.domain.axes} {wanted.unknowns} {[*wanted.conditions]} {tol} {max_seconds} {seed}"
    with at(device), joined(work), shown(progress, budget) as show:
        if checkpoint is not None:
            call = {**given, "hard": hard, "refine": refine, "weights": weights, "continuation": way, "tol": tol, "seed": seed}
            if (complete := journal.open(call, _first(wanted, model, training, seed))) is not None:
                return complete
        session = Session(weights or {}, tol, budget, seed, show, journal)
        try:
            solution = journal.finished(_found(problem, wanted, way, model, training, ways, direct, session))
        except KeyboardInterrupt:
            budget.end = INTERRUPTED
            journal.write()
            if journal.best is None or not journal.best.history:
                raise
            least = min(stage.residual for stage in journal.best.history)
            solution = journal.finished(journal.best.ended(f"{INTERRUPTED} at residual {least:.1e}"))
        log_end(solution)
        return solution


@dataclass(frozen=True)
class Training:
    """How networks are trained."""

    refine: Refinement
    optimizer: Optimizer
    sampler: Sampler
    hard: bool


def _found(
    problem: Problem | Family,
    wanted: Problem,
    way: Sequence[Values],
    model: nn.Module | None,
    training: Training,
    ways: list[Direct],
    direct: bool,
    session: Session,
) -> Solution:
    """By the way that is asked for, or by those that lead on."""
    if direct and (found := ways.pop().solution(wanted, None, session)) is not None:
        return found
    if way and callable(problem):
        model, passed = followed(problem, way, partial(_near, training, session), model)
        solution = _solved(wanted, model, training, ways, session)
        told_way = f"by way of {told(passed)}" if passed else "the way to it could not be followed from its first point"
        return solution.ended(f"{solution.status} ({told_way})")
    return _solved(wanted, model, training, ways, session)


def _first(problem: Problem, model: nn.Module | None, training: Training, seed: int) -> Field:
    """What training begins with."""
    network = default_network(problem, training.hard, seed) if model is None else _checked(model, problem)
    if isinstance(training.refine, Grids | Marked):
        training.refine.check(network)
    return Field(problem, network, training.hard)


def _near(training: Training, session: Session, problem: Problem, model: nn.Module | None) -> Solution | None:
    """A network on its way; None when time is over."""
    budget = session.budget
    if budget.spent:
        return None
    try:
        found = _throughout(problem, model, training, PATIENCE, session.rough(NEAR))
    except KeyboardInterrupt:  # the wanted problem is to have a solution, from where the way ends
        budget.end = INTERRUPTED
        return None
    if budget.end is not None and budget.end.startswith("failed"):  # there, and not on all of the way
        budget.end = None
    return found


def _solved(
    problem: Problem, model: nn.Module | None, training: Training, ways: Sequence[Direct], session: Session
) -> Solution:
    """By a network; where that does not lead to the end, by other ways; where they lead nowhere, by the network after all."""
    solution = _throughout(problem, model, training, PATIENCE if ways else None, session)
    budget, least = session.budget, min(stage.residual for stage in solution.history)
    for way in ways:
        if solution.status.startswith("stopped") and least > CLOSE and not budget.spent:
            found = way.solution(problem, solution, session)
            if found is not None and found.history[-1].residual < least:
                return found
    if not solution.status.startswith(GIVEN_UP):
        return solution
    if budget.spent:
        ended = budget.end or f"stopped: {budget.seconds:g} s are over"
        return solution.ended(f"{ended} at residual {least:.1e}; raise max_seconds")
    more = _throughout(problem, solution.model, training, None, session)
    return Solution(more.field, (*solution.history, *more.history), more.status, more.inference, more.errors)


def _throughout(
    problem: Problem, model: nn.Module | None, training: Training, patience: int | None, session: Session
) -> Solution:
    """One network for the whole domain: train, refine, repeat; so many stages at most while that leads nowhere."""
    optimizer, field = training.optimizer, _first(problem, model, training, session.seed)
    weights, budget, tol = checked_weights(session.weights, field), session.budget, session.tol
    goal = max(tol or 0.0, rounding(problem.order))
    history: list[Stage] = []
    trained: list[Trained] = []
    fits: list[tuple[Field, Inference | None]] = []
    fitted, inference, errors, status = field, None, None, None
    while status is None:
        try:
            objective = Objective(field, training.sampler, weights, point_count(field), session.seed + len(history))
            if not history and model is None:
                approach(objective)
            optimizer = _suited(training.optimizer, objective)
            work = partial(
                trained_stage, objective, optimizer, fits[-1][0] if fits else None, history, goal, model is None, session
            )
            done = session.journal.once(f"stage of {objective.size} coefficients", work)
        except FAILURES as error:
            if not history:
                raise
            status = f"failed: {type(error).__name__}: {error}; the best network so far is kept"
            return Solution(fitted, tuple(history), status, inference, errors)
        objective.coefficients, weights, budget.end = done["coefficients"], done["weights"], done["end"]
        objective.weights = weights
        history.append(done["stage"])
        trained.append(Trained(field.network, history[-1].residual, objective))
        fits.append((field, done["inference"]))
        best = min(trained, key=lambda t: t.residual)
        fitted, inference = fits[trained.index(best)]
        session.keep(fitted, history, best.residual, inference)
        finer = None if budget.spent else training.refine.refined(trained)
        stage = history[trained.index(best)]
        errors = stage.errors
        status = _verdict(problem, history, stage, inference, finer, tol, budget)
        if tol is not None and stage.errors.estimate is not None:  # which may be above the residual
            goal = max(tol * min(1.0, 0.5 * stage.residual / stage.errors.estimate), rounding(problem.order))
        # not while a finer grid brings it nearer by leaps, as the one after a rank that was taken back
        leaps = history[-1].residual < LEAP * min((s.residual for s in history[:-1]), default=inf)
        if status is None and patience is not None and len(history) >= patience and best.residual > FAR and not leaps:
            status = f"{GIVEN_UP} at residual {best.residual:.1e} after {patience} stages"
        field = fitted if finer is None or status else field.with_network(finer)
    told = f"{status}{_at_bounds(fitted)}{_means(optimizer, fitted.network)}"
    return Solution(field, tuple(history), told, inference, errors)


def _direct_ways(problem: Problem, refine: Refinement | Direct | None, settings: list[str]) -> list[Direct]:
    """The one that is asked for, or those to try after a network, where problem and settings allow them.

    Raises ValueError if one was asked for, but cannot be taken.
    """
    possible: list[Direct] = []
    for way in [Marching(), TensorProduct()] if refine is None else [refine]:
        if not isinstance(way, Direct):
            continue
        obstacle = f"{settings[0]}= is a setting of trained networks" if settings else way.obstacle(problem)
        if obstacle is None:
            possible.append(way)
        elif refine is not None:
            raise ValueError(f"refine={refine} does not suit this: {obstacle}; leave it out")
    return possible


def default_network(problem: Problem, hard: bool, seed: int) -> KAN:
    """Sums of products of splines, one factor for each axis; periodic axes get periodic knots.

    On one axis, where products are nothing new, a spline for each unknown: linear equations are solved at once.
    """
    box = problem.domain
    periodic = [box.names.index(c.axis) for c in problem.conditions.values() if hard and isinstance(c, Periodic)]
    count = outputs(problem)[1]
    rank = 8 if count < 3 * len(problem.unknowns) else 4
    nodes = [box.dimension, Product(count, rank) if box.dimension > 1 else count]
    spans = 8 if periodic else 2  # a periodic spline has one coefficient for each span: few hold no wave
    network = KAN(nodes, grid=spans, degree=max(11, problem.order + 5), seed=seed, periodic=periodic)
    if problem.parameters:  # what is found at a rough start is hard to mend
        for p in network.parameters():
            p.data *= 0.01 ** (1 / box.dimension)
    return network


def _at_bounds(field: Field) -> str:
    """Which parameters ended at a bound, where data may want them beyond it."""
    found = []
    for name, estimate in estimates(field, None).items():
        parameter = field.problem.parameters[name]
        if isinstance(estimate, Estimate) and (bound := bound_met(parameter, estimate.value)) is not None:
            found.append(f" ({name} ended at its bound {bound:g}; widen bounds={parameter.bounds}, or start elsewhere)")
    return "".join(found)


def _means(optimizer: Optimizer, network: nn.Module) -> str:
    """How it was trained, where that is not the usual way."""
    if not isinstance(optimizer, LevenbergMarquardt):
        return f" (trained by {optimizer})"
    used = optimizer.factorization
    large = isinstance(used, BySize) and isinstance(network, KAN) and network.size > used.largest
    return " (trained without matrices, by LSMR)" if large or isinstance(used, LSMR) else ""


def _verdict(
    problem: Problem,
    history: list[Stage],
    stage: Stage,
    inference: Inference | None,
    finer: nn.Module | None,
    tol: float | None,
    budget: Budget,
) -> str | None:
    """Why to stop at the best stage, and what to try; None to go on."""
    residual = stage.residual
    if not isfinite(residual):
        return "failed: the residual is not finite; check the equation near the boundary, or try another seed"
    if reached := reaches(stage, tol):
        return reached
    # weighted conditions round more coarsely: there a refinement that gains nothing tells
    gained = history[-1].residual < 0.5 * min((s.residual for s in history[:-1]), default=inf)
    if residual < 2 * rounding(problem.order) or (residual < 10 * rounding(problem.order) and not gained):
        return f"converged: residual {residual:.1e} is at the level of rounding"
    so_far = f"at residual {residual:.1e}" + ("" if tol is None else f" above tol={tol:g}")
    if inference is not None and not inference.fits:
        so_far += f", where values miss by {inference.misfit:.2g} and not by sigma: start parameters elsewhere, or bound them"
    if inference is not None and inference.is_settled(residual):
        return f"converged: residual {residual:.1e} is far below the noise of the observations"
    if budget.end is not None:
        return f"{budget.end} {so_far}; go on with solve(problem, solution.model)"
    if budget.spent:
        return f"stopped: {budget.seconds:g} s are over {so_far}; raise max_seconds"
    # far from a solution it takes more than one kind of refinement to see a gain, and there is time to lose
    stalled = len(history) > 3 and min(s.residual for s in history[-3:]) > 0.5 * min(s.residual for s in history[:-3])
    if stalled and residual < 1e-6:
        return (
            f"stopped: three refinements brought no progress {so_far}; give a richer network, such as "
            "KAN([axes, Product(unknowns, rank=16)]), or check that the problem is well posed"
        )
    if finer is None and stage.grid is None:
        return f"stopped: no more progress {so_far}; give a larger network, or a KAN, whose grids refine"
    if finer is None:
        return f"stopped: the last grid is done {so_far}; allow finer ones by refine=Adaptive(grid=…, size=…)"
    return None


def _problem_of(given: object, way: Sequence[Values]) -> Problem:
    """The problem at the end of the way, or the given one without a way."""
    found = given(**way[-1]) if callable(given) and way else given
    if not isinstance(found, Problem):
        raise TypeError(f"solve takes a Problem, not {found!r}; call the factory: solve(poisson())")
    return found


def _check_settings(
    problem: Problem,
    training: Training,
    weights: Mapping[str, float] | None,
    tol: float | None,
    max_seconds: float | None,
    seed: int,
) -> None:
    """Settings that cannot work fail here."""
    for name, given, kind, examples in (
        ("optimizer", training.optimizer, Optimizer, "LevenbergMarquardt(), LBFGS() or Adam()"),
        ("refine", training.refine, Refinement, "Adaptive(), Marked(), Grids((4, 8, 16)), Marching() or TensorProduct()"),
        ("sampler", training.sampler, Sampler, "Graded(), Sobol() or ResidualAdaptive()"),
    ):
        if isinstance(given, type) or not isinstance(given, kind):
            raise TypeError(f"{name}={given!r}; give an object such as {examples}")
    for name, value in {"tol": tol, "max_seconds": max_seconds}.items():
        if value is not None and not (isinstance(value, int | float) and 0 < value < inf):
            raise ValueError(f"{name}={value!r}; it must be a positive number")
    if not isinstance(seed, int):
        raise TypeError(f"seed={seed!r}; give an integer")
    if weights is not None and not isinstance(weights, Mapping):
        raise TypeError(f'weights={weights!r}; give a dict of factors by name, as in {{"{next(iter(problem.sizes))}": 10.0}}')


def _checked(model: nn.Module, problem: Problem) -> nn.Module:
    """A copy of the user's network, which stays as it is, if it suits the problem."""
    inputs, counts = problem.domain.dimension, sorted(set(outputs(problem)))
    if not isinstance(model, nn.Module):
        raise TypeError(f"model={model!r}; give a network such as KAN([{inputs}, 5, {outputs}]) or a torch.nn.Module")
    if isinstance(model, Slabs):
        raise ValueError(
            f"model={model!r} is not trained; leave it out, and give refine=Marching() or refine=TensorProduct() instead"
        )
    if isinstance(model, KAN):
        if model.shape[0] != inputs:
            raise ValueError(
                f"{model} has {model.shape[0]} inputs, but {problem.domain} has {inputs} axes; give KAN([{inputs}, …])"
            )
        roughest = min((layer.basis for layer in model.layers), key=lambda basis: basis.smoothness)
        if roughest.smoothness < problem.order:
            raise ValueError(
                f"the equation takes derivatives of order {problem.order}, but {roughest} have only "
                f"{roughest.smoothness} continuous ones; use degree={problem.order + 3} or more, or a smooth basis such as "
                "Chebyshev()"
            )
    if not trainable(model):
        raise ValueError(f"{type(model).__name__} has no trainable parameters; set requires_grad of some of them")
    try:
        found = tuple(model(torch.zeros(3, inputs, dtype=torch.float64)).shape)
    except (RuntimeError, IndexError, TypeError) as error:
        raise ValueError(f"the model does not take float64 inputs of shape (points, {inputs}): {error}") from None
    if found not in [(3, count) for count in counts]:
        several, unknowns = len(problem.materials) + 1, len(problem.unknowns)
        raise ValueError(
            f"the model gives shape {found} for 3 points; the problem has {inputs} axes and {unknowns} unknown"
            + "s"[: unknowns > 1]
            + (f" in each of {several} materials" if several > 1 else "")
            + f", so it must give (3, {counts[0]})"
            + (f", or (3, {counts[1]}) with singular functions at its corners" if len(counts) > 1 else "")
        )
    return deepcopy(model)


def _suited(optimizer: Optimizer, objective: Objective) -> Optimizer:
    """The optimizer, or a quasi-Newton method where there is no exact Jacobian by one pass."""
    obstacle = objective.obstacle() if optimizer.pointwise else None
    if obstacle is None:
        return optimizer
    other = SSBroyden() if objective.size <= LARGEST else LBFGS()
    warnings.warn(f"{obstacle}, so {type(optimizer).__name__} has no exact Jacobian; using {other} instead", stacklevel=3)
    return other
