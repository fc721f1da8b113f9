"""Seconds to a relative L2 error of 1e-3 on Poisson's equation: kanpde and two peers, one after the other.

    python -m tests.benchmarks.peers [--seconds 400] [--environment DIR] [peer …]

prints, for kanpde and each peer (all by default), its settings, its best error, the seconds to 1e-3 and their ratio to
kanpde's. The problem is Δu = −2π² sin πx sin πy on [-1, 1]², u = 0 on the walls, and errors are those on a uniform grid.
The peers' environments are made in DIR by pip, with the versions of `constraints.txt`; rules: see `contenders.py`.
"""

import argparse
import importlib
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.benchmarks.contenders import Watch, interpreter, measured, report, train_deepxde

TARGET = 1e-3


def exact(points: Tensor) -> Tensor:
    return torch.sin(pi * points).prod(1, keepdim=True)


def grid(count: int, dtype: torch.dtype) -> Tensor:
    axis = torch.linspace(-1, 1, count, dtype=dtype)
    return torch.cartesian_prod(axis, axis)


def kanpde(watch: Watch) -> None:
    from kanpde import solve
    from kanpde.progress import Progress
    from problems.poisson import poisson

    def report(progress: Progress) -> None:
        watch.see(lambda points: progress.field(x=points[:, [0]], y=points[:, [1]])["u"])

    watch.begin()
    solve(poisson(), progress=report)


def deepxde(watch: Watch) -> None:
    """Points, initialization and rate of its two-dimensional Poisson example, the L-shape; that takes 50 000 Adam steps."""
    dde: Any = importlib.import_module("deepxde")
    dde.config.set_default_float("float64")
    dde.config.set_random_seed(0)
    watch.begin()

    def residual(x: Tensor, u: Tensor) -> Tensor:
        return dde.grad.hessian(u, x, i=0, j=0) + dde.grad.hessian(u, x, i=1, j=1) + 2 * pi**2 * exact(x)

    square = dde.geometry.Rectangle([-1, -1], [1, 1])
    walls = dde.icbc.DirichletBC(square, lambda _: 0, lambda _, on_boundary: on_boundary)
    net = dde.nn.FNN([2, 50, 50, 50, 1], "tanh", "Glorot uniform")
    train_deepxde(watch, dde, dde.data.PDE(square, residual, walls, num_domain=1200, num_boundary=120), net, 5000)


def pykan(watch: Watch) -> None:
    """Its tutorial on this equation, example 7, in float32 as there; after grid 20, the last one there, grids double on.

    Example 6 ends by setting the edges to x and sin by hand, which is exact, but needs the form of the solution.
    """
    kan: Any = importlib.import_module("kan")
    watch.begin()
    inside = grid(51, torch.float32)
    walls = inside[(inside.abs() == 1).any(1)]
    source = -2 * pi**2 * exact(inside)[:, 0]

    def fit(model: Any, steps: int = 50) -> None:
        tolerances = dict.fromkeys(("tolerance_grad", "tolerance_change", "tolerance_ys"), 1e-32)
        optimizer = kan.LBFGS(model.parameters(), lr=1, history_size=10, line_search_fn="strong_wolfe", **tolerances)

        def loss() -> Tensor:
            optimizer.zero_grad()
            laplacian = kan.batch_hessian(model, inside, create_graph=True).diagonal(dim1=1, dim2=2).sum(1)
            total = 0.01 * (laplacian - source).square().mean() + model(walls).square().mean()
            total.backward()
            return total

        for step in range(steps):
            if step % 5 == 0 and step < 20:
                model.update_grid_from_samples(inside)
            optimizer.step(loss)
            watch.see(lambda points: model(points.float()))

    model = kan.KAN(width=[2, 2, 1], grid=5, k=3, seed=3).speed()
    fit(model)
    for power in itertools.count(1):
        model.save_act = True
        model.get_act(inside)
        model = model.refine(5 * 2**power).speed()
        fit(model)


@dataclass(frozen=True)
class Contender:
    """`train` runs until the watch or itself ends it; `packages` are what its environment needs beside torch and numpy."""

    train: Callable[[Watch], None]
    settings: str
    packages: tuple[str, ...] = ()


CONTENDERS = {
    "kanpde": Contender(kanpde, "`solve(poisson())`: defaults, float64"),
    "deepxde": Contender(
        deepxde, "3 × 50 tanh, 1200 + 120 points, Adam 5000 × 1e-3, then L-BFGS; float64", ("deepxde==1.15.0",)
    ),
    "pykan": Contender(
        pykan,
        "KAN([2, 2, 1]), k = 3, grids 5, 10, 20, …, 51² points, L-BFGS, 50 steps a grid; float32",
        # its wheel declares no dependencies; these are what it imports
        ("pykan==0.2.8", "matplotlib", "pandas==3.1.1", "pyyaml==6.0.4", "scikit-learn==1.9.1", "sympy", "tqdm"),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", metavar="peer", help="deepxde or pykan; both by default")
    parser.add_argument("--seconds", type=float, default=400, help="limit for each contender")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "kanpde-peers", metavar="DIR")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        points = grid(101, torch.float64)
        return report(CONTENDERS[given.child].train, Watch(given.seconds, points, exact(points), TARGET))
    if strange := set(given.peers) - set(CONTENDERS):
        parser.error(f"no peer {', '.join(sorted(strange))}; there are deepxde and pykan")
    limit, own = given.seconds, inf
    print(f"| contender | settings | best relative L2 in {limit:g} s | seconds to {TARGET:g} | ratio to kanpde |")
    print("|---|---|---|---|---|", flush=True)
    for name in dict.fromkeys(("kanpde", *(given.peers or CONTENDERS))):
        contender = CONTENDERS[name]
        python = interpreter(name, contender.packages, given.environment)
        seen = measured(python, __file__, ["--child", name, "--seconds", str(limit)], given.threads)
        own = seen.reached if name == "kanpde" else own
        least = "> " if seen.reached == inf else ""  # the ratio of one that never gets there is a lower bound
        seconds = min(seen.reached, limit)
        label = contender.packages[0] if contender.packages else name
        cells = (label, contender.settings, f"{seen.best:.1e}", f"{least}{round(seconds, 2):g}", f"{least}{seconds / own:.0f}")
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
