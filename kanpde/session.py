"""What every way to a solution is told: weights and tolerances, time that may be taken, what is shown and kept on the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

from kanpde.estimates import Inference
from kanpde.field import Field
from kanpde.history import Stage
from kanpde.journal import Journal
from kanpde.logs import log_stage
from kanpde.problem import Problem
from kanpde.progress import INTERRUPTED, Budget, Show
from kanpde.solution import Solution

Found = TypeVar("Found")


@dataclass(frozen=True)
class Session:
    """One call of `solve`; see there. `show` is called after each step, `keep` after each stage."""

    weights: Mapping[str, float]
    tol: float | None
    budget: Budget
    seed: int
    show: Show
    journal: Journal
    is_rough: bool = False

    def rough(self, tol: float) -> "Session":
        """The same for something on the way, which is not kept, to a tolerance that is no smaller than what is asked for."""
        return replace(self, tol=max(tol, self.tol or 0.0), is_rough=True)

    def keep(self, field: Field, history: list[Stage], residual: float, inference: Inference | None = None) -> None:
        """Keep what there is so far, whose ‖r‖ is given, and write it if there is a file for it."""
        if not self.is_rough:
            status = "unfinished: saved on the way, from where the same call goes on"
            self.journal.keep(Solution(field, tuple(history), status, inference), residual)
        if not self.journal.is_replayed:
            log_stage(len(history), history[-1])
        self.journal.write()

    def measured(self, history: list[Stage], figures: Callable[[], Found]) -> Found:
        """What a stage is; the first one is not given up for an interrupt, as then there would be nothing."""
        try:
            return figures()
        except KeyboardInterrupt:
            if history:
                raise
            self.budget.end = INTERRUPTED
            return figures()


@runtime_checkable
class Direct(Protocol):
    """A way to a solution by splines that are all there, so that nothing is trained."""

    def obstacle(self, problem: Problem) -> str | None:
        """Why a problem cannot be solved so; None if it can."""
        ...

    def solution(self, problem: Problem, before: Solution | None, session: Session) -> Solution | None:
        """In stages that follow those of the solution `before`; None if there is none, or none in time that is better."""
        ...


class OutOfTimeError(RuntimeError):
    """The budget is spent."""
