"""Meshes fill their domains with positive volumes and fit together."""

from math import factorial

import numpy as np
import pytest
import torch

from kanpde import Ball, Box, Disk, Ellipse, Polygon
from kanpde.meshes import mesh

square = Box(x=(-1, 1), y=(-1, 1))
DOMAINS = {
    "line": (Box(x=(0, 2)), 0),
    "rectangle": (Box(x=(0, 2), y=(1, 1.5)), 0),
    "cuboid": (Box(x=(0, 2), y=(1, 1.5), z=(-1, 2)), 0),
    "disk": (Disk(x=1, y=0, radius=2), 2e-3),
    "ellipse": (Ellipse(x=0, y=0, radii=(3, 1)), 4e-3),
    "L": (Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)]), 1e-12),
    "hole": (square - Disk(x=0, y=0.2, radius=0.4), 2e-3),
    "lens": (Disk(x=-0.5, y=0) & Disk(x=0.5, y=0), 1e-2),
    "union": (Disk(x=-0.5, y=0) | square, 1e-2),
    "ball": (Ball(x=0, y=0, z=0), 2e-2),
    "cylinder": (Disk(x=0, y=0) * Box(t=(0, 2)), 1e-2),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_cells_fill_the_domain_with_positive_volumes(name):
    domain, loss = DOMAINS[name]
    points, cells = mesh(domain, 41 if domain.dimension < 3 else 17)
    volumes = np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]]) / factorial(domain.dimension)
    assert (volumes > 0).all()
    # chords of convex arcs lose area, those of holes gain it; the measure of unions and the like has four digits
    assert abs(volumes.sum() / domain.measure - 1) < loss + 1e-12
    assert domain.contains(torch.from_numpy(points)).all()


@pytest.mark.parametrize("name", DOMAINS)
def test_cells_conform(name):
    """A facet belongs to two cells, or to one where it lies on the boundary: its middle then is near a wall."""
    domain, _ = DOMAINS[name]
    points, cells = mesh(domain, 21 if domain.dimension < 3 else 9)
    facets = np.sort(np.concatenate([np.delete(cells, k, 1) for k in range(cells.shape[1])]), 1)
    unique, times = np.unique(facets, axis=0, return_counts=True)
    assert times.max() == 2
    step = 0.1 * (domain.high - domain.low).max()
    alone = torch.from_numpy(points[unique[times == 1]].mean(1))
    directions = torch.nn.functional.normalize(torch.randn(64, domain.dimension, dtype=torch.float64), dim=1)
    leaves = torch.stack([~domain.contains(alone + step * d) for d in directions])
    assert leaves.any(0).all()
