"""What the tests of many processes have them do: `torchrun … -m tests.ranks_at_work NAME FOLDER`."""

import atexit
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from math import inf, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import sin

from kanpde import (
    KAN,
    LBFGS,
    LSMR,
    MLP,
    QR,
    Adam,
    Box,
    Dirichlet,
    Graded,
    Integral,
    LevenbergMarquardt,
    Neumann,
    NormalEquations,
    Problem,
    SSBroyden,
    laplacian,
    solve,
)
from kanpde.cli import main
from kanpde.estimates import inferred
from kanpde.field import Field
from kanpde.optimizers import Optimizer
from kanpde.progress import Progress
from kanpde.ranks import LostRankError, joined
from kanpde.residuals import Objective
from problems.inverse_heat import inverse_heat
from problems.poisson import poisson
from tests.catalogue import ROOT

STEPS = 5
RANK = int(os.environ.get("RANK", "0"))
square = Box(x=(0, 1), y=(0, 1))


def weighed() -> Problem:
    """A source whose slopes are given on the boundary, and its mean: a face with a few points, and one row of many nodes."""

    def residual(u, x, y):
        return laplacian(u, x, y) + 2 * pi**2 * torch.cos(pi * x) * torch.cos(pi * y)

    return Problem(square, residual, {"walls": Neumann(0.0, on=square.boundary()), "mean": Integral(lambda u, x, y: u)})  # noqa: ARG005


def objective(problem: Problem, network: torch.nn.Module, count: int = 200) -> Objective:
    return Objective(Field(problem, deepcopy(network)), Graded(), {}, count, seed=0)


DEEP, SMALL, PERCEPTRON = KAN([2, 4, 1], grid=4, degree=5), KAN([2, 3, 1], grid=3, degree=5), MLP([2, 8, 1])
WAYS: dict[str, tuple[Problem, torch.nn.Module, Optimizer]] = {
    "QR": (poisson(), DEEP, LevenbergMarquardt(factorization=QR())),
    "Cholesky": (poisson(), DEEP, LevenbergMarquardt(1.0, factorization=NormalEquations())),
    "LSMR": (poisson(), SMALL, LevenbergMarquardt(factorization=LSMR(iterations=8))),
    "weighted conditions": (weighed(), SMALL, LevenbergMarquardt(factorization=QR())),
    "observations": (inverse_heat(), SMALL, LevenbergMarquardt(factorization=QR())),
    "MLP": (poisson(), PERCEPTRON, LevenbergMarquardt(1.0)),
    "LBFGS": (poisson(), PERCEPTRON, LBFGS(iterations=2)),
    "Adam": (poisson(), PERCEPTRON, Adam(iterations=2)),
    "SSBroyden": (poisson(), PERCEPTRON, SSBroyden(iterations=2)),
}


def stepped(name: str) -> dict[str, Any]:
    """Coefficients after some steps, ‖r‖ before each and in the end, in parts, and what observations tell."""
    problem, network, optimizer = WAYS[name]
    goal = objective(problem, network)
    run = optimizer.begin(goal)
    found: dict[str, Any] = {"residuals": [run.step() for _ in range(STEPS)], "coefficients": goal.coefficients.numpy()}
    found |= {"norms": goal.norms()}
    if goal.observed:
        found["root"] = inferred(goal).root.numpy()
    return found


def remain(folder: Path) -> None:
    """Tell the threads that there still are, by name, where the system tells them."""
    names = [(thread / "comm").read_text() for thread in Path("/proc/self/task").glob("*")]
    (folder / f"threads{RANK}").write_text("".join(names))


def steps(folder: Path) -> None:
    """All ways, each from its start; every rank tells what it has."""
    atexit.register(remain, folder)  # before there is a group: so after its end
    with joined("steps"):
        found = {f"{name}/{key}": value for name in WAYS for key, value in stepped(name).items()}
    np.savez(folder / f"rank{RANK}.npz", **found)


def eventful(event: Callable[[], None]) -> tuple[Problem, Callable[[], None]]:
    """Poisson's equation, and what lets an event happen when rank 1 alone evaluates it for the fortieth time from then on."""
    calls = [inf]

    def residual(u, x, y):
        calls.append(calls[-1] - 1)
        if RANK == 1 and calls[-1] == 0:
            event()
        return laplacian(u, x, y) + 2 * pi**2 * sin(pi * x) * sin(pi * y)

    problem = Problem(square, residual, {"walls": Dirichlet(0.0, on=square.boundary())})
    return problem, partial(calls.append, 40)


def out_of_numbers() -> None:
    raise ValueError("no numbers left")


def trouble(folder: Path) -> None:
    """What happens on one rank alone, and what the command makes of good and of bad input: each tells what came of it."""
    told: dict[str, Any] = {}
    for name, event in {"failed": out_of_numbers, "interrupted": partial(os.kill, os.getpid(), signal.SIGINT)}.items():
        problem, begin = eventful(event)
        begin()
        solution = solve(problem)
        told[name] = solution.status, float(solution(x=0.5, y=0.5))
    solution.save(folder / f"by_rank{RANK}.npz")

    def watch(progress: Progress) -> None:
        if RANK > 0 or progress.step == 5:
            raise KeyboardInterrupt

    told["watched"] = solve(poisson(), progress=watch).status
    time.sleep(0.5 * RANK)  # so that clocks differ
    told["timed"] = solve(poisson(), max_seconds=1).status
    own = [str(ROOT / "problems" / "poisson.py"), "dimension=1", "--tol", "1e-6", "--save", str(folder / "command.npz")]
    told["commands"] = [main(["solve", *arguments]) for arguments in (own, [str(folder / "nowhere.py")])]
    few = objective(poisson(), PERCEPTRON, count=1)
    try:
        with joined("few"):
            few.squares()
    except (ValueError, RuntimeError) as error:
        told["few"] = str(error)
    try:
        solve(poisson(), seed=RANK)
    except LostRankError as error:
        told["elsewhere"] = str(error)
    (folder / f"rank{RANK}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    {"steps": steps, "trouble": trouble}[sys.argv[1]](Path(sys.argv[2]))
