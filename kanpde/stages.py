"""One stage of a solution: a network that is trained on its grid, and what it is then.

Its training can be left after any step and gone on with: see `journal`.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import inf, isfinite
from typing import Any

import torch

from kanpde.domains import TIME
from kanpde.estimates import Inference, inferred
from kanpde.field import Field
from kanpde.history import Stage, measured_stage
from kanpde.journal import Resumable
from kanpde.networks import KAN
from kanpde.optimizers import LevenbergMarquardt, Optimizer, Run
from kanpde.progress import INTERRUPTED, Budget
from kanpde.ranks import broadcast
from kanpde.residuals import FAILURES, Objective, Vector
from kanpde.session import Session


def trained_stage(
    objective: Objective,
    optimizer: Optimizer,
    before: Field | None,
    history: list[Stage],
    goal: float,
    is_default: bool,
    session: Session,
) -> dict[str, Any]:
    """The field of an objective, trained in place: its coefficients, the weights of rows in the end, its figures as a `Stage`,

    what observations tell, and what failed, if something did.
    """
    field, budget = objective.field, session.budget
    grid = field.network.grid if is_default and isinstance(field.network, KAN) else 0
    is_trajectory = field.problem.domain.names == (TIME,) and grid >= 16 and min(s.residual for s in history) > 1e-2
    if is_trajectory and session.journal.left() is None:
        march(objective, optimizer, grid, budget)
    coarser = history[-1].residual if history else inf
    steps, residual = fit(_warm(optimizer) if history else optimizer, objective, coarser, goal, history, session)

    def figures() -> tuple[Stage, Inference | None]:
        return measured_stage(field, before, history, steps, residual, budget.used), _inferred(objective, budget)

    stage, inference = session.measured(history, figures)
    found = {"coefficients": objective.coefficients, "weights": objective.weights}
    return {**found, "stage": stage, "inference": inference, "end": budget.end}


def approach(objective: Objective) -> None:
    """Where an equation does not exist for a random start (the root of a negative u), start nearer to what is built in."""
    for _ in range(4):
        if objective.is_finite():
            return
        objective.coefficients = 0.3 * objective.coefficients


def march(objective: Objective, optimizer: Optimizer, spans: int, budget: Budget) -> None:
    """A trajectory from its start, half a span of the grid at a time.

    Over a long time a guess at all of it ends on another branch of the equation; each part begins near its solution.
    """
    before = objective.coefficients
    objective.coefficients = torch.zeros_like(before)
    try:
        for half in range(1, 2 * spans):
            objective.horizon = half / (2 * spans)
            run = optimizer.begin(objective)
            for _ in range(4):
                if not budget.spent:
                    run.step()
    except KeyboardInterrupt:
        budget.end, objective.coefficients = INTERRUPTED, before
    except FAILURES:  # which training meets again, and tells of
        objective.coefficients = before
    objective.horizon = 1.0


class Course:
    """Training under way: ‖r‖ before each step of a run, the best of it, and the number of steps of runs before.

    `hindered` is what there was before observations got less weight: ‖r‖, coefficients and weights.
    """

    KEPT = ("best", "kept", "earlier", "hindered")

    def __init__(self, objective: Objective, run: Run, earlier: int = 0, hindered: dict[str, Any] | None = None) -> None:
        self.objective, self.run, self.earlier, self.hindered = objective, run, earlier, hindered
        self.seen: list[float] = []
        self.best, self.kept = inf, objective.coefficients

    def state(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in self.KEPT},
            "seen": [*self.seen],
            "objective": self.objective.state(),
            "run": self.run.state() if isinstance(self.run, Resumable) else None,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        self.seen = state["seen"]
        for name in self.KEPT:
            setattr(self, name, state[name])
        self.objective.resume(state["objective"])
        if isinstance(self.run, Resumable):
            self.run.resume(state["run"])

    def step(self) -> None:
        before = self.objective.coefficients
        found = self.run.step()
        self.seen.append(found if isfinite(found) else inf)
        if self.seen[-1] < self.best:
            self.best, self.kept = self.seen[-1], before

    def is_over(self, goal: float) -> bool:
        """Whether ‖r‖ is small, or has stopped falling."""
        # what a KAN that is near a solution does not learn in a few steps, its next grid does
        patience = 6 if isinstance(self.objective.field.network, KAN) and self.best < 0.1 else 20
        stalled = len(self.seen) > patience and not min(self.seen[-patience:]) <= 0.7 * min(self.seen[:-patience]) < inf
        return self.seen[-1] < goal or stalled


def fit(
    optimizer: Optimizer, objective: Objective, before: float, goal: float, history: list[Stage], session: Session
) -> tuple[int, float]:
    """Train; where noise then shows, weigh observations less and train on. It shows in misfits that stay although equations

    hold, or in equations that hold no better than `before`, by which a coarser network failed them. If they hold hardly better
    with less weight on the data, those did not hinder them, and it is taken back.

    Data lead at first, as all that solves the equations is a narrow valley to search for parameters; in the end the
    equations are in effect constraints, so that noise moves parameters alone. Returns how many steps, and what `train` does.
    """
    objective.coefficients = broadcast("start", lambda: objective.coefficients)
    course = Course(objective, optimizer.begin(objective))
    if (left := session.journal.left()) is not None:
        course.resume(left)
    while True:
        residual = train(course, goal, history, session)
        steps, hindered = course.earlier + len(course.seen), course.hindered
        if hindered is not None and residual > 0.5 * hindered["residual"]:  # the network's fault, which data have to lead on
            objective.coefficients, objective.weights = hindered["coefficients"], hindered["weights"]
            return steps, hindered["residual"]
        if session.budget.spent or not objective.sees_noise(residual, before):
            return steps, residual
        hindered = {"residual": residual, "coefficients": objective.coefficients, "weights": objective.weights}
        objective.tighten()
        course = Course(objective, _warm(optimizer).begin(objective), steps, hindered)


def train(course: Course, goal: float, history: list[Stage], session: Session) -> float:
    """Steps until ‖r‖ on fresh points is small or has stopped falling; keeps the best iterate.

    Returns ‖r‖ of what is kept, on points not trained on (infinite where it is not a number).
    """
    objective, budget, seen = course.objective, session.budget, course.seen
    try:
        try:
            while not seen or not (course.is_over(goal) or budget.spent):
                course.step()
                if isinstance(course.run, Resumable):
                    session.journal.under_way(course.state)
                session.show(history, objective.field, len(seen), seen[-1])
            return _measured(objective, course.kept)
        except KeyboardInterrupt:
            budget.end, objective.coefficients = INTERRUPTED, course.kept
            return _measured(objective, course.kept)
    except FAILURES as error:
        if not seen:
            raise
        budget.end = f"failed: {type(error).__name__}: {error}; the best network so far is kept,"
        objective.coefficients = course.kept
        return course.best  # what failed may fail again, so that nothing more is measured


def _measured(objective: Objective, kept: Vector) -> float:
    """‖r‖ on points not trained on, of the last iterate or of the best before, whichever is better, which is chosen.

    The last one has not been measured yet, and others only on the points of their own step.
    """
    objective.batch, last = objective.validation(), objective.coefficients
    measured = {}
    for name, coefficients in {"last": last, "kept": kept}.items():
        objective.coefficients = coefficients
        # what is reported leaves out the misfits of observations: noise is not what a network has to learn
        found = list(objective.norms()[:2])
        measured[name] = found if isfinite(found[0]) else [inf, inf]
    if measured["last"] <= measured["kept"]:
        objective.coefficients = last
    return min(measured.values())[1]


def _inferred(objective: Objective, budget: Budget) -> Inference | None:
    """Not of problems that observe nothing, nor of what failed, nor where rows have no Jacobian of their own."""
    if not objective.observed or budget.end is not None or objective.obstacle() is not None:
        return None
    return inferred(objective)


def _warm(optimizer: Optimizer) -> Optimizer:
    """After a refinement the network is near a solution: start with little damping."""
    return replace(optimizer, damping=1e-8) if isinstance(optimizer, LevenbergMarquardt) else optimizer
