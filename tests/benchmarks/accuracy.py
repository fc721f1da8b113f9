"""Accuracy of `solve(problem)` with default arguments on the ready problems, seeds 0 to 4.

    python -m tests.benchmarks.accuracy [problem …]

prints, for each problem, the worst relative L2 error over the seeds, the longest time and the largest network.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from kanpde import Problem, solve
from tests.catalogue import factories

SEEDS = range(5)
FACTORIES = factories()


@dataclass(frozen=True)
class Goal:
    """What the project promises: relative L2 error and coefficients (checked), seconds on two cores (reported)."""

    factory: Callable[..., Problem]
    error: float
    seconds: float
    size: int


GOALS = {
    "Poisson, 2-D": Goal(FACTORIES["poisson"], 1e-8, 30, 1000),
    "Poisson, the KAN paper's": Goal(FACTORIES["poisson_kan"], 1e-7, 60, 2000),
    "heat": Goal(FACTORIES["heat"], 1e-8, 60, 1500),
    "heat, two modes": Goal(FACTORIES["heat_two_modes"], 1e-8, 60, 1500),
    "Helmholtz (1, 4)": Goal(FACTORIES["helmholtz"], 1e-7, 90, 3000),
    "wave": Goal(FACTORIES["wave"], 1e-5, 120, 4000),
    "biharmonic": Goal(FACTORIES["biharmonic"], 1e-6, 90, 2000),
    "Poisson, 3-D": Goal(partial(FACTORIES["poisson"], dimension=3), 1e-5, 120, 4000),
    "reaction–diffusion": Goal(FACTORIES["reaction_diffusion"], 1e-6, 90, 4000),
    "nonlinear Poisson, not separable": Goal(FACTORIES["nonlinear_poisson"], 1e-6, 120, 4000),
    "heat in 2-D": Goal(FACTORIES["heat_2d"], 1e-8, 120, 4000),
    "advection, c = 30": Goal(FACTORIES["advection"], 1e-7, 120, 4000),
    "advection–diffusion layer": Goal(FACTORIES["advection_diffusion"], 1e-8, 60, 2000),
    "Poisson on a disk": Goal(FACTORIES["disk"], 1e-10, 30, 2000),
    "torsion, Poisson on an ellipse": Goal(FACTORIES["torsion"], 1e-10, 60, 2000),
    "heat on a disk": Goal(FACTORIES["heat_disk"], 1e-10, 60, 2000),
    "Poisson in a ball": Goal(FACTORIES["ball"], 1e-10, 60, 2000),
    "Dirichlet, Neumann and Robin on a triangle": Goal(FACTORIES["triangle"], 1e-10, 60, 2000),
    "Poisson on an L": Goal(FACTORIES["l_shape"], 1e-6, 120, 4000),
    "two materials, 1 : 100": Goal(FACTORIES["two_materials"], 1e-6, 120, 4000),
    "Poisson, slopes alone": Goal(FACTORIES["neumann_poisson"], 1e-12, 60, 1500),
    "Stokes": Goal(FACTORIES["stokes"], 1e-8, 120, 4000),
    "Navier–Stokes, Kovasznay, Re 20": Goal(FACTORIES["kovasznay"], 1e-7, 120, 4000),
    "Navier–Stokes, Kovasznay, Re 40": Goal(partial(FACTORIES["kovasznay"], reynolds=40.0), 1e-7, 120, 4000),
    "Navier–Stokes, Taylor–Green": Goal(FACTORIES["taylor_green"], 1e-6, 240, 4000),
    "elasticity": Goal(FACTORIES["elasticity"], 1e-10, 60, 4000),
    "Schrödinger": Goal(FACTORIES["schrodinger"], 1e-10, 60, 4000),
    "heat of any conductivity": Goal(FACTORIES["parametric_heat"], 1e-6, 120, 4000),
    "pendulum": Goal(FACTORIES["pendulum"], 1e-8, 60, 2000),
    "Lotka–Volterra": Goal(FACTORIES["lotka_volterra"], 1e-8, 60, 2000),
    "stiff system": Goal(FACTORIES["stiff"], 1e-12, 60, 3000),
    "Van der Pol's oscillator": Goal(FACTORIES["van_der_pol"], 1e-10, 60, 5000),
    "advection–diffusion layer of 1e-5": Goal(partial(FACTORIES["advection_diffusion"], epsilon=1e-5), 1e-12, 60, 2000),
    "Poisson, multiscale": Goal(FACTORIES["poisson_multiscale"], 1e-6, 120, 4000),
}


def main(names: Sequence[str] = ()) -> None:
    torch.set_num_threads(2)
    print("| problem | goal | worst relative L2 of 5 seeds | longest time, s | coefficients |\n|---|---|---|---|---|")
    for name, goal in GOALS.items():
        if names and name not in names:
            continue
        errors, seconds, sizes = [], [], []
        for seed in SEEDS:
            start = time.perf_counter()
            solution = solve(goal.factory(), seed=seed, progress=False)
            seconds.append(time.perf_counter() - start)
            assert solution.errors is not None
            errors.append(solution.errors.relative_l2)
            sizes.append(solution.model.size)
        print(f"| {name} | {goal.error:.0e} | {max(errors):.1e} | {max(seconds):.1f} | {max(sizes)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
