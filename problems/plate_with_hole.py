"""A plate with a hole under tension, on a mesh from Gmsh."""

from pathlib import Path

from torch import Tensor, full_like

from kanpde import Condition, Dirichlet, MeshDomain, Problem, div
from problems._plane_stress import kirsch, plane_stress

MESH = Path(__file__).with_suffix(".msh")  # made by examples/plate_mesh.py
RADIUS = 0.5


def plate_with_hole(young: float = 1.0, ratio: float = 0.3) -> Problem:
    """∇·σ = 0 in plane stress on [0, 1]² without the disk of radius ½ about 0, a quarter of a plate.

    The hole is free, σn = 0; x = 0 and y = 0 are lines of symmetry; across the other sides the plate is pulled as far as
    Kirsch's infinite plate under the tension σ_xx = 1, with the shear that is there. The stress at the hole reaches 3.
    """
    plate = MeshDomain(MESH)
    (_, width), (_, height) = plate.axes.values()

    def exact(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return kirsch(x, y, RADIUS, young, ratio)

    def stress(u: Tensor, v: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return plane_stress(u, v, x, y, young, ratio)

    def balance(u: Tensor, v: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        xx, xy, yy = stress(u, v, x, y)
        return {"balance_x": div((xx, xy), x, y), "balance_y": div((xy, yy), x, y)}

    def sliding(u: Tensor, v: Tensor, x: Tensor, y: Tensor) -> Tensor:
        known = exact(x, y)
        return stress(u, v, x, y)[1] - stress(known["u"], known["v"], x, y)[1]

    def pull_x(u: Tensor, v: Tensor, x: Tensor, y: Tensor, normal: tuple[Tensor, Tensor]) -> Tensor:
        xx, xy, _ = stress(u, v, x, y)
        return xx * normal[0] + xy * normal[1]

    def pull_y(u: Tensor, v: Tensor, x: Tensor, y: Tensor, normal: tuple[Tensor, Tensor]) -> Tensor:
        _, xy, yy = stress(u, v, x, y)
        return xy * normal[0] + yy * normal[1]

    conditions = {
        "left": Dirichlet(0.0, on=plate.boundary("left"), of="u"),
        "bottom": Dirichlet(0.0, on=plate.boundary("bottom"), of="v"),
        # what is known there, and nothing of the inside
        "right": Dirichlet(lambda x, y: exact(full_like(x, width), y)["u"], on=plate.boundary("right"), of="u"),
        "top": Dirichlet(lambda x, y: exact(x, full_like(y, height))["v"], on=plate.boundary("top"), of="v"),
        "shear": Condition(sliding, on=plate.boundary("left", "bottom", "right", "top")),
        "hole, x": Condition(pull_x, on=plate.boundary("hole")),
        "hole, y": Condition(pull_y, on=plate.boundary("hole")),
    }
    return Problem(plate, balance, conditions, exact)
