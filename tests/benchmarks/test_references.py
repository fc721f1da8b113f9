"""Problems against references: finite elements that were made to converge, and Kirsch's stress at a hole."""

import numpy as np
import pytest
import skfem
import torch
from numpy.typing import NDArray
from skfem.models.poisson import laplace

from examples.plate_with_hole import stress_concentration
from kanpde import solve
from kanpde.functions import columns
from kanpde.meshes import mesh
from problems.four_holes import four_holes
from problems.plate_with_hole import plate_with_hole


def finite_elements(problem, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places and values of quadratic, isoparametric elements for Laplace's equation with values on all walls."""
    corners, triangles = mesh(problem.domain, count)
    straight = skfem.MeshTri(np.ascontiguousarray(corners.T), np.ascontiguousarray(triangles.T))
    curved = skfem.MeshTri2.from_mesh(straight)
    places = curved.doflocs.copy()
    basis = skfem.Basis(curved, skfem.ElementTriP2(), intorder=5)
    wall = basis.get_dofs(straight.boundary_facets()).all()
    for point in wall:  # midpoints of chords go to the rim
        number = np.argmin(np.abs(places - basis.doflocs[:, [point]]).sum(0))
        for x, y in ((x, y) for x in (-0.3, 0.3) for y in (-0.3, 0.3)):
            offset = places[:, number] - (x, y)
            if (distance := np.hypot(*offset)) < 0.15:
                places[:, number] = (x, y) + 0.1 * offset / distance
    basis = skfem.Basis(skfem.MeshTri2(places, curved.t), skfem.ElementTriP2(), intorder=5)
    values = basis.zeros()
    values[wall] = np.abs(basis.doflocs[:, wall]).max(0) > 0.499  # one outside, zero on the holes
    return basis.doflocs, skfem.solve(*skfem.condense(laplace.assemble(basis), x=values, D=wall))


@pytest.mark.slow
def test_four_holes():
    problem = four_holes()
    (coarse_places, coarse), (places, values) = (finite_elements(problem, count) for count in (81, 161))
    solution = solve(problem, progress=False, max_seconds=180)
    found = solution(x=places[0], y=places[1])
    # the lattice of the coarse mesh is part of the fine one's
    common = {tuple(p): v for p, v in zip(np.round(places.T, 12), values, strict=True)}
    own = [abs(common[p] - v) for p, v in zip(map(tuple, np.round(coarse_places.T, 12)), coarse, strict=True) if p in common]
    assert len(own) > 1000
    assert np.sqrt(np.mean(np.square(own))) < 2e-5 * np.sqrt(np.mean(values**2))
    assert np.linalg.norm(found - values) < 1e-4 * np.linalg.norm(values)
    x = columns(problem.domain.points(torch.rand(1000, 2, dtype=torch.float64)), ("x", "y"))
    assert (problem.equations(solution.field(**x), x)["equation"].square().mean().sqrt() / problem.sizes["equation"]) < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_stress_concentration(seed):
    solution = solve(plate_with_hole(), progress=False, tol=2e-4, max_seconds=300, seed=seed)
    assert abs(stress_concentration(solution) / 3 - 1) < 1e-3
    assert solution.errors.relative_l2 < 1e-3
