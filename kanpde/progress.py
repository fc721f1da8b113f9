"""Time that a solution may take, and what is shown on the way."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from tqdm import tqdm

from kanpde.field import Field
from kanpde.history import Stage
from kanpde.ranks import broadcast_number, is_first, met

INTERRUPTED = "stopped: interrupted"

Show = Callable[[list[Stage], Field, int, float], Any]


@dataclass(frozen=True)
class Progress:
    """What a `Callback` sees after each step: how many stages are complete, the number of the step in the next one, ‖r‖,

    seconds so far, the field, and the complete stages with their errors. Steps of a network are its optimizer's, and ‖r‖ is
    that on their fresh points. A step of a march is a slab of time that was tried, one of a patch Gauss–Newton's, ‖r‖ their
    own, and the field that of the last complete stage.
    """

    stage: int
    step: int
    residual: float
    seconds: float
    field: Field
    history: tuple[Stage, ...]


class Callback(Protocol):
    """What `solve(…, progress=…)` calls after each step; what it raises ends the run. See `examples/monitoring.py`."""

    def __call__(self, progress: Progress) -> object: ...


class Budget:
    """The time that a solution may take. An interrupt by the user, or a failure, spends it at once."""

    def __init__(self, seconds: float | None) -> None:
        self.start, self.seconds = time.perf_counter(), seconds
        self.end: str | None = None  # why nothing more is to be tried

    @property
    def used(self) -> float:
        return time.perf_counter() - self.start

    def pause(self) -> None:
        """Until `resume`, nothing is spent: what was done before is read, and not done again."""
        self.start = inf

    def resume(self, used: float) -> None:
        """Go on after so many seconds."""
        self.start = time.perf_counter() - used

    @property
    def is_cut(self) -> bool:
        """Whether what was under way when it was spent might have gone on, unlike what failed."""
        return self.end == INTERRUPTED or (self.end is None and self.spent)

    @property
    def spent(self) -> bool:
        if self.end is not None or self.seconds is None:
            return self.end is not None
        seconds = self.seconds
        return bool(broadcast_number("time", lambda: float(self.used >= seconds)))  # as no two clocks agree


@contextmanager
def shown(progress: bool | Callback | None, budget: Budget) -> Iterator[Show]:
    """What to do after each step: call the user's function, or move a bar on a terminal; of many processes rank 0 does."""
    if callable(progress):
        yield _by_first(
            lambda history, field, step, r: progress(Progress(len(history), step, r, budget.used, field, tuple(history)))
        )
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
