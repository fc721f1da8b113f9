"""`Marching`: evolution on an interval or a ring, or of numbers alone, slab after slab of time, each as fine as it has to be.

A slab is solved again on other breaks where its splines err by more than the tolerance, and shorter where its highest
polynomials in time do; the next one begins with what was needed. What neither changes is rounding, and is put up with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from kanpde.boxes import Box
from kanpde.conditions import Integral, Interface, Periodic
from kanpde.domains import TIME, Part, is_end
from kanpde.evolution import Slab, State, Strip, Trace
from kanpde.field import Field
from kanpde.history import Stage, measured_stage, reaches
from kanpde.lines import COARSEST, Line
from kanpde.problem import Problem
from kanpde.progress import INTERRUPTED, Budget
from kanpde.residuals import FAILURES, Objective, checked_weights, not_local, point_count
from kanpde.sampling import Graded
from kanpde.session import OutOfTimeError, Session
from kanpde.slabs import Slabs, slab_network
from kanpde.solution import Solution

TRIES = 12  # for a slab, before it is taken as it is
SHORTEST = 1e-9  # slab, of the whole time
FORGOTTEN = 0.3  # of what was taken for noise, from one slab to the next
GROWTH = 2.0  # of a slab over the one before, at most


@dataclass(frozen=True)
class Marching:
    """Slabs of time instead of one network for all of it, one stage a tolerance: for problems on an interval or a ring, and for

    ordinary differential equations with initial values, on an axis t.

    `tolerances` are relative to the size of the solution, for what a slab adds to the error of those before:
    `solve(problem, refine=Marching((1e-3, 1e-6)))` stops earlier than the default. `degree` is that of the splines and of the
    polynomials in time. By default `solve` marches where one network for all times does not get on.
    """

    tolerances: Sequence[float] = (1e-5, 1e-9, 1e-13)
    degree: int = 11

    def __post_init__(self) -> None:
        listed = list(self.tolerances) if isinstance(self.tolerances, Sequence) else [None]
        numbers = {tol for tol in listed if isinstance(tol, int | float) and 0 < tol < 1}
        if not numbers or sorted(numbers, reverse=True) != listed:
            raise ValueError(
                f"Marching({self.tolerances!r}); give tolerances between 0 and 1, each below the one before, as in "
                "Marching((1e-3, 1e-6))"
            )
        if not isinstance(self.degree, int) or self.degree < 2:
            raise ValueError(f"degree={self.degree!r}; give a whole number, at least 2 more than the order of the equation")

    def obstacle(self, problem: Problem) -> str | None:
        """Why a problem cannot be marched through; None if it can."""
        return no_evolution(problem, self.degree) or not_local(Field(problem, blank(problem, self.degree)))

    def solution(self, problem: Problem, before: Solution | None, session: Session) -> Solution | None:
        """In stages that follow those of the solution `before`; None if there is none, or none in time that is better."""
        return _marched(problem, self, before, session)


class StalledError(RuntimeError):
    """No slab, however short, could be solved."""


def no_evolution(problem: Problem, degree: int) -> str | None:
    """Why a problem cannot be marched through; None if it can."""
    domain = problem.domain
    if not isinstance(domain, Box) or TIME not in domain.names or domain.dimension > 2:
        return f"its domain is {domain}, but slabs are for time, alone or with an interval, as in Box(x=(0, 1), {TIME}=(0, 1))"
    if problem.parameters or problem.observations:
        return "it has parameters or observations, which belong to all times at once"
    for name, condition in problem.conditions.items():
        part = problem.parts[name]
        if isinstance(condition, Periodic) and condition.axis != TIME:
            continue
        if isinstance(condition, Periodic | Integral | Interface) or not isinstance(part, Part) or part.predicate is not None:
            return f"condition {name!r} is not one on all of a face"
        if not all(is_end(face) for face in part.faces) or (TIME, 1) in part.faces:
            return f"condition {name!r} holds at the last time"
    if all(by_axis[TIME] == 0 for by_axis in problem.orders.values()):
        return "its equations have no derivative by time"
    if degree < problem.order + 2:
        return f"its equations have derivatives of order {problem.order}, which ask for degree={problem.order + 2} or more"
    return None


def blank(problem: Problem, degree: int) -> Slabs:
    """A slab of zeros: what a field needs to know before there is more."""
    axis = problem.domain.names.index(TIME)
    ring = any(isinstance(c, Periodic) for c in problem.conditions.values())
    # a ring has as many functions as spans, and a band needs two widths of them
    line = Line.uniform(2 * COARSEST + 2 * degree, degree, ring) if problem.domain.spatial else Line.point()
    count = len(problem.unknowns)
    zeros = [torch.zeros(line.count, degree + 1, dtype=torch.float64)] * count
    network = slab_network(line, zeros, [0] * count, axis)
    return Slabs(torch.tensor([-1.0, 1.0], dtype=torch.float64), [network], axis, 1.0)


class March:
    """From the start to the end: `traces` of the slabs so far, each adding about `tol` of the solution's size to the error.

    `watch(march, slab)` is called after each attempt, and may raise to end it all; `pause(march)` before each slab.
    """

    def __init__(
        self,
        strip: Strip,
        tol: float,
        watch: Callable[["March", Slab], None],
        pause: Callable[["March"], None] = lambda _: None,
    ) -> None:
        self.strip, self.tol, self.watch, self.pause = strip, tol, watch, pause
        self.traces: list[Trace] = []
        self.tried = 0
        self.line = strip.network.line(0)
        nothing = {u: torch.zeros(self.line.count, m, dtype=torch.float64) for u, m in strip.carried(0).items()}
        self.reached = State(strip.start, self.line, nothing)
        self.duration = (strip.end - strip.start) / 16
        # what spans, slabs and steps leave where finer ones do not help
        self.noise = {"spans": 0.0, "time": 0.0, "steps": 0.0}

    def run(self) -> None:
        while not self.is_done:
            self.pause(self)
            slab = self._resolved()
            self.traces.append(slab.trace())
            self.reached = slab.end()
            self.noise = {kind: FORGOTTEN * level for kind, level in self.noise.items()}  # it may pass, as that of a jump does

    def state(self) -> dict[str, Any]:
        reached = self.reached
        return {
            "slabs": [[trace.start, trace.line.breaks, trace.coefficients] for trace in self.traces],
            "reached": [reached.time, reached.line.breaks, reached.derivatives],
            "breaks": self.line.breaks,
            "tried": self.tried,
            "duration": self.duration,
            "noise": self.noise,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        self.traces = [
            Trace(start, replace(self.line, breaks=breaks), coefficients, self.strip.carried(number))
            for number, (start, breaks, coefficients) in enumerate(state["slabs"])
        ]
        time, breaks, derivatives = state["reached"]
        self.reached = State(time, replace(self.line, breaks=breaks), derivatives)
        self.line = replace(self.line, breaks=state["breaks"])
        self.tried, self.duration, self.noise = state["tried"], state["duration"], dict(state["noise"])

    @property
    def is_done(self) -> bool:
        return self.reached.time >= self.strip.end - SHORTEST * (self.strip.end - self.strip.start)

    def network(self) -> Slabs:
        """Of the slabs so far; the last one lasts to the end, as what it ends with, if they do not reach it."""
        traces, axis = list(self.traces), self.strip.network.axis
        if not self.is_done:
            held = {u: torch.cat([c[:, :1], 0 * c[:, 1:]], 1) for u, c in self.reached.derivatives.items()}
            state = replace(self.reached, derivatives=held)
            traces.append(Slab(self.strip, state, self.strip.end - state.time, is_first=False).trace())
        low, high = self.strip.start, self.strip.end
        times = torch.tensor([*(trace.start for trace in traces), high], dtype=torch.float64)
        return Slabs(2 * (times - low) / (high - low) - 1, [trace.network(axis) for trace in traces], axis, self.tol)

    def _resolved(self) -> Slab:
        """The next slab, tried until it is resolved."""
        line, before = self.line, None
        for attempt in range(TRIES):
            slab = self._solved(line)
            bends = slab.bends()
            missed, tail = slab.line.missed(bends).max().item(), slab.tail
            if before is not None:
                self._listen(slab, missed, tail, *before)
            before = slab, missed, tail
            factor = 0.8 * (self._limit("time") / max(tail, 1e-300)) ** (1 / self.strip.degree)
            wanted = slab.line.graded(bends, 0.1 * self.tol)
            coarse, late = missed > self._limit("spans"), tail > 2 * self._limit("time")
            if not (coarse or late) or attempt == TRIES - 1:
                break
            line = wanted if coarse else line
            self.duration *= max(0.3, factor) if late else 1.0
        # breaks are kept as long as they do
        self.line = wanted if missed > 0.3 * self._limit("spans") or wanted.spans < 0.8 * slab.line.spans else slab.line
        self.duration *= min(max(0.3, factor), GROWTH)
        return slab

    def _solved(self, line: Line) -> Slab:
        """The next slab on a line, shorter where it cannot be solved."""
        whole = self.strip.end - self.strip.start
        while self.duration > SHORTEST * whole:
            left = self.strip.end - self.reached.time
            self.duration = left if 1.3 * self.duration > left else self.duration  # no sliver at the end
            slab = Slab(self.strip, self.reached.on(line, self.strip.ends(0)), self.duration, not self.traces)
            solved = slab.solve(self._limit("steps"))
            self.tried += 1
            self.watch(self, slab)
            if solved:
                self.noise["steps"] = max(self.noise["steps"], slab.moved if slab.moved > self.tol else 0.0)
                return slab
            self.duration /= 3
        raise StalledError(f"no slab of time could be solved after {TIME}={self.reached.time:.6g}")

    def _limit(self, kind: str) -> float:
        return max(self.tol, 3 * self.noise[kind])

    def _listen(self, slab: Slab, missed: float, tail: float, last: Slab, last_missed: float, last_tail: float) -> None:
        """What finer breaks or a shorter slab did not change is noise."""
        if slab.line is not last.line and missed > 0.8 * last_missed and missed > self.tol:
            self.noise["spans"] = max(self.noise["spans"], missed)
        if slab.duration < 0.9 * last.duration and tail > 0.5 * last_tail and tail > self.tol:
            self.noise["time"] = max(self.noise["time"], tail)


def _marched(problem: Problem, marching: Marching, before: Solution | None, session: Session) -> Solution | None:
    """March to the end for one tolerance after the other, in stages that follow those of the solution `before`.

    None where not even the first march can be done, or in time where there is something before it.
    """
    field = Field(problem, blank(problem, marching.degree))
    weights = checked_weights(session.weights, field)
    strip, budget = Strip(field, weights), session.budget
    history: list[Stage] = list(before.history) if before is not None else []
    earlier, shown = len(history), field if before is None else before.field
    for tolerance in marching.tolerances:
        watch, ended = partial(_watch, history, shown, session), None
        march = March(strip, tolerance, watch, lambda march: session.journal.under_way(march.state))
        try:
            session.journal.carried(f"march to {tolerance:g}", march, march.run)
        except OutOfTimeError:
            ended = f"stopped: {budget.seconds:g} s are over"
        except KeyboardInterrupt:
            ended = budget.end = INTERRUPTED
        except FAILURES:
            ended = "converged: finer slabs could not be solved"
            if len(history) == earlier:
                return None
        if history and ended:
            if len(history) == earlier:
                return None
            return _found(field, history, f"{ended} on the way to slabs that are resolved to {tolerance:g}")
        finer = field.with_network(march.network())
        residual = session.measured(history, partial(_judged, finer, weights, session.seed + len(history)))
        if len(history) > earlier and not residual < 10 * history[-1].residual:
            return _found(field, history, "converged: finer slabs of time add nothing but rounding")
        figures = partial(_figures, finer, shown, history, march, residual, budget)
        history.append(session.measured(history, partial(session.journal.once, "figures", figures)))
        field = shown = finer
        session.keep(field, history, residual)
        if ended:
            reached = f"{TIME}={march.reached.time:.4g}, beyond which the solution is kept as it was there"
            return _found(field, history, f"{ended} at {reached}; raise max_seconds")
        if reached := reaches(history[-1], session.tol):
            return _found(field, history, reached)
    status = f"every slab of time is resolved to {marching.tolerances[-1]:g}, at residual {history[-1].residual:.1e}"
    above = "" if session.tol is None else f" above tol={session.tol:g}; take smaller ones in refine=Marching(tolerances)"
    return _found(field, history, f"{'stopped' if above else 'converged'}: {status}{above}")


def _found(field: Field, history: list[Stage], status: str) -> Solution:
    return Solution(field, tuple(history), status, errors=history[-1].errors)


def _judged(field: Field, weights: Mapping[str, float], seed: int) -> float:
    return Objective(field, Graded(), weights, point_count(field), seed).validated()


def _figures(field: Field, before: Field, history: list[Stage], march: March, residual: float, budget: Budget) -> Stage:
    return measured_stage(field, before if history else None, history, march.tried, residual, budget.used)


def _watch(history: list[Stage], field: Field, session: Session, march: March, slab: Slab) -> None:
    session.show(history, field, march.tried, slab.residual)
    if session.budget.spent:
        raise OutOfTimeError
