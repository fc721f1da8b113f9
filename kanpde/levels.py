"""Nested meshes of a domain for finite elements: simplices of second order whose boundary follows that of the domain.

Nodes in the middle of edges of the boundary lie on its faces, so that curved boundaries are met to third order
(P. Ciarlet and P.-A. Raviart, Comput. Methods Appl. Mech. Eng. 1, 1972).
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from kanpde.domains import Domain
from kanpde.meshes import mesh
from kanpde.simplices import CHILDREN, EDGES, Corners, Simplices, cut, elevated, rims

Numbers = Annotated[NDArray[np.int64], "facets"]

ROUNDS = 3  # of projections onto faces, as nodes where two curved ones meet go to both by turns


@dataclass(frozen=True)
class Level:
    """A mesh: nodes, cells of second order, and by facet of the boundary its cell, the corner opposite and a place on it."""

    domain: Domain
    nodes: Corners
    cells: Simplices
    owners: Numbers
    opposite: Numbers
    sites: Annotated[Corners, "facets axes"]

    @property
    def dimension(self) -> int:
        return self.nodes.shape[1]

    def refined(self) -> "Level":
        """Each cell cut into 2^d, which follow each other."""
        return _level(self.domain, self.nodes, cut(self.cells))


def first_level(domain: Domain, count: int) -> Level:
    """With about `count` corners along the longest axis."""
    points, cells = mesh(domain, count)
    used, cells = np.unique(cells, return_inverse=True)
    return _level(domain, points[used], cells.reshape(-1, points.shape[1] + 1))


def children(dimension: int) -> Annotated[Corners, "children corners axes"]:
    """The corners of the pieces that `refined` cuts the reference simplex into."""
    corners = np.concatenate([np.zeros((1, dimension)), np.eye(dimension)])
    nodes = np.concatenate([corners, corners[EDGES[dimension + 1]].mean(1)])
    return nodes[CHILDREN[len(nodes)]]


def _level(domain: Domain, points: Corners, cells: Simplices) -> Level:
    facets, _ = rims(cells)
    _, same, counts = np.unique(np.sort(facets, 1), axis=0, return_inverse=True, return_counts=True)
    outer = np.flatnonzero(counts[same.reshape(-1)] == 1)
    owners, opposite = np.divmod(outer, cells.shape[1])
    facets = facets[outer]
    if facets.shape[1] == 1:  # the ends of a line
        nodes, (cells,) = elevated(points, cells)
        return Level(domain, nodes, cells, owners, opposite, points[facets[:, 0]])
    nodes, (cells, curved) = elevated(points, cells, facets)
    followed, sites = _on_boundary(domain, points[facets])
    for _ in range(ROUNDS):
        for number, face in enumerate(domain.faces):
            middles = np.unique(curved[followed == number, facets.shape[1] :])
            nodes[middles] = domain.projected(face, torch.from_numpy(nodes[middles])).numpy()
    return Level(domain, nodes, cells, owners, opposite, sites)


def _on_boundary(
    domain: Domain, corners: Annotated[Corners, "facets corners axes"]
) -> tuple[Numbers, Annotated[Corners, "facets axes"]]:
    """By facet the number of the face that it follows, and the place on that beside its middle."""
    middles = torch.from_numpy(corners.mean(1))
    sizes = np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2).max(1)
    followed, sites, nearest = np.full(len(corners), -1), middles.numpy().copy(), sizes / 2
    for number, face in enumerate(domain.faces):
        places = domain.projected(face, middles)
        moved = np.where(domain.touches(face, places).numpy(), (places - middles).norm(dim=1).numpy(), np.inf)
        closer = moved < nearest
        followed[closer], sites[closer], nearest[closer] = number, places.numpy()[closer], moved[closer]
    if (lost := followed < 0).any():
        place = ", ".join(f"{n}={v:.4g}" for n, v in zip(domain.names, middles.numpy()[lost][0], strict=True))
        raise ValueError(
            f"no mesh found that follows the boundary of {domain} near {place}; give a mesh of it, as "
            "MeshDomain(…) reads it, or more unknowns"
        )
    return followed, sites
