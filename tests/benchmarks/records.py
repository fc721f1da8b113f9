"""Hard problems beside the records of the field: `solve(problem)` with default arguments, error against time.

    python -m tests.benchmarks.records [problem …] [--seeds 0 1 2 3 4] [--seconds S] [--jobs N] [--results FILE]
    python -m tests.benchmarks.records --table [--results FILE]

Each run has a process of its own, S seconds (by default the problem's own limit) and its share of two threads for N runs
at once (by default one, as times are those of a machine without other work), and adds a line of JSON to FILE: problem, seed,
commit, machine, time, peak memory, status, and a curve of seconds, coefficients, residual and relative L2 error. Errors are
measured once a stage ends, after its successor's first step: on the uniform grid of the reference where there is no exact
solution, else by quadrature; measuring counts as time. The table shows the median and the worst last error of the newest
run of each seed.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from kanpde import Problem, Solution, solve
from kanpde.progress import Progress
from tests.benchmarks.references import Reference, reference
from tests.catalogue import ROOT, factories

RESULTS = Path(__file__).parent / "results" / "records.jsonl"
FACTORIES = factories()
THREADS = 2


@dataclass(frozen=True)
class Case:
    """A problem, the error to reach first and the seconds for it, the error to reach then, and what others reached."""

    factory: Callable[..., Problem]
    goal: float
    seconds: float
    then: float
    record: str  # of any network; ~ where others transcribed it
    kan: str  # the best published for a KAN
    reference: str | None = None


CASES = {
    "Burgers, 0.01/π": Case(FACTORIES["burgers"], 1e-5, 600, 1e-8, "5.4e-9", "1e-8, read off a figure"),
    "Burgers, 0.01": Case(partial(FACTORIES["burgers"], viscosity=0.01), 1e-7, 300, 1e-11, "~8e-14", "–"),
    "Allen–Cahn": Case(FACTORIES["allen_cahn"], 1e-5, 600, 1e-8, "~9.4e-7", "2.5e-5", "allen_cahn"),
    "Korteweg–de Vries": Case(FACTORIES["kdv"], 1e-5, 600, 1e-9, "~8.2e-11", "–", "kdv"),
    "Korteweg–de Vries, two solitons": Case(FACTORIES["kdv_two_solitons"], 1e-5, 600, 1e-9, "–", "–"),
    "Kuramoto–Sivashinsky": Case(FACTORIES["kuramoto_sivashinsky"], 1e-3, 900, 1e-6, "~5.1e-7", "–", "kuramoto_sivashinsky"),
    "advection, c = 30": Case(FACTORIES["advection"], 1e-7, 300, 1e-10, "–", "–"),
    "advection, c = 100": Case(partial(FACTORIES["advection"], c=100.0), 1e-4, 300, 1e-10, "6.9e-4", "–"),
    "wave": Case(FACTORIES["wave"], 1e-8, 300, 1e-12, "~1.2e-15", "–"),
    "Klein–Gordon, 2-D": Case(FACTORIES["klein_gordon_2d"], 1e-5, 300, 1e-12, "–", "–"),
    "sine-Gordon, breather": Case(FACTORIES["sine_gordon"], 1e-8, 300, 1e-12, "–", "–"),
    "Helmholtz (1, 4)": Case(FACTORIES["helmholtz"], 1e-9, 180, 1e-12, "~2.0e-9", "1.0e-3"),
    "Poisson, multiscale": Case(FACTORIES["poisson_multiscale"], 1e-6, 180, 1e-12, "~4.5e-14", "–"),
    "cavity, Re 100": Case(FACTORIES["cavity"], 1e-3, 600, 1e-5, "~1.1e-4", "–", "cavity"),
    "Poisson, 5-D": Case(FACTORIES["poisson_cosines"], 1e-5, 300, 1e-10, "~3e-16", "–"),
}


def error_against(solution: Solution, known: Reference) -> float:
    """Relative L2 error of all unknowns of the reference together."""
    found = solution(**known.points)
    by_unknown = found if isinstance(found, dict) else {solution.problem.unknowns[0]: found}
    missed = sum(np.sum((by_unknown[n] - values) ** 2) for n, values in known.values.items())
    return float(np.sqrt(missed / sum(np.sum(values**2) for values in known.values.values())))


def run(name: str, seed: int, seconds: float, threads: int) -> dict[str, Any]:
    """One run, as a line of the results."""
    torch.set_num_threads(threads)
    case = CASES[name]
    problem = case.factory()
    known = None if case.reference is None else reference(case.reference)
    at_ends: list[float] = []

    def watch(progress: Progress) -> None:
        if known is not None and progress.step == 1 and progress.stage > len(at_ends):
            at_ends.append(error_against(Solution(progress.field, (), "on its way"), known))

    started = time.strftime("%Y-%m-%d %H:%M:%S")
    solution = solve(problem, seed=seed, max_seconds=seconds, progress=watch)
    last = error_against(solution, known) if known is not None else solution.errors.relative_l2
    errors = (
        [*at_ends[: len(solution.history) - 1], last] if known is not None else [s.errors.relative_l2 for s in solution.history]
    )
    return {
        "problem": name,
        "seed": seed,
        "error": last,
        "reference's own error": None if known is None else known.error,
        "seconds": round(solution.history[-1].seconds, 2),
        "coefficients": solution.model.size if hasattr(solution.model, "size") else None,
        "curve": [
            {"seconds": round(s.seconds, 2), "coefficients": s.size, "residual": s.residual, "error": e}
            for s, e in zip(solution.history, errors, strict=True)
        ],
        "status": solution.status,
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,  # in kB on Linux
        "started": started,
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
        ).stdout.strip(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
    }


def table(lines: Iterable[str]) -> str:
    """The newest run of each seed, beside the records."""
    newest: dict[str, dict[int, dict[str, Any]]] = {}
    for line in lines:
        found = json.loads(line)
        newest.setdefault(found["problem"], {})[found["seed"]] = found
    rows = [
        "| problem | first goal | within, s | median | worst | seeds | longest, s | coefficients | record | best KAN |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in filter(newest.get, CASES):
        case, runs = CASES[name], list(newest[name].values())
        errors = [found["error"] for found in runs]
        rows.append(
            f"| {name} | {case.goal:.0e} | {case.seconds:g} | {median(errors):.1e} | {max(errors):.1e} | {len(runs)} | "
            f"{max(found['seconds'] for found in runs):.0f} | {max(found['coefficients'] for found in runs)} | "
            f"{case.record} | {case.kan} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", metavar="problem", help=", ".join(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--seconds", type=float, help="for each run; by default the problem's own limit")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print the table of the results so far")
    given = parser.parse_args()
    if strange := set(given.problems) - CASES.keys():
        parser.error(f"there is no problem {', '.join(sorted(strange))}; there are {', '.join(CASES)}")
    if not given.table:
        given.results.parent.mkdir(parents=True, exist_ok=True)
        for name in {case.reference for n, case in CASES.items() if n in (given.problems or CASES)} - {None}:
            print(f"reference {name}: its own error {reference(name).error:.1e}", file=sys.stderr)
        # a process of its own, so that memory is its own peak
        with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
            threads = max(1, THREADS // given.jobs)
            runs = [
                pool.submit(run, name, seed, given.seconds or CASES[name].seconds, threads)
                for name in given.problems or CASES
                for seed in given.seeds
            ]
            for found in (done.result() for done in as_completed(runs)):
                with given.results.open("a") as file:
                    file.write(json.dumps(found, ensure_ascii=False) + "\n")
                print(
                    f"{found['problem']}, seed {found['seed']}: {found['error']:.1e} after {found['seconds']:g} s; "
                    f"{found['status']}",
                    file=sys.stderr,
                )
    print(table(given.results.read_text().splitlines()))


if __name__ == "__main__":
    main()
