"""Coefficients that a trained network takes for an error, on problems with a layer: spans halved alike, and marked ones.

    python -m tests.benchmarks.marking [seconds] [which]

Each figure is the first stage's at or below an error, of that seed of 0 to 2 that takes the most; – where one does not reach
it. Smooth problems, last, show what marking costs where it cannot gain.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, pi

import torch
from torch import Tensor, atan, exp, sin, tanh

from kanpde import KAN, Adaptive, Box, Marked, Problem, Solution, diff, laplacian, manufactured, solve
from problems.advection_diffusion import advection_diffusion
from problems.burgers_front import burgers_front
from problems.heat import heat
from problems.helmholtz import helmholtz
from problems.poisson import poisson

SEEDS = range(3)
ERRORS = (1e-3, 1e-5, 1e-7, 1e-9, 1e-11)


def arctan_layer(steepness: float = 60.0) -> Problem:
    """−u″ = f on [0, 1], u = atan(s (x − 0.36))."""
    return manufactured(lambda x: atan(steepness * (x - 0.36)), lambda u, x: -diff(u, x, x), Box(x=(0, 1)))


def tanh_layer(steepness: float = 20.0) -> Problem:
    """−Δu = f on [-1, 1]², u = tanh(s (x − 0.3)) sin πy."""

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return tanh(steepness * (x - 0.3)) * sin(pi * y)

    return manufactured(exact, lambda u, x, y: -laplacian(u, x, y), Box(x=(-1, 1), y=(-1, 1)))


def wall_layer(epsilon: float = 0.02) -> Problem:
    """u_x − ε Δu = f on [0, 1]², u = (x − e^{(x − 1)/ε}) sin πy."""

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return (x - exp((x - 1) / epsilon)) * sin(pi * y)

    def operator(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return diff(u, x) - epsilon * laplacian(u, x, y)

    return manufactured(exact, operator, Box(x=(0, 1), y=(0, 1)))


@dataclass(frozen=True)
class Case:
    name: str
    problem: Callable[[], Problem]
    network: Callable[[int], KAN | None] = lambda _: None  # by seed; by default that of `solve`


def deep(seed: int) -> KAN:
    return KAN([2, 5, 1], seed=seed)


CASES = {
    "line": [
        Case("advection and diffusion, layer 0.05", advection_diffusion),
        Case("advection and diffusion, layer 0.01", lambda: advection_diffusion(0.01)),
        Case("advection and diffusion, layer 0.001", lambda: advection_diffusion(0.001)),
        Case("Poisson, atan 60x", arctan_layer),
    ],
    "plane": [
        Case("advection and diffusion, layer 0.02 at a wall", wall_layer),
        Case("Poisson, tanh 20x sin πy", tanh_layer),
    ],
    "deep": [
        Case("Poisson, tanh 20x sin πy, KAN([2, 5, 1])", tanh_layer, deep),
        Case("BURGERS front, KAN([2, 5, 1])", burgers_front, deep),
    ],
    "smooth": [
        Case("POISSON", poisson),
        Case("HELMHOLTZ", helmholtz),
        Case("heat", heat),
    ],
}


def errors_of(solution: Solution) -> list[float]:
    return [stage.errors.relative_l2 or inf for stage in solution.history]


def coefficients(solution: Solution, error: float) -> float:
    found = zip(solution.history, errors_of(solution), strict=True)
    return next((stage.size for stage, own in found if own <= error), inf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=float, default=120.0, help="at most, of each solution")
    parser.add_argument("which", nargs="*", default=[*CASES], help="of " + ", ".join(CASES))
    given = parser.parse_args()
    torch.set_num_threads(2)
    heads = [f"{error:.0e}: alike, marked" for error in ERRORS]
    print(f"| problem | {' | '.join(heads)} | least errors | seconds |\n" + "|---" * (len(heads) + 3) + "|")
    for case in (case for kind in given.which for case in CASES[kind]):
        found = [
            [solve(case.problem(), case.network(seed), refine=refine, seed=seed, max_seconds=given.seconds) for seed in SEEDS]
            for refine in (Adaptive(), Marked())
        ]
        figures = []
        for error in ERRORS:
            sizes = [max(coefficients(solution, error) for solution in own) for own in found]
            figures.append(", ".join("–" if size == inf else f"{size}" for size in sizes))
        least = "; ".join(" ".join(f"{min(errors_of(s)):.0e}" for s in own) for own in found)
        seconds = "; ".join(f"{max(s.history[-1].seconds for s in own):.0f}" for own in found)
        print(f"| {case.name} | {' | '.join(figures)} | {least} | {seconds} |", flush=True)


if __name__ == "__main__":
    main()
