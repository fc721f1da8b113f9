"""Peak memory of steps, evaluation, exports and the matrix-free path at the sizes that they are meant for.

    python -m tests.benchmarks.memory [step] [evaluation] [vtu] [coefficients]

Each has a process of its own, as the peak of a process only rises; the first row is one that does no work at all.
"""

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from kanpde import KAN, LSMR, Graded, LevenbergMarquardt, NormalEquations, Product
from kanpde.field import Field
from kanpde.residuals import Objective
from kanpde.solution import Solution
from problems.poisson import poisson
from tests.benchmarks.jacobian import one_trial

NETWORK = KAN([2, Product(1, rank=8)], grid=16, degree=11)
MANY = 64, 500, 50_000  # rank, spans and points of 98304 coefficients in space
STEPS, ITERATIONS = 10, 10
Told = tuple[str, float, float]  # what was done, seconds, peak in MB


def nothing() -> str:
    return "imports alone"


def step() -> str:
    objective = Objective(Field(poisson(), NETWORK), Graded(), {}, 10**6, seed=0)
    one_trial(objective, NormalEquations())
    return f"a step by JᵀJ on {len(objective.batch.interior)} points, {objective.size} coefficients"


def evaluation() -> str:
    count, random = 10**7, np.random.default_rng(0)
    x, y = 2 * random.random(count) - 1, 2 * random.random(count) - 1
    start = time.perf_counter()
    u = _solution()(x=x, y=y)
    rate = len(u) / (time.perf_counter() - start)
    return f"{len(u)} values, {(x.nbytes + y.nbytes + u.nbytes) / 1e6:.0f} MB with their coordinates, {rate:.2g} a second"


def vtu() -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder, "u.vtu")
        _solution().to_vtk(path, points=1000)
        megabytes, written = path.stat().st_size / 1e6, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader  # here, as it takes memory of its own

        reader = vtkXMLUnstructuredGridReader()
        reader.SetFileName(str(path))
        reader.Update()
        grid = reader.GetOutput()
        points, cells, fields = grid.GetNumberOfPoints(), grid.GetNumberOfCells(), grid.GetPointData().GetNumberOfArrays()
    size = f"{points} points, {cells} cells, {fields} fields, {megabytes:.0f} MB"
    return f"VTU of {size}, written with a peak of {written:.0f} MB, and read by VTK"


def coefficients() -> str:
    rank, spans, points = MANY
    network = KAN([3, Product(1, rank)], grid=spans, degree=11)
    objective = Objective(Field(poisson(dimension=3), network), Graded(), {}, points, seed=0)
    run = LevenbergMarquardt(factorization=LSMR(ITERATIONS)).begin(objective)
    start, residuals = time.perf_counter(), [run.step() for _ in range(STEPS)]
    each = (time.perf_counter() - start) / STEPS
    fell = " → ".join(f"{r:.2g}" for r in [*residuals, objective.validated()])
    return (
        f"{STEPS} steps by LSMR({ITERATIONS}), {objective.size} coefficients, {points} points, {each:.3g} s each: ‖r‖ on fresh "
        f"points {fell}"
    )


CASES: dict[str, Callable[[], str]] = {"step": step, "evaluation": evaluation, "vtu": vtu, "coefficients": coefficients}


def _solution() -> Solution:
    return Solution(Field(poisson(), NETWORK), (), "not trained")


def measured(case: Callable[[], str]) -> Told:
    torch.set_num_threads(2)
    start = time.perf_counter()
    told = case()
    return told, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # in kB on Linux


def main(names: list[str]) -> None:
    print("| what | seconds | peak, MB |\n|---|---|---|")
    for case in (nothing, *(CASES[name] for name in names or CASES)):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            told, seconds, peak = pool.submit(measured, case).result()
        print(f"| {told} | {seconds:.3g} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
