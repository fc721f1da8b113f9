"""A plate with a hole on a mesh from Gmsh, whose physical groups name the sides: how much the hole concentrates the stress."""

from pathlib import Path

import torch
from matplotlib.tri import Triangulation
from torch import Tensor

from kanpde import MeshDomain, Solution, solve
from kanpde.meshes import mesh
from kanpde.plot import plot_fields
from problems._plane_stress import kirsch, plane_stress
from problems.plate_with_hole import RADIUS, plate_with_hole


def stress(solution: Solution, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """σ_xx, σ_xy, σ_yy at points (count, 2): derivatives go through the field, not through numbers from `solution(x=…)`."""
    x, y = (column.requires_grad_() for column in points.split(1, 1))
    displacement = solution.field(x=x, y=y)
    xx, xy, yy = plane_stress(displacement["u"], displacement["v"], x, y)
    return xx.detach(), xy.detach(), yy.detach()


def stress_concentration(solution: Solution, count: int = 2001) -> float:
    """The largest stress along the hole, σ_tt with the tangent t, over that far away, which is 1."""
    plate = solution.problem.domain
    assert isinstance(plate, MeshDomain)
    unit = torch.stack([torch.zeros(count), torch.linspace(0, 1, count)], 1).double()
    points, normals = plate.boundary("hole").sample(unit)
    xx, xy, yy = stress(solution, points)
    n_x, n_y = normals.split(1, 1)
    return (xx * n_y**2 - 2 * xy * n_x * n_y + yy * n_x**2).max().item()


def main(max_seconds: float | None = 120, folder: Path = Path("out")) -> Solution:
    problem = plate_with_hole()
    print(f"{problem.domain} has the boundaries {', '.join(map(str, problem.domain.faces))}")
    solution = solve(problem, max_seconds=max_seconds)

    folder.mkdir(exist_ok=True)
    solution.to_vtk(folder / "plate_with_hole.vtu")
    corners, triangles = mesh(problem.domain, 161)
    points = torch.from_numpy(corners)
    x, y = (column.requires_grad_() for column in points.split(1, 1))
    known = kirsch(x, y, RADIUS)
    found, exact = stress(solution, points)[0], plane_stress(known["u"], known["v"], x, y)[0].detach()
    fields = {"stress along x": found[:, 0].numpy(), "error": (found - exact)[:, 0].numpy()}
    plot_fields(folder / "plate_with_hole.png", ("x", "y"), Triangulation(corners[:, 0], corners[:, 1], triangles), fields)
    return solution


if __name__ == "__main__":
    solution = main()
    print(solution)
    print(f"stress concentration {stress_concentration(solution):.4f}, of Kirsch's plate 3")
