"""Simplices: triangles, tetrahedra and the lines between them. How points fill them, and how they are cut into smaller ones.

Cells of second order have, after their corners, a node for each edge, in the order of `EDGES` (that of VTK).
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Corners = Annotated[NDArray[np.float64], "points axes"]
Simplices = Annotated[NDArray[np.int64], "cells nodes"]

EDGES = {2: [(0, 1)], 3: [(0, 1), (1, 2), (2, 0)], 4: [(0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)]}  # by corners
CHILDREN = {  # of a cell of second order, by its nodes; the octahedron inside of a tetrahedron is cut along one diagonal
    3: [(0, 2), (2, 1)],
    6: [(0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)],
    # in the order of J. Bey, Computing 55, 1995, in which cells that are cut again and again do not get thin
    10: [(0, 4, 6, 7), (4, 1, 5, 8), (6, 5, 2, 9), (7, 8, 9, 3), (4, 6, 7, 8), (4, 6, 5, 8), (6, 7, 8, 9), (6, 5, 8, 9)],
}


def barycentric(unit: Annotated[Array, "points axes"]) -> Annotated[Array, "points corners"]:
    """Points of the unit cube as weights of the corners of a simplex, so that uniform ones stay uniform."""
    dimension = unit.shape[1]
    # the nearer to the first corner, the smaller the simplex that is left
    steps = unit ** (1 / np.arange(dimension, 0, -1))
    reached = np.cumprod(np.concatenate([np.ones((len(unit), 1)), steps], 1), 1)
    return reached - np.concatenate([reached[:, 1:], np.zeros((len(unit), 1))], 1)


def chosen(first: Annotated[Array, "points"], sizes: Annotated[Array, "cells"]) -> tuple[NDArray[np.int64], Array]:
    """Numbers of the unit interval as cells, in proportion to their sizes, and how far each goes on within its cell."""
    ends = np.cumsum(sizes) / sizes.sum()
    cells = np.minimum(np.searchsorted(ends, first, side="right"), np.flatnonzero(sizes)[-1])
    share = sizes[cells] / sizes.sum()
    return cells, np.clip((first - (ends[cells] - share)) / share, 0, 1)


def volumes(points: Corners, cells: Simplices) -> Annotated[Array, "cells"]:
    """With their signs."""
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    return np.linalg.det(edges) / np.prod(np.arange(1, cells.shape[1]))


def rims(cells: Simplices) -> tuple[Simplices, Annotated[NDArray[np.int64], "facets"]]:
    """The facets of all cells, cell by cell, and the corner opposite of each."""
    facets = np.stack([np.delete(cells, k, 1) for k in range(cells.shape[1])], 1)
    return facets.reshape(-1, cells.shape[1] - 1), cells.reshape(-1)


def elevated(points: Corners, *blocks: Simplices) -> tuple[Corners, list[Simplices]]:
    """The same cells with nodes in the middle of their edges, which follow the other points."""
    pairs = [np.sort(block[:, EDGES[block.shape[1]]].reshape(-1, 2), 1) for block in blocks]
    unique, numbers = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    nodes = np.split(len(points) + numbers.reshape(-1), np.cumsum([len(p) for p in pairs])[:-1])
    found = [np.concatenate([b, n.reshape(len(b), -1)], 1) for b, n in zip(blocks, nodes, strict=True)]
    return np.concatenate([points, points[unique].mean(1)]), found


def cut(block: Simplices) -> Simplices:
    """Cells of second order, cut along their nodes into ones of first order: those of each cell follow each other."""
    children = np.array(CHILDREN[block.shape[1]])
    return block[:, children].reshape(-1, children.shape[1])
