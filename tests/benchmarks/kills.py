"""Runs that are killed at random moments and gone on with: nothing corrupt, little lost, the same digits in the end.

    python -m tests.benchmarks.kills [case …]

kills twenty runs at random moments, four of each case, every other one twice, by SIGKILL, and prints how many seconds of work
were lost at most, and how far the solutions are from that of a run that was never killed. Lost is what was done since the last
checkpoint: an interval of 2 seconds, and the piece (a step, a slab, an estimate of the error) that was under way when it ended;
the longest piece of each case is printed, too.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch

from examples.continuation import reaction
from kanpde import KAN, Checkpoint, Grids, Marching, Problem, Product, Solution, TensorProduct, solve
from kanpde.saved import read
from problems.burgers import burgers
from problems.cavity import cavity
from problems.helmholtz import helmholtz
from problems.poisson import poisson, poisson_kan

RUNS, EVERY = 4, 2.0  # of each case; seconds


@dataclass(frozen=True)
class Case:
    """How to solve `problem`, which is the one at the end of the way where one is followed."""

    problem: Callable[[], Problem]
    solution: Callable[..., Solution]


SMALL = KAN([2, Product(1, rank=4)], grid=2, degree=7)

CASES = {
    "small": Case(poisson, lambda **run: solve(poisson(), SMALL, refine=Grids((4,)), **run)),
    "network": Case(poisson_kan, lambda **run: solve(poisson_kan(), refine=Grids((4, 8)), **run)),
    "march": Case(burgers, lambda **run: solve(burgers(), refine=Marching((1e-2, 1e-4)), **run)),
    "patch": Case(lambda: helmholtz(1, 4), lambda **run: solve(helmholtz(1, 4), refine=TensorProduct(1e-6), **run)),
    "cavity": Case(cavity, lambda **run: solve(cavity(), refine=TensorProduct(size=1500), **run)),
    "way": Case(
        lambda: reaction(strength=2.0), lambda **run: solve(reaction, continuation={"strength": [1, 2]}, tol=1e-8, **run)
    ),
}


def solved(name: str, path: Path, every: float) -> None:
    """What a process does. After each step it says how many seconds the run has used, and at what time that was."""
    torch.set_num_threads(2)

    def say(seconds: float) -> None:
        print(seconds, time.time(), flush=True)

    say(used(path))
    CASES[name].solution(checkpoint=Checkpoint(path, every), progress=lambda p: say(p.seconds))


def begun(name: str, path: Path, every: float) -> tuple[subprocess.Popen[bytes], Path]:
    """A process that has imported what it needs, and the file that it says its steps in."""
    steps = path.with_suffix(".txt")
    command = [sys.executable, "-m", "tests.benchmarks.kills", "--one", name, str(path), str(every)]
    with open(steps, "wb") as file:
        child = subprocess.Popen(command, stdout=file)
    while steps.stat().st_size == 0 and child.poll() is None:
        time.sleep(0.01)
    return child, steps


def said(steps: Path) -> list[tuple[float, float]]:
    """Seconds used and times, from whole lines."""
    lines = steps.read_text().splitlines(keepends=True)
    return [(float(one), float(other)) for one, other in (line.split() for line in lines if line.endswith("\n"))]


def finished(name: str, path: Path, every: float) -> tuple[Solution, list[float]]:
    """A run to its end, and how long each piece of it took."""
    child, steps = begun(name, path, every)
    assert child.wait() == 0
    times = [at for _, at in said(steps)] + [time.time()]
    return Solution.load(path, CASES[name].problem()), [after - before for before, after in pairwise(times)]


def used(path: Path) -> float:
    """Seconds that a run had used when its file was written; raises ValueError if the file is not whole."""
    return read(path)[0]["journal"]["seconds"] if path.exists() else 0.0


def killed(name: str, path: Path, every: float, step: int, later: float) -> float:
    """Kill a run so many seconds after a step; returns how many seconds of work are lost."""
    child, steps = begun(name, path, every)
    while len(said(steps)) <= step and child.poll() is None:
        time.sleep(0.01)
    time.sleep(later)
    assert child.poll() is None, "it was complete before it could be killed"
    child.kill()
    ended = time.time()
    child.wait()
    seconds, at = said(steps)[-1]
    return seconds + ended - at - used(path)


def coefficients(solution: Solution) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in solution.model.parameters()])


@dataclass(frozen=True)
class Outcome:
    """`lost` are seconds of work, by kill; `apart` is the largest difference of coefficients, relative to the largest one;

    errors are those in L2, or ‖r‖ where they are not known.
    """

    seconds: float
    longest_piece: float
    lost: tuple[float, ...]
    apart: float
    error: float
    error_unkilled: float


def outcome(name: str, runs: int = RUNS, every: float = EVERY) -> Outcome:
    random, lost, apart, errors = Random(0), [], 0.0, []
    with TemporaryDirectory() as folder:
        whole, pieces = finished(name, Path(folder, "whole.kanpde"), every)
        for number in range(runs):
            path = Path(folder, f"{number}.kanpde")
            left = len(pieces) - 3  # steps, the last two of which no kill waits for
            for _ in range(1 + number % 2):
                step = random.randint(0, left)
                left -= step
                lost.append(killed(name, path, every, step, random.uniform(0, 0.5 * sum(pieces) / len(pieces))))
            solution, _ = finished(name, path, every)
            gap = coefficients(solution) - coefficients(whole)
            apart = max(apart, (gap.abs().max() / coefficients(whole).abs().max()).item())
            errors.append(_error(solution))
    return Outcome(sum(pieces), max(pieces), tuple(lost), apart, max(errors), _error(whole))


def _error(solution: Solution) -> float:
    last = solution.history[-1]
    return last.residual if last.errors.relative_l2 is None else last.errors.relative_l2


def main(names: list[str]) -> None:
    print(f"{'case':>8} {'seconds':>8} {'piece':>6} {'kills':>6} {'lost':>6} {'apart':>8} {'error':>9} {'unkilled':>9}")
    for name in names or [name for name in CASES if name != "small"]:
        found = outcome(name)
        print(
            f"{name:>8} {found.seconds:>8.1f} {found.longest_piece:>6.2f} {len(found.lost):>6} {max(found.lost):>6.2f} "
            f"{found.apart:>8.1e} {found.error:>9.2e} {found.error_unkilled:>9.2e}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        solved(sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]))
    else:
        main(sys.argv[1:])
