"""The same figures on every device, and how long steps take there.

    python -m tests.benchmarks.devices

Poisson's equation is solved on the CPU and on the accelerator, if there is one: its error, and how far values are from others.
Then steps by normal equations, of one network on ever more spans, with two and a half points for each coefficient.
"""

import time
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from kanpde import KAN, Graded, NormalEquations, Product, solve
from kanpde.devices import CPU, at
from kanpde.field import Field
from kanpde.residuals import Objective, point_count
from problems.poisson import poisson
from tests.benchmarks.jacobian import one_trial

SPANS = 35, 157, 613  # of each axis: 752, 2704 and 10000 coefficients
STEPS = 3


def main() -> None:
    devices = accelerators()
    if not devices:
        print("this machine has no accelerator: the CPU alone")
    reference, _ = solved(CPU)
    for device in [CPU, *devices]:
        values, error = solved(device)
        print(
            f"{device}: relative L2 error {error:.1e}, values within {np.abs(values - reference).max():.1e} of the CPU's",
            flush=True,
        )
    for spans in SPANS:
        size, own = step(CPU, spans)
        others = [(device, step(device, spans)[1]) for device in devices]
        ratios = "".join(f", {device} {taken:.3g} s, {own / taken:.3g} times as fast" for device, taken in others)
        print(f"a step of {size} coefficients: cpu {own:.3g} s{ratios}", flush=True)


def accelerators() -> list[torch.device]:
    """Those of this machine, of which torch knows one kind."""
    kind = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return [] if kind is None else [torch.device(kind.type, 0)]


def solved(device: torch.device) -> tuple[Annotated[NDArray[np.float64], "points"], float]:
    """Values of the solution at fixed points, and its relative error."""
    with at(device):
        solution = solve(poisson(), progress=False)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 10_000))
    error = solution.errors.relative_l2
    assert error is not None
    return solution(x=x, y=y), error


def step(device: torch.device, spans: int) -> tuple[int, float]:
    """How many coefficients, and seconds of the fastest step after a first one."""
    with at(device):
        field = Field(poisson(), KAN([2, Product(1, rank=8)], grid=spans, degree=11))
        objective = Objective(field, Graded(), {}, point_count(field), seed=0)
        taken = []
        for _ in range(1 + STEPS):
            start = time.perf_counter()
            one_trial(objective, NormalEquations())  # which ends with a number: no work is left on the device
            taken.append(time.perf_counter() - start)
    return objective.size, min(taken[1:])


if __name__ == "__main__":
    main()
