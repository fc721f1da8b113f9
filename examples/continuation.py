"""A reaction that grows exponentially, found from a gentler one: Newton's steps from a random start do not lead there.

Δu = exp(s u) + f on the unit disk, u = 0 on the circle; f is that of u = (1 − x² − y²) exp(y + sin 2x)
"""

from pathlib import Path

from torch import Tensor, exp, sin

from kanpde import Dirichlet, Disk, Problem, Solution, laplacian, solve

disk = Disk(x=0, y=0, radius=1)


def reaction(strength: float = 1.0) -> Problem:
    def exact(x: Tensor, y: Tensor) -> Tensor:
        return (1 - x**2 - y**2) * exp(y + sin(2 * x))

    def imbalance(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return laplacian(u, x, y) - exp(strength * u)

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return imbalance(u, x, y) - imbalance(exact(x, y), x, y)

    return Problem(disk, residual, {"wall": Dirichlet(0.0, on=disk.boundary())}, exact=exact)


def main(strength: float = 8.0, max_seconds: float | None = 60, folder: Path = Path("out")) -> Solution:
    solution = solve(reaction, continuation={"strength": [1, strength]}, max_seconds=max_seconds)
    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "continuation.vtu")
    solution.plot(folder / "continuation.png")
    return solution


if __name__ == "__main__":
    print(main())
