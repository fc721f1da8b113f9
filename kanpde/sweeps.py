"""`sweep`: several problems and seeds, each solved in a process of its own, as many at once as there are jobs.

Parameters are swept by the problems that they make: `sweep({f"nu = {nu}": burgers(nu) for nu in (0.1, 0.01)}, jobs=2)`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, TypeVar

import torch
from joblib import Parallel, delayed, parallel_config

from kanpde.problem import Problem
from kanpde.ranks import VARIABLES
from kanpde.solution import Solution
from kanpde.solver import solve

Name = TypeVar("Name")
Made = TypeVar("Made")
Key = tuple[str, int]  # the problem's name, and the seed


@dataclass(frozen=True)
class Sweep:
    """What a sweep found, by name of the problem and seed: solutions, and the errors of what failed. `print(sweep)` shows, for

    each problem, the median and the worst of its seeds: relative L2 errors, or estimates of them without an exact solution, or
    residuals where there are none either.
    """

    solutions: Mapping[Key, Solution]
    failures: Mapping[Key, Exception]

    def __str__(self) -> str:
        names = list(dict.fromkeys(name for name, _ in [*self.solutions, *self.failures]))
        width = max(map(len, [*names, "problem"]))
        lines = [f"{'problem':<{width}} {'seeds':>5} {'failed':>6} {'figure':>8} {'median':>9} {'worst':>9} {'seconds':>8}"]
        return "\n".join([*lines, *(f"{name:<{width}} {self._row(name)}" for name in names)])

    def _row(self, name: str) -> str:
        own = [solution for (problem, _), solution in self.solutions.items() if problem == name]
        failed = sum(problem == name for problem, _ in self.failures)
        row = f"{len(own) + failed:>5} {failed:>6}"
        if not own:
            return row
        best = [min(solution.history, key=lambda stage: stage.residual) for solution in own]
        figures = {
            "rel. L2": [stage.errors.relative_l2 for stage in best],
            "estimate": [stage.errors.estimate for stage in best],
            "residual": [stage.residual for stage in best],
        }
        figure, found = next((figure, numbers) for figure, numbers in figures.items() if None not in numbers)
        longest = max(solution.history[-1].seconds for solution in own)
        return f"{row} {figure:>8} {median(found):>9.1e} {max(found):>9.1e} {longest:>8.1f}"


def sweep(
    problems: Problem | Mapping[str, Problem],
    seeds: Sequence[int] = (0,),
    *,
    jobs: int = 1,
    **settings: Any,
) -> Sweep:
    """Solve each problem from each seed. What fails is told in `Sweep.failures`, and an interrupt ends with what is there.

    Parameters
    ----------
    problems: one, or several by name.
    jobs: how many processes run at once, which share the processor's cores; 1 solves here, one after the other.
    settings: those of `solve`, the same for all; `progress` is False.

    Raises ValueError or TypeError before any work if there is nothing to solve or no such number of processes.
    """
    named = {"problem": problems} if isinstance(problems, Problem) else problems
    if not isinstance(named, Mapping) or not named or not all(isinstance(problem, Problem) for problem in named.values()):
        raise TypeError(f'problems={problems!r}; give a Problem, or several by name, as in {{"nu = 0.1": burgers(0.1)}}')
    if isinstance(seeds, int) or not list(seeds) or not all(isinstance(seed, int) for seed in seeds):
        raise TypeError(f"seeds={seeds!r}; give integers, such as range(5)")
    work = {
        (name, seed): partial(_solved, problem, {"progress": False, **settings, "seed": seed})
        for name, problem in named.items()
        for seed in seeds
    }
    solutions: dict[Key, Solution] = {}
    failures: dict[Key, Exception] = {}
    try:
        for key, found in together(work, jobs):
            if isinstance(found, Solution):
                solutions[key] = found
            else:
                failures[key] = found
    except KeyboardInterrupt:
        if not solutions:
            raise
    return Sweep({key: solutions[key] for key in work if key in solutions}, failures)


def together(work: Mapping[Name, Callable[[], Made]], jobs: int) -> Iterator[tuple[Name, Made]]:
    """What each piece of work makes, as it is done, by so many processes, which share the cores.

    Raises ValueError before any work if there is no such number of processes.
    """
    if not isinstance(jobs, int) or jobs < 1:
        raise ValueError(f"jobs={jobs!r}; give a number of processes, 1 or more")
    if jobs == 1:
        yield from ((name, make()) for name, make in work.items())
        return
    # of as many threads as there are cores, each process would wait for those of the others
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=threads):
        for found in Parallel(return_as="generator_unordered")(
            delayed(_made)(name, make, threads) for name, make in work.items()
        ):
            assert found is not None
            yield found


def _made(name: Name, make: Callable[[], Made], threads: int) -> tuple[Name, Made]:
    torch.set_num_threads(threads)
    for variable in VARIABLES:  # where torchrun started what started this: it is alone with its problem
        os.environ.pop(variable, None)
    return name, make()


def _solved(problem: Problem, settings: Mapping[str, Any]) -> Solution | Exception:
    try:
        return solve(problem, **settings)
    except Exception as error:  # of this one; the others go on
        return error
