"""The KAN paper's scaling law on functions like its own and on Poisson's problem: KANs of splines and MLPs.

    python -m tests.benchmarks.scaling [picture.png]

arXiv 2404.19756, section 3.1, has error ∝ coefficients^−(k + 1) for splines of degree k where the network has the function's
own structure; MLPs are said to follow slower laws. Both are trained by `solve`'s Levenberg–Marquardt, 8 s a network at most.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, cos, exp, nn, sin

from kanpde import KAN, MLP, Box, Problem, convergence_study, fit
from problems.poisson import poisson

SECONDS = 8
DEGREE = 3
GRIDS = (4, 8, 16, 32, 64)
WIDTHS = (2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Case:
    problem: Callable[[], Problem]
    kan: Sequence[int]


def fitted(function: Callable[..., Tensor], **axes: tuple[float, float]) -> Callable[[], Problem]:
    return lambda: fit(function, Box(**axes), MLP([len(axes), 2, 1]), max_seconds=0.01).problem


CASES = {
    "cos 20x exp −x": Case(fitted(lambda x: cos(20 * x) * exp(-x), x=(0, 1)), [1, 1]),
    "exp(sin πx + y²)": Case(fitted(lambda x, y: exp(sin(torch.pi * x) + y**2), x=(-1, 1), y=(-1, 1)), [2, 1, 1]),
    "xy": Case(fitted(lambda x, y: x * y, x=(-1, 1), y=(-1, 1)), [2, 2, 1]),
    "Poisson on a line": Case(lambda: poisson(dimension=1), [1, 1]),
    "Poisson on a square": Case(poisson, [2, 4, 1]),
}


def main(paths: Sequence[str] = ()) -> None:
    torch.set_num_threads(2)
    print("| case | network | coefficients | relative L2 | power of coefficients |\n|---|---|---|---|---|")
    studies = {}
    for name, case in CASES.items():
        problem = case.problem()
        networks: list[nn.Module] = [MLP([case.kan[0], width, width, 1]) for width in WIDTHS]
        kans = convergence_study(problem, KAN(case.kan, degree=DEGREE), GRIDS, max_seconds=SECONDS)
        mlps = convergence_study(problem, networks, max_seconds=SECONDS)
        studies[name] = kans, mlps
        for kind, study in (("KAN", kans), ("MLP", mlps)):
            for before, (size, error) in zip([None, *study.curve], study.curve, strict=False):
                power = "" if before is None else f"{log(before[1] / error) / log(before[0] / size):.1f}"
                print(f"| {name} | {kind} | {size} | {error:.1e} | {power} |", flush=True)
    for path in paths:
        kans, mlps = studies["Poisson on a line"]
        kans.plot(path, slope=DEGREE + 1, MLP=mlps)


if __name__ == "__main__":
    main(sys.argv[1:])
