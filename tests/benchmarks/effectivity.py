"""Estimates of errors against the errors: `solve(problem)`, all by default, on every ready problem with an exact solution.

    python -m tests.benchmarks.effectivity [problem …]

prints, for each problem, the smallest and the largest effectivity (estimate over error) of its stages, those whose error is
above 1e-12, where rounding has no say, beside those of all stages.
"""

import sys
from collections.abc import Sequence

import torch

from kanpde import Solution, solve
from tests.catalogue import factories

FACTORIES = factories()
LINEAR_ELLIPTIC = (
    "advection_diffusion annulus ball biharmonic cantilever convection_diffusion diffusion disk elasticity helmholtz l_shape "
    "magnetostatics mixed_poisson neumann_poisson periodic_poisson plate_with_hole poisson poisson_cosines poisson_kan "
    "poisson_multiscale stokes torsion transmission triangle two_materials"
).split()
ROUNDED = 1e-12  # errors below this are those of rounding, too


def effectivities(solution: Solution) -> list[tuple[float, float]]:
    """Error and effectivity of each stage that has them."""
    pairs = [(s.errors.relative_l2, s.errors.estimate) for s in solution.history]
    return [(error, estimate / error) for error, estimate in pairs if error and estimate is not None]


def main(names: Sequence[str] = ()) -> None:
    torch.set_num_threads(2)
    known = [name for name, factory in FACTORIES.items() if factory().exact is not None and not factory().observations]
    ordered = [*LINEAR_ELLIPTIC, *(name for name in known if name not in LINEAR_ELLIPTIC)]
    print("| problem | what | stages | errors | effectivity above 1e-12 | of all |\n|---|---|---|---|---|---|")
    for name in names or ordered:
        solution = solve(FACTORIES[name](), progress=False)
        found = effectivities(solution)
        resolved = [ratio for error, ratio in found if error > ROUNDED]
        ratios = [ratio for _, ratio in found]
        what = f"{'elliptic, ' if name in LINEAR_ELLIPTIC else ''}{'estimate' if solution.is_linear else 'indicator'}"
        errors = f"{max(e for e, _ in found):.1e} … {min(e for e, _ in found):.1e}" if found else "–"
        print(f"| {name} | {what} | {len(found)} | {errors} | {_range(resolved)} | {_range(ratios)} |", flush=True)


def _range(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.2f} … {max(ratios):.2f}" if ratios else "–"


if __name__ == "__main__":
    main(sys.argv[1:])
