"""The cost of a Levenberg–Marquardt step, and its memory, against the number of collocation points.

    python -m tests.benchmarks.points

Poisson's equation, one network, points from 10³ to 10⁶; each number of points has a process of its own, whose peak memory is
told beside that of the smallest. Steps take one trial, the first one warms up, the median of the others counts. What a step
takes whatever the points, to solve for it and to call torch some thousand times, is told by the line a + b N nearest to all.
"""

import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

import numpy as np
import torch

from kanpde import KAN, QR, Graded, NormalEquations, Product
from kanpde.field import Field
from kanpde.residuals import Objective
from problems.poisson import poisson
from tests.benchmarks.jacobian import one_trial, timed

POINTS = (10**3, 10**4, 10**5, 10**6)
NETWORK = KAN([2, Product(1, rank=8)], grid=16, degree=11)


def measured(points: int) -> tuple[float, float, float]:
    """Seconds of a step by JᵀJ and by QR, and peak memory in MB."""
    torch.set_num_threads(2)
    objective = Objective(Field(poisson(), NETWORK), Graded(), {}, points, seed=0)
    repeats = 2 + 20_000 // points
    found = []
    for factorization in (NormalEquations(), QR()):
        seconds = [timed(lambda f=factorization: one_trial(objective, f)) for _ in range(1 + repeats)]
        found.append(median(seconds[1:]))
    return *found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # in kB on Linux


def main() -> None:
    size = sum(p.numel() for p in NETWORK.parameters())
    print(f"{NETWORK!r}: {size} coefficients\n")
    print(
        "| points | step by JᵀJ, s | each 10⁵ points | step by QR, s | each 10⁵ points | peak, MB |\n|---|---|---|---|---|---|"
    )
    steps = []
    for points in POINTS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            gram, qr, peak = pool.submit(measured, points).result()
        steps.append((gram, qr))
        each = 1e5 / points
        print(f"| {points} | {gram:.3g} | {gram * each:.3g} | {qr:.3g} | {qr * each:.3g} | {peak:.0f} |", flush=True)
    for name, seconds in zip(("JᵀJ", "QR"), zip(*steps, strict=True), strict=True):
        # relative to what was measured
        columns = np.stack([np.ones(len(POINTS)), np.array(POINTS)], 1) / np.array(seconds)[:, None]
        (fixed, each), *_ = np.linalg.lstsq(columns, np.ones(len(POINTS)), rcond=None)
        missed = abs(columns @ [fixed, each] - 1).max()
        print(f"By {name}: {1e3 * fixed:.0f} ms + {1e6 * each:.1f} µs a point, within {100 * missed:.0f} %.")


if __name__ == "__main__":
    main()
