"""An inverse problem: how well a rod conducts heat, with its standard error, from three noisy thermometers."""

from math import pi
from pathlib import Path

import numpy as np
from torch import Tensor, sin

from kanpde import Box, Dirichlet, Observations, Parameter, Problem, Solution, diff, solve

ALPHA = 0.25  # what is to be found
rod = Box(x=(0, 1), t=(0, 1))


def start(x: Tensor, t: Tensor) -> Tensor:  # noqa: ARG001
    return sin(pi * x)


def heat(u: Tensor, x: Tensor, t: Tensor, alpha: Tensor) -> Tensor:  # u_t = α u_xx
    return diff(u, t) - alpha * diff(u, x, x)


def thermometers(sigma: float) -> Observations:
    """Three of them, read forty times."""
    x, t = (c.ravel() for c in np.meshgrid([0.2, 0.5, 0.9], np.linspace(0.025, 1, 40)))
    noise = np.random.default_rng(0).normal(scale=sigma, size=x.shape)
    return Observations({"x": x, "t": t}, np.exp(-(pi**2) * ALPHA * t) * np.sin(pi * x) + noise, sigma=sigma)


def main(max_seconds: float | None = None, folder: Path = Path("out")) -> Solution:
    conditions = {"ends": Dirichlet(0.0, on=rod.boundary("x")), "start": Dirichlet(start, on=rod.at(t=0))}
    parameters = {"alpha": Parameter(0.1, bounds=(0, 1))}
    problem = Problem(rod, heat, conditions, parameters=parameters, observations=[thermometers(sigma=0.01)])
    solution = solve(problem, max_seconds=max_seconds)

    folder.mkdir(exist_ok=True)
    solution.plot(folder / "inverse.png")
    return solution


if __name__ == "__main__":
    print(main())
