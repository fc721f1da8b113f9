"""What two processes gain, what numbers cost on their way between them, and what many would do by that (docs/scaling.md).

    OMP_NUM_THREADS=1 python -m torch.distributed.run --standalone --nproc-per-node=2 -m tests.benchmarks.ranks

Rows are those of Poisson's equation, on points of which each process has its share, or rank 0 has all while the other waits.
The two take turns in one run, so that a machine that slows down slows both; figures are the least of several, as work of
others on a core only adds. CPU times are those of the busier process: where cores are free the two ratios are alike.
"""

import time
from collections.abc import Callable
from math import ceil, log2

import torch
import torch.distributed as dist
from torch import Tensor

from kanpde import KAN, QR, Graded, NormalEquations, Product
from kanpde.factorizations import Factorization
from kanpde.field import Field
from kanpde.ranks import is_first, joined, reduced, total
from kanpde.residuals import Objective
from problems.poisson import poisson

POINTS, REPEATS, DAMPING = 40_000, 7, 1e-3
SIZES = (500, 2000, 5000)
# of the predictions: measured by this, of one thread of two
SECONDS_A_POINT, SECONDS_A_COEFFICIENT, OPERATIONS_A_SECOND, BYTES_ADDED_A_SECOND = 2e-6, 2e-8, 34e9, 14e9
SMALL_MESSAGES = 10  # of a step
# assumed: a network of 25 Gbit/s, and the time of the smallest message between machines
BYTES_A_SECOND, LATENCY = 3e9, 20e-6
NETWORKS = {
    "products of splines, rank 8": KAN([2, Product(1, rank=8)], grid=16, degree=11),
    "products of splines, rank 16": KAN([2, Product(1, rank=16)], grid=32, degree=11),
    "[2, 10, 1]": KAN([2, 10, 1], grid=19, degree=5),
}


def main() -> None:
    with joined("benchmark"):
        say(f"{dist.get_world_size()} processes, {torch.get_num_threads()} thread each; torch {torch.__version__}\n")
    gains()
    messages()
    triangles()
    predictions()


def gains() -> None:
    say(f"| {POINTS} points | coefficients | what | one process, s | two, s | ratio | of CPU times | µs each |")
    say("|---|---|---|---|---|---|---|---|")
    for name, network in NETWORKS.items():
        objective = Objective(Field(poisson(), network), Graded(), {}, POINTS, seed=0)
        for label, work in {
            "r": objective.squares,
            "r, J, JᵀJ": lambda o=objective: step(o, NormalEquations()),
            "r, J, QR": lambda o=objective: step(o, QR()),
        }.items():
            if label == "r, J, QR" and objective.size > 700:
                continue  # minutes
            alone, shared, cpu_alone, cpu_shared = [], [], [], []
            for _ in range(REPEATS):
                for walls, cpus, is_shared in ((alone, cpu_alone, False), (shared, cpu_shared, True)):
                    start = time.process_time()
                    walls.append(timed(work if is_shared or is_first() else nothing, is_shared))
                    cpus.append(busiest(time.process_time() - start))
            one, two, cpu = min(alone), min(shared), min(cpu_alone) / min(cpu_shared)
            each = 1e6 * one / POINTS / objective.size
            say(f"| {name} | {objective.size} | {label} | {one:.2f} | {two:.2f} | {one / two:.2f} | {cpu:.2f} | {each:.3f} |")


def step(objective: Objective, factorization: Factorization) -> None:
    """What comes before a step is solved for: r, J and their reduction."""
    factorization.factorize(objective.linearized(), DAMPING)
    objective.squares()


def messages() -> None:
    say("\n| coefficients | P² numbers, MB | all-reduce, ms | sent once and added, ms | added, ms |\n|---|---|---|---|---|")
    for size in SIZES:
        matrix = torch.ones(size, size, dtype=torch.float64)
        both = min(timed(lambda m=matrix: total(m), is_shared=True) for _ in range(REPEATS))
        once = min(timed(lambda m=matrix: reduced(m, Tensor.add_), is_shared=True) for _ in range(REPEATS))
        added = min(timed_alone(lambda m=matrix: m.add_(m)) for _ in range(REPEATS))
        milliseconds = " | ".join(f"{1e3 * seconds:.1f}" for seconds in (both, once, added))
        say(f"| {size} | {8e-6 * size**2:.0f} | {milliseconds} |")
    number = torch.zeros(1, dtype=torch.float64)
    few = [timed(lambda: [total(number) for _ in range(100)], is_shared=True) / 100 for _ in range(REPEATS)]
    say(f"\nOne number, all-reduced: {1e6 * min(few):.0f} µs.")


def triangles() -> None:
    say("\n| coefficients | QR of two stacked triangles, s | GFLOP/s | Cholesky, s | GFLOP/s |\n|---|---|---|---|---|")
    for size in SIZES if is_first() else ():
        triangle = torch.rand(size, size, dtype=torch.float64).triu_() + size**0.5 * torch.eye(size, dtype=torch.float64)
        stacked, gram = torch.cat([triangle, triangle]), triangle.T @ triangle
        repeats = 1 if size > 2000 else 3
        qr = min(timed_alone(lambda s=stacked: torch.linalg.qr(s, mode="r")) for _ in range(repeats))
        cholesky = min(timed_alone(lambda g=gram: torch.linalg.cholesky_ex(g)) for _ in range(repeats))
        rates = 10 / 3 * size**3 / qr, size**3 / 3 / cholesky
        say(f"| {size} | {qr:.2f} | {1e-9 * rates[0]:.0f} | {cholesky:.2f} | {1e-9 * rates[1]:.0f} |")


def predictions() -> None:
    say("\n| points | coefficients | ranks | own rows, s | reduction, s | solving, s | messages, s | step, s | gain |")
    say("|---|---|---|---|---|---|---|---|---|")
    for points, size in ((1250, 500), (40_000, 500), (10**6, 500), (5000, 2000), (10**6, 2000), (10**8, 2000), (10**6, 5000)):
        alone = sum(predicted(points, size, 1))
        for count in (2, 32, 1000):
            parts = predicted(points, size, count)
            figures = " | ".join(f"{part:.3g}" for part in (*parts, sum(parts)))
            say(f"| {points:.0e} | {size} | {count} | {figures} | {alone / sum(parts):.3g} |")


def predicted(points: int, size: int, count: int) -> tuple[float, float, float, float]:
    """Seconds of a step by normal equations that takes its first trial: own rows, reduction, solving, small messages."""
    rounds = ceil(log2(count))
    own = points / count * (SECONDS_A_POINT + SECONDS_A_COEFFICIENT * size)
    reduction = rounds * 8 * size**2 * (1 / BYTES_A_SECOND + 1 / BYTES_ADDED_A_SECOND)
    small = SMALL_MESSAGES * 2 * (count - 1) * LATENCY  # around gloo's ring
    return own, reduction, size**3 / 3 / OPERATIONS_A_SECOND, small


def timed(work: Callable[[], object], is_shared: bool = False) -> float:
    """Seconds from when all begin to when all are done."""
    dist.barrier()
    start = time.perf_counter()
    if is_shared:
        with joined("work"):
            work()
    else:
        work()
    dist.barrier()
    return time.perf_counter() - start


def timed_alone(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def busiest(seconds: float) -> float:
    """The most of any process."""
    found = torch.tensor(seconds, dtype=torch.float64)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return found.item()


def nothing() -> None:
    pass


def say(text: str) -> None:
    if is_first():
        print(text, flush=True)


if __name__ == "__main__":
    main()
