"""Relative L2 errors of DeepXDE, jaxKAN and kanpde after the same number of seconds, one after the other on one machine.

    python -m tests.benchmarks.side_by_side [problem …] [--seconds 200] [--environment DIR]

prints, for each problem (all by default) and contender, its settings, its best and its last error and when it saw the
last: kanpde may end before its time is over. Errors are those on one grid: 101² uniform points, or those of the reference
for Allen–Cahn's equation, which are uniform where |x| < 0.97. The peers have the settings of their own examples, as their
docstrings tell, and train on until the time is over. Their environments are made in DIR by pip, with the versions of
`constraints.txt`; rules: see `contenders.py`. Of jaxKAN, building and compiling are not timed either.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import pi
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks.contenders import Watch, interpreter, measured, report, train_deepxde

PROBLEMS = {"Burgers": ("x", "t"), "Allen–Cahn": ("x", "t"), "Helmholtz": ("x", "y")}  # and their coordinates


def scored(problem: str) -> tuple[Tensor, Tensor]:
    """Points, and the solution there."""
    from problems.burgers import burgers
    from problems.helmholtz import helmholtz
    from tests.benchmarks.references import reference

    names = PROBLEMS[problem]
    if problem == "Allen–Cahn":
        known = reference("allen_cahn")
        return torch.tensor(np.stack([known.points[n] for n in names], 1)), torch.tensor(known.values["u"])[:, None]
    solved = burgers() if problem == "Burgers" else helmholtz()
    axes = [torch.linspace(*solved.domain.axes[n], 101, dtype=torch.float64) for n in names]
    points = torch.cartesian_prod(*axes)
    assert solved.exact is not None
    return points, solved.exact(*points.split(1, 1))


def kanpde(watch: Watch, problem: str) -> None:
    """Seen at the ends of its stages, as measuring uses up the time that it is given."""
    from kanpde import solve
    from kanpde.progress import Progress
    from problems.allen_cahn import allen_cahn
    from problems.burgers import burgers
    from problems.helmholtz import helmholtz

    factory = {"Burgers": burgers, "Allen–Cahn": allen_cahn, "Helmholtz": helmholtz}[problem]
    coordinates = dict(zip(PROBLEMS[problem], watch.points.split(1, 1), strict=True))

    def stage(progress: Progress) -> None:
        if progress.step == 1 and progress.stage > 0:
            watch.measure(lambda _: progress.field(**coordinates)["u"])

    watch.begin()
    solution = solve(factory(), progress=stage, max_seconds=watch.limit)
    watch.measure(lambda _: solution(**coordinates))


def deepxde(watch: Watch, problem: str) -> None:
    """Its examples Burgers, Allen_Cahn and Helmholtz_Dirichlet_2d in examples/pinn_forward.

    Burgers: as there, up to t = 1 instead of 0.99. Allen–Cahn: there 10⁻³ instead of 10⁻⁴ and u = −1 at the ends, by
    u = x² cos πx + t (1 − x²) N; here u = x² cos πx + t N with N periodic by cos πx and sin πx as its inputs. Helmholtz:
    there on [0, 1]² with waves of one length, ten points each, here so many for the shorter waves; there 3 × 150 neurons,
    too many for minutes on two cores, here 3 × 50; there no L-BFGS.
    """
    import deepxde as dde

    dde.config.set_default_float("float64")
    dde.config.set_random_seed(0)
    watch.begin()
    strip = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
    square = dde.geometry.Rectangle([-1, -1], [1, 1])

    def burgers(x: Tensor, u: Tensor) -> Tensor:
        u_x, u_t = (dde.grad.jacobian(u, x, j=j) for j in (0, 1))
        return u_t + u * u_x - 0.01 / pi * dde.grad.hessian(u, x, i=0, j=0)

    def allen_cahn(x: Tensor, u: Tensor) -> Tensor:
        return dde.grad.jacobian(u, x, j=1) - 1e-4 * dde.grad.hessian(u, x, i=0, j=0) - 5 * (u - u**3)

    def helmholtz(x: Tensor, u: Tensor) -> Tensor:
        source = (1 - 17 * pi**2) * torch.sin(pi * x[:, :1]) * torch.sin(4 * pi * x[:, 1:])
        return dde.grad.hessian(u, x, i=0, j=0) + dde.grad.hessian(u, x, i=1, j=1) + u - source

    if problem == "Burgers":
        ends = dde.icbc.DirichletBC(strip, lambda _: 0, lambda _, on_boundary: on_boundary)
        start = dde.icbc.IC(strip, lambda x: -np.sin(pi * x[:, :1]), lambda _, on_initial: on_initial)
        data = dde.data.TimePDE(strip, burgers, [ends, start], num_domain=2540, num_boundary=80, num_initial=160)
        net, steps = dde.nn.FNN([2, 20, 20, 20, 1], "tanh", "Glorot normal"), 15000
    elif problem == "Allen–Cahn":
        data = dde.data.TimePDE(strip, allen_cahn, [], num_domain=8000, num_boundary=400, num_initial=800)
        net, steps = dde.nn.FNN([3, 20, 20, 20, 1], "tanh", "Glorot normal"), 40000
        net.apply_feature_transform(lambda x: torch.cat([torch.cos(pi * x[:, :1]), torch.sin(pi * x[:, :1]), x[:, 1:]], 1))
        net.apply_output_transform(lambda x, n: x[:, :1] ** 2 * torch.cos(pi * x[:, :1]) + x[:, 1:] * n)
    else:
        data = dde.data.PDE(square, helmholtz, [], num_domain=40**2, num_boundary=4 * 40)
        net, steps = dde.nn.FNN([2, 50, 50, 50, 1], "sin", "Glorot uniform"), 5000
        net.apply_output_transform(lambda x, n: (1 - x**2).prod(1, keepdim=True) * n)
    train_deepxde(watch, dde, data, net, steps)


def jaxkan(watch: Watch, problem: str) -> None:
    """Its tutorial Advanced Models for PDEs, on Allen–Cahn's equation, in float32 as there and in much of its code.

    A residual-gated network on 2¹² of 2¹⁴ points, drawn anew where residuals are large (RAD), with weights of points (RBA),
    of terms (annealing) and of times (causal), all as there. For Burgers and Helmholtz the walls are built in by a factor,
    as in the code of the paper behind it (arXiv 2510.23501); its networks, six blocks of 16, are too large for minutes on
    two cores.
    """
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx
    from jaxkan.models.RGAKAN import RGAKAN
    from jaxkan.pikan import adaptive, pde
    from jaxkan.pikan.sampling import get_collocs_grid

    periodic, evolves = problem == "Allen–Cahn", problem != "Helmholtz"
    batch, seed = 2**12, 42
    residual = {"Burgers": pde.get_burgers_res, "Allen–Cahn": pde.get_ac_res, "Helmholtz": pde.get_helmholtz_res}[problem]()

    class Network(nnx.Module):
        def __init__(self) -> None:
            self.inner = RGAKAN(
                n_in=2, n_out=1, n_hidden=8, num_blocks=2, init_scheme={"type": "glorot_fine"}, alpha=0.0, beta=0.0,
                period_axes={1: (jnp.pi, False)} if periodic else None, sine_D=5, seed=seed,
            )  # fmt: skip

        def __call__(self, x: jax.Array) -> jax.Array:
            walls = x[:, :0] if periodic else x[:, 1:] if evolves else x
            return jnp.prod(1 - walls**2, axis=1, keepdims=True) * self.inner(x)

    def weighted(r: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        weights = adaptive.update_rba_weights(r, weights, 0.999, 0.01)
        return adaptive.apply_rba_weights(r, weights) ** 2, weights

    def equation(model: Network, points: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        squares, weights = weighted(residual(model, points), weights)
        chunks = squares.reshape(32, -1).mean(axis=1)  # in the order of time
        earlier = jnp.tril(jnp.ones((32, 32)), k=-1)
        return jnp.mean(adaptive.get_causal_weights(chunks, earlier, 1.0) * chunks if evolves else chunks), weights

    def start(model: Network, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        squares, weights = weighted(model(first) - data, weights)
        return jnp.mean(squares), weights

    @nnx.jit
    def step(model, optimizer, points, weights, weights0, factors):
        (_, weights), gradient = nnx.value_and_grad(equation, has_aux=True)(model, points, weights)
        gradients = [gradient]
        if evolves:
            (_, weights0), gradient0 = nnx.value_and_grad(start, has_aux=True)(model, weights0)
            gradients.append(gradient0)
        optimizer.update(model, jax.tree.map(lambda *g: sum(f * p for f, p in zip(factors, g, strict=True)), *gradients))
        return gradients, weights, weights0

    @nnx.jit
    def values(model, points):
        return model(points)

    def u(points: Tensor) -> Tensor:
        ordered = points.flip(1) if evolves else points  # time comes first
        return torch.from_numpy(np.array(values(model, jnp.asarray(ordered.numpy())), dtype=np.float64))

    model = Network()
    optimizer = nnx.Optimizer(model, optax.adam(optax.exponential_decay(1e-3, 1000, 0.9)), wrt=nnx.Param)
    pool = get_collocs_grid([(0 if evolves else -1, 1, 2**7), (-1, 1, 2**7)])
    first = get_collocs_grid([(0, 0, 1), (-1, 1, 2**6)])
    x = first[:, 1:]
    data = x**2 * jnp.cos(jnp.pi * x) if periodic else -jnp.sin(jnp.pi * x)
    chosen = adaptive.get_colloc_indices(pool, batch, None, seed)
    of_pool, weights, weights0 = jnp.ones((len(pool), 1)), jnp.ones((batch, 1)), jnp.ones((len(first), 1))
    factors = (jnp.ones(()), jnp.ones(()))[: 1 + evolves]

    @nnx.jit
    def redrawn(model, chosen, weights, of_pool):
        found = residual(model, pool)
        return adaptive.get_rad_indices(pool, found, chosen, weights, of_pool, batch, 1.0, 1.0, seed)[:2]

    gradients, *_ = step(model, optimizer, pool[chosen], weights, weights0, factors)
    jax.block_until_ready((adaptive.lr_anneal(gradients, factors, 0.9), redrawn(model, chosen, weights, of_pool)))
    watch.begin()
    for number in itertools.count(1):
        gradients, weights, weights0 = step(model, optimizer, pool[chosen], weights, weights0, factors)
        if number % 1000 == 0 and evolves:
            factors = adaptive.lr_anneal(gradients, factors, 0.9)
        if number % 2000 == 0:
            chosen, of_pool = redrawn(model, chosen, weights, of_pool)
            weights = of_pool[chosen]
        jax.block_until_ready(weights)
        watch.see(u)


@dataclass(frozen=True)
class Contender:
    """`train` takes a watch and a problem; `settings` by problem; `packages` are what its environment needs."""

    train: Callable[[Watch, str], None]
    settings: dict[str, str]
    packages: tuple[str, ...] = ()


CONTENDERS = {
    "DeepXDE": Contender(
        deepxde,
        {
            "Burgers": "3 × 20 tanh, 2540 + 80 + 160 points, Adam 15 000 × 1e-3 or half the time, L-BFGS; float64",
            "Allen–Cahn": "3 × 20 tanh, hard start, period, 9200 points, Adam 40 000 × 1e-3 or half the time, L-BFGS; float64",
            "Helmholtz": "3 × 50 sin, hard walls, 1600 + 160 points, Adam 5000 × 1e-3 or half the time, L-BFGS; float64",
        },
        ("deepxde==1.15.0",),
    ),
    "jaxKAN": Contender(
        jaxkan,
        {
            "Burgers": "RGAKAN, 2 blocks of 8, hard ends, 4096 + 64 points, RBA, RAD, causal, Adam 1e-3; float32",
            "Allen–Cahn": "RGAKAN, 2 blocks of 8, hard period, 4096 + 64 points, RBA, RAD, causal, Adam 1e-3; float32",
            "Helmholtz": "RGAKAN, 2 blocks of 8, hard walls, 4096 points, RBA, RAD, Adam 1e-3; float32",
        },
        ("jaxkan==0.3.7", "jax[cpu]==0.10.2", "flax==0.12.8", "optax==0.2.8"),
    ),
    "kanpde": Contender(kanpde, dict.fromkeys(PROBLEMS, "`solve(problem)`: defaults; float64")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", metavar="problem", help=f"{', '.join(PROBLEMS)}; all by default")
    parser.add_argument("--seconds", type=float, default=200, help="for each contender")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "kanpde-peers", metavar="DIR")
    parser.add_argument("--child", nargs=2, metavar=("CONTENDER", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if strange := set(given.problems) - set(PROBLEMS):
        parser.error(f"there is no problem {', '.join(sorted(strange))}; there are {', '.join(PROBLEMS)}")
    if given.child:
        name, file = given.child
        train = partial(CONTENDERS[name].train, problem=given.problems[0])
        return report(train, Watch(given.seconds, *torch.load(file)))
    print("| problem | contender | settings | best relative L2 | last | after, s |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for problem in given.problems or PROBLEMS:
            file = str(Path(folder) / "scored.pt")
            torch.save(scored(problem), file)  # the peers' environments have no kanpde
            for name, contender in CONTENDERS.items():
                python = interpreter(name.lower(), contender.packages, given.environment)
                arguments = [problem, "--seconds", str(given.seconds), "--child", name, file]
                seen = measured(python, __file__, arguments, given.threads)
                label = contender.packages[0] if contender.packages else name
                cells = (problem, label, contender.settings[problem], f"{seen.best:.1e}", f"{seen.last:.1e}")
                print(f"| {' | '.join(cells)} | {seen.seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
