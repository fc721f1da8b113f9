"""The KAN paper's claim, measured: its Poisson problem with KANs and with MLPs of equal and of ten times the size.

Same collocation rule, same optimizer (Levenberg–Marquardt on the exact Jacobian), same hard boundary condition.
"""

from pathlib import Path

from kanpde import KAN, MLP, Product, Solution, solve
from problems.poisson import poisson_kan


def main(max_seconds: float = 30, folder: Path = Path("out")) -> dict[str, Solution]:
    networks = {
        "KAN, products, refined": None,
        "KAN [2, 5, 1]": KAN([2, 5, 1], grid=4, degree=5),
        "KAN, products, one grid": KAN([2, Product(1, rank=8)], grid=8, degree=9),
        "MLP, equal size": MLP([2, 15, 15, 1]),
        "MLP, ten times": MLP([2, 53, 53, 1]),
    }
    solutions = {name: solve(poisson_kan(), network, max_seconds=max_seconds) for name, network in networks.items()}
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
        lines.append(f"| {name} | {solution.model.size} | {solution.errors.relative_l2:.1e} | {seconds:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
