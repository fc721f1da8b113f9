"""What every way to a solution is told: time that may be taken, weights and tolerances, what is shown and kept on the way."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from tqdm import tqdm

from kanpde.estimates import Inference
from kanpde.field import Field
from kanpde.problem import Problem
from kanpde.ranks import broadcast_number, is_first, met
from kanpde.slabs import Slabs
from kanpde.solution import Solution, Stage

Show = Callable[[list[Stage], Field, int, float], None]


@dataclass(frozen=True)
class Progress:
    """What a callback sees after each step: how many stages are complete, the number of the step in the next one, ‖r‖,

    seconds so far. Steps of a network are its optimizer's, and ‖r‖ is that on their fresh points. A step of a march is a slab
    of time that was tried, one of a patch Gauss–Newton's, ‖r‖ their own, and the field that of the last complete stage.
    """

    stage: int
    step: int
    residual: float
    seconds: float
    field: Field


class Budget:
    """The time that a solution may take. An interrupt by the user, or a failure, spends it at once."""

    def __init__(self, seconds: float | None) -> None:
        self.start, self.seconds = time.perf_counter(), seconds
        self.end: str | None = None  # why nothing more is to be tried

    @property
    def used(self) -> float:
        return time.perf_counter() - self.start

    @property
    def spent(self) -> bool:
        if self.end is not None or self.seconds is None:
            return self.end is not None
        seconds = self.seconds
        return bool(broadcast_number("time", lambda: float(self.used >= seconds)))  # as no two clocks agree


@dataclass(frozen=True)
class Session:
    """One call of `solve`; see there. `show` is called after each step, `keep` after each stage."""

    weights: Mapping[str, float]
    tol: float | None
    budget: Budget
    seed: int
    show: Show
    checkpoint: str | Path | None

    def rough(self, tol: float) -> "Session":
        """The same for something on the way, which is not kept, to a tolerance that is no smaller than what is asked for."""
        return replace(self, tol=max(tol, self.tol or 0.0), checkpoint=None)

    def keep(self, field: Field, history: list[Stage], inference: Inference | None = None) -> None:
        """Save what there is so far, if there is a file for it."""
        if self.checkpoint is not None:
            advice = "" if isinstance(field.network, Slabs) else "; go on with solve(problem, solution.model)"
            status = f"unfinished: saved on the way{advice}"
            Solution(field, tuple(history), status, inference).save(self.checkpoint)


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


@contextmanager
def shown(progress: bool | Callable[[Progress], None] | None, budget: Budget) -> Iterator[Show]:
    """What to do after each step: call the user's function, or move a bar on a terminal; of many processes rank 0 does."""
    if callable(progress):
        yield _by_first(lambda history, field, step, r: progress(Progress(len(history), step, r, budget.used, field)))
        return
    wanted = is_first() and (sys.stderr.isatty() if progress is None else progress)
    with tqdm(disable=not wanted, unit=" steps", bar_format="{desc} | {n} steps in {elapsed}{postfix}") as bar:

        def show(history: list[Stage], field: Field, step: int, residual: float) -> None:
            error = history[-1].errors.relative_l2 if history else None
            known = "" if error is None else f", relative L2 {error:.1e}"
            size = sum(p.numel() for p in field.network.parameters())
            bar.set_description_str(f"stage {len(history) + 1}: {size} coefficients, step {step}", refresh=False)
            bar.set_postfix_str(f"residual {residual:.1e}{known}", refresh=False)
            bar.update()

        yield _by_first(show)


def _by_first(show: Show) -> Show:
    def shown(history: list[Stage], field: Field, step: int, residual: float) -> None:
        with met(f"step {step} after {len(history)} stages"):  # what a callback raises ends all
            if is_first():
                show(history, field, step, residual)

    return shown
