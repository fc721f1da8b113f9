"""Bases side by side: the relative L2 errors that edges of each kind reach, at equal size and in equal time.

    python -m tests.benchmarks.bases [seconds]

For each problem and basis one network is refined to the finest grid that keeps to the size given, by way of a quarter and of
half of it; another as `solve` does of itself, for so many seconds. The median of three seeds, on one thread. Hats are not
among them: they have no second derivatives.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from statistics import median

import torch

from kanpde import KAN, Adaptive, Chebyshev, Fourier, Gaussian, Grids, MexicanHat, Problem, Product, Splines, solve
from kanpde.bases import Basis
from kanpde.refinement import Refinement
from problems.advection_diffusion import advection_diffusion
from problems.helmholtz import helmholtz
from problems.poisson import poisson, poisson_kan

SEEDS = range(3)
BASES: dict[str, Basis] = {
    "splines, degree 11": Splines(11),
    "splines, degree 5": Splines(5),
    "Chebyshev": Chebyshev(),
    "Fourier": Fourier(),
    "Gaussians": Gaussian(),
    "Mexican hats": MexicanHat(),
}


@dataclass(frozen=True)
class Case:
    make: Callable[[], Problem]
    nodes: Sequence[int | Product]
    size: int  # coefficients, at most, of the networks that are compared at equal size


CASES = {
    "Poisson, products": Case(poisson, [2, Product(1, rank=4)], 200),
    "Poisson, [2, 5, 1]": Case(poisson, [2, 5, 1], 320),
    "Poisson, the KAN paper's, products": Case(poisson_kan, [2, Product(1, rank=8)], 400),
    "Helmholtz (1, 4), products": Case(helmholtz, [2, Product(1, rank=4)], 250),
    "layer of width 0.05, one axis": Case(advection_diffusion, [1, 1], 40),
}


def finest(case: Case, basis: Basis) -> KAN:
    """The network on the finest grid, of a multiple of four spans, that keeps to the size."""
    networks = (KAN(case.nodes, grid=grid, basis=basis) for grid in count(4, 4))
    return [*takewhile(lambda network: network.size <= case.size, networks)][-1]


def error(case: Case, basis: Basis, grid: int, refine: Refinement, seconds: float) -> float:
    """Of the best network of a run, the median of all seeds."""
    found = []
    for seed in SEEDS:
        network = KAN(case.nodes, grid=grid, basis=basis, seed=seed)
        solution = solve(case.make(), network, refine=refine, max_seconds=seconds, seed=seed, progress=False)
        assert solution.errors is not None
        found.append(solution.errors.relative_l2)
    return median(found)


def row(case: Case, basis: Basis, seconds: float) -> tuple[str, str]:
    """At equal size, with that size; in equal time."""
    largest = finest(case, basis)
    equal = error(case, basis, largest.grid // 4, Grids((largest.grid // 2, largest.grid)), seconds)
    timed = error(case, basis, 4, Adaptive(degree=basis.degree or 1), seconds)
    return f"{equal:.0e} ({largest.size})", f"{timed:.0e}"


def main(seconds: float = 15.0) -> None:
    torch.set_num_threads(1)
    print(f"| problem | basis | equal size (coefficients) | {seconds:g} s |\n|---|---|---|---|")
    for name, case in CASES.items():
        for told, basis in BASES.items():
            print(f"| {name} | {told} | {' | '.join(row(case, basis, seconds))} |", flush=True)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
