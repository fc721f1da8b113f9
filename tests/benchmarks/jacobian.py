"""The cost of an exact Jacobian and of a Levenberg–Marquardt step, in units of the dense JᵀJ of the same matrix.

    python -m tests.benchmarks.jacobian

Rows are those of Poisson's equation at 4000 points. Ratios are medians of one run, each timing taken in turn with that
of its JᵀJ, so that a machine that slows down slows both, and after one that warms memory and caches, as in a run of steps.
A step that rejects its first trial pays for one more r and solve; here every step takes one trial. By default steps go
by JᵀJ while the damping is above 1e-10 (`ByDamping`), or steps leap, and else by QR.

The first table compares JᵀJ made span by span from what is alive with the dense product of the same rows, whose own making
is not counted, on networks with many spans.
"""

import time
from collections.abc import Callable
from statistics import median

import torch

from kanpde import KAN, QR, Graded, LevenbergMarquardt, NormalEquations, Product
from kanpde.factorizations import Factorization, gram_of
from kanpde.field import Field
from kanpde.residuals import Objective
from problems.poisson import poisson

POINTS, REPEATS = 4000, 15
NETWORKS = {
    "products of splines, rank 8": KAN([2, Product(1, rank=8)], grid=35, degree=11),
    "products of splines, rank 29": KAN([2, Product(1, rank=29)], grid=2, degree=10),
    "[2, 5, 1]": KAN([2, 5, 1], grid=44, degree=5),
    "[2, 10, 1]": KAN([2, 10, 1], grid=19, degree=5),
    "[2, 25, 1]": KAN([2, 25, 1], grid=4, degree=5),
}

MANY_SPANS = {
    "products of splines, rank 8, degree 11": KAN([2, Product(1, rank=8)], grid=40, degree=11),
    **{f"[2, {width}, 1], degree 5": KAN([2, width, 1], grid=40, degree=5) for width in (5, 10, 25, 50)},
}


def main() -> None:
    torch.set_num_threads(2)
    spans()
    steps()


def spans() -> None:
    print("\n| network, 40 spans | coefficients | dense JᵀJ, ms | span by span, ms | ratio |\n|---|---|---|---|---|")
    for name, network in MANY_SPANS.items():
        objective = Objective(Field(poisson(), network), Graded(), {}, POINTS, seed=0)
        pieces = list(objective.linearized())
        jacobian = torch.cat([piece.dense() for piece in pieces])[:, :-1].contiguous()
        dense, sparse = [], []
        for _ in range(7):
            for seconds, function in ((dense, lambda j=jacobian: j.T @ j), (sparse, lambda p=pieces: gram_of(p))):
                function()
                seconds.append(timed(function))
        one, other = median(dense), median(sparse)
        print(f"| {name} | {objective.size} | {1e3 * one:.0f} | {1e3 * other:.0f} | {one / other:.1f} |", flush=True)


def steps() -> None:
    print("| network | coefficients | JᵀJ, ms | r | J | QR of J | step by QR | step by JᵀJ |")
    print("|---|---|---|---|---|---|---|---|")
    for name, network in NETWORKS.items():
        objective = Objective(Field(poisson(), network), Graded(), {}, POINTS, seed=0)
        jacobian = torch.cat([piece.dense() for piece in objective.linearized()])[:, :-1].contiguous()
        work = {
            "gram": lambda j=jacobian: j.T @ j,
            "r": objective.residual,
            "J": lambda o=objective: list(o.linearized()),
            "QR": lambda j=jacobian: torch.linalg.qr(j, mode="r"),
            "step QR": lambda o=objective: one_trial(o, QR()),
            "step gram": lambda o=objective: one_trial(o, NormalEquations()),
        }
        seconds = {label: [] for label in work}
        for _ in range(REPEATS):
            for label, function in work.items():
                function()
                seconds[label].append(timed(function))
        gram, *others = map(median, seconds.values())
        ratios = " | ".join(f"{other / gram:.2f}" for other in others)
        print(f"| {name} | {objective.size} | {1e3 * gram:.0f} | {ratios} |", flush=True)


def one_trial(objective: Objective, factorization: Factorization) -> None:
    """A step from the same start, with so much damping that the first trial is accepted."""
    start = objective.coefficients
    LevenbergMarquardt(damping=100.0, factorization=factorization).begin(objective).step()
    objective.coefficients = start


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
