"""A pendulum that swings far, against Jacobi's elliptic functions: an ordinary differential equation is a box of one axis."""

from pathlib import Path

import torch
from torch import Tensor

from kanpde import Box, Condition, Dirichlet, Problem, Solution, diff, solve
from problems.pendulum import pendulum as reference

ANGLE = 2.0  # radians, from where it is let go
days = Box(t=reference(ANGLE).domain.axes["t"])  # three periods


def pendulum(u: Tensor, t: Tensor) -> Tensor:  # u'' = −sin u
    return diff(u, t, t) + torch.sin(u)


def main(max_seconds: float | None = None, folder: Path = Path("out")) -> Solution:
    conditions = {
        "angle": Dirichlet(ANGLE, on=days.at(t=0)),
        "rest": Condition(lambda u, t: diff(u, t), on=days.at(t=0)),
    }
    problem = Problem(days, pendulum, conditions, exact=reference(ANGLE).exact)
    solution = solve(problem, max_seconds=max_seconds)
    folder.mkdir(exist_ok=True)
    solution.plot(folder / "pendulum.png")
    return solution


if __name__ == "__main__":
    print(main())
