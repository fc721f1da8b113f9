"""A corner of 270°: the challenge of L. N. Trefethen (NA Digest, 29 November 2018), whose answer is known to 13 digits.

Δu = 0 on an L,   u = x² on its edges:   what is u at (0.99, 0.99), just beside the corner?

The gradient is not bounded at the corner. The solver finds it in the polygon and adds its singular functions by itself; a
network of one's own that has no outputs for them goes without.
"""

from pathlib import Path

from torch import Tensor

from kanpde import KAN, Dirichlet, Polygon, Problem, Product, Solution, laplacian, solve

ANSWER = 1.0267919261073  # A. Gopal, L. N. Trefethen, SIAM J. Numer. Anal. 57, 2019
plate = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])


def laplace(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return laplacian(u, x, y)


def main(max_seconds: float | None = 60, folder: Path = Path("out")) -> tuple[Solution, Solution]:
    """The solution with singular functions, and the one without."""
    edges = Dirichlet(lambda x, y: x**2 + 0 * y, on=plate.boundary())
    problem = Problem(plate, laplace, {"edges": edges})
    solution = solve(problem, max_seconds=max_seconds)
    plain = solve(problem, KAN([2, Product(1, rank=8)], grid=2, degree=11), max_seconds=max_seconds)
    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "l_shape.vtu")
    solution.plot(folder / "l_shape.png")
    return solution, plain


if __name__ == "__main__":
    for name, found in zip(("with", "without"), main(), strict=True):
        value = float(found(x=0.99, y=0.99))
        print(f"{found}\n{name} singular functions: u(0.99, 0.99) = {value:.10f}, off by {abs(value - ANSWER):.1e}\n")
