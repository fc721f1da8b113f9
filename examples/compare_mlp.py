"""The KAN paper's claim, measured: its Poisson problem with KANs and with MLPs of equal and of ten times the size.

Same collocation rule, same optimizer (Levenberg–Marquardt on the exact Jacobian), same hard boundary condition. All but
the first have one fixed size; the first is what `solve` does without being told anything.
"""

from pathlib import Path

from kanpde import KAN, MLP, Grids, Product, Solution, solve
from problems.poisson import poisson_kan


def main(max_seconds: float = 30, folder: Path = Path("out")) -> dict[str, Solution]:
    networks = {
        "KAN of products": KAN([2, Product(1, rank=8)], grid=8, degree=9),
        "KAN [2, 5, 1]": KAN([2, 5, 1], grid=12, degree=7),
        "MLP, equal size": MLP([2, 15, 15, 1]),
        "MLP, ten times": MLP([2, 53, 53, 1]),
    }
    fixed = Grids(())
    solutions = {"default: KAN of products, refined": solve(poisson_kan(), max_seconds=max_seconds)}
    for name, network in networks.items():
        solutions[name] = solve(poisson_kan(), network, refine=fixed, max_seconds=max_seconds)
    folder.mkdir(exist_ok=True)
    report = table(solutions)
    (folder / "compare_mlp.md").write_text(report + "\n")
    print(report)
    return solutions


def table(solutions: dict[str, Solution]) -> str:
    lines = ["| network | coefficients | relative L2 | seconds |", "|---|---|---|---|"]
    for name, solution in solutions.items():
        assert solution.errors is not None
        seconds = solution.history[-1].seconds
        lines.append(f"| {name} | {solution.size} | {solution.errors.relative_l2:.1e} | {seconds:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
