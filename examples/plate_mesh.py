"""Makes the mesh of `problems/plate_with_hole.py` by Gmsh's Python interface (`pip install gmsh`), with named boundaries."""

from itertools import pairwise
from pathlib import Path

import gmsh

from problems.plate_with_hole import MESH, RADIUS


def main(path: Path = MESH, radius: float = RADIUS, fine: float = 0.032, coarse: float = 0.25) -> Path:
    """The quarter [0, 1]² of a plate without the disk about 0, in triangles of second order: their edges follow the hole."""
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        geometry = gmsh.model.geo
        centre = geometry.addPoint(0, 0, 0)
        corners = [(radius, 0, fine), (1, 0, coarse), (1, 1, coarse), (0, 1, coarse), (0, radius, fine)]
        points = [geometry.addPoint(x, y, 0, size) for x, y, size in corners]
        sides = [geometry.addLine(*ends) for ends in pairwise(points)]
        loop = [*sides, geometry.addCircleArc(points[-1], centre, points[0])]
        plate = geometry.addPlaneSurface([geometry.addCurveLoop(loop)])
        geometry.synchronize()
        for name, curve in zip(("bottom", "right", "top", "left", "hole"), loop, strict=True):
            gmsh.model.addPhysicalGroup(1, [curve], name=name)
        gmsh.model.addPhysicalGroup(2, [plate], name="plate")
        gmsh.model.mesh.generate(2)
        gmsh.model.mesh.setOrder(2)
        gmsh.write(str(path))
    finally:
        gmsh.finalize()
    return path


if __name__ == "__main__":
    print(main())
