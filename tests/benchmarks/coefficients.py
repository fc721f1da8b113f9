"""The cost of a Levenberg–Marquardt step, and its memory, against the number of coefficients: with matrices and without.

    python -m tests.benchmarks.coefficients [most]

Poisson's equation on products of splines, two and a half points a coefficient; each figure has a process of its own. A step
is the Jacobian, its factorization, and a solution with the damping of a network that is near its own; the first one warms
up, the median of two others counts. Matrices are stored up to 10⁴ coefficients.
"""

import argparse
import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

import torch

from kanpde import KAN, LSMR, QR, Graded, NormalEquations, Product
from kanpde.field import Field
from kanpde.residuals import Objective
from problems.poisson import poisson
from tests.benchmarks.jacobian import timed

SHAPES = ((8, 8), (16, 16), (32, 32), (32, 64), (64, 64), (64, 128), (128, 256), (256, 256))  # spans, rank
LARGEST = {"QR": 3000, "JᵀJ": 10500, "LSMR": 10**6}
DAMPING = 1e-8
METHODS = {"QR": QR(), "JᵀJ": NormalEquations(), "LSMR": LSMR()}


def measured(grid: int, rank: int, name: str) -> tuple[float, float]:
    """Seconds of a step, and peak memory in MB."""
    torch.set_num_threads(2)
    network = KAN([2, Product(1, rank=rank)], grid=grid, degree=11)
    objective = Objective(Field(poisson(), network), Graded(), {}, round(2.5 * network.size), seed=0)
    method = METHODS[name]
    seconds = [timed(lambda: method.factorize(objective.linearized(), DAMPING).solve(DAMPING)) for _ in range(3)]
    return median(seconds[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # in kB on Linux


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("most", nargs="?", type=int, default=10**6, help="coefficients")
    most = parser.parse_args().most
    print("| coefficients | points | " + " | ".join(f"{m}, s | MB" for m in METHODS) + " |\n" + "|---" * 8 + "|")
    for grid, rank in SHAPES:
        size = 2 * rank * (grid + 12)
        if size > most:
            break
        found = []
        for method in METHODS:
            if size > LARGEST[method]:
                found.append("– | –")
                continue
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                seconds, peak = pool.submit(measured, grid, rank, method).result()
            found.append(f"{seconds:.3g} | {peak:.0f}")
        print(f"| {size} | {round(2.5 * size)} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main()
