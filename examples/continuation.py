"""A front across a disk, the steady Allen–Cahn equation, which is found from a wider one: a direct start ends elsewhere.

w² Δu = ⁵⁄₂ (u³ − u),   u = tanh((x + y/2) / w)
"""

from pathlib import Path

from torch import Tensor, tanh

from kanpde import Dirichlet, Disk, Problem, Solution, laplacian, solve

disk = Disk(x=0, y=0, radius=1)


def front(width: float = 0.5) -> Problem:
    def exact(x: Tensor, y: Tensor) -> Tensor:
        return tanh((x + y / 2) / width)

    def residual(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return width**2 * laplacian(u, x, y) - 2.5 * (u**3 - u)

    return Problem(disk, residual, {"wall": Dirichlet(exact, on=disk.boundary())}, exact=exact)


def main(width: float = 0.1, folder: Path = Path("out")) -> Solution:
    solution = solve(front, continuation={"width": [0.5, width]})
    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "continuation.vtu")
    solution.plot(folder / "continuation.png")
    return solution


if __name__ == "__main__":
    print(main())
